/* decay_vector.h: the loop of decay.h for processors with AVX-512. Private to decay.c and its test. */
#ifndef REVEILLE_WORKER_DECAY_VECTOR_H
#define REVEILLE_WORKER_DECAY_VECTOR_H

#include "decay.h"

/* Whether this processor, the points and the instants are for this loop. */
bool rvw_decay_vector_takes(const rvw_decay_t *decay, const rvw_weight_t *weight, const rvw_decay_at_t *at,
                            unsigned n_at);
/* As rvw_decay_codes, for one or two instants of each of which some codes count. */
void rvw_decay_vector(const rvw_decay_t *decay, const rvw_weight_t *weight, uint64_t unit, const rvw_decay_at_t *at,
                      unsigned n_at, const uint32_t *codes, const uint16_t *row, uint32_t n);

#endif
