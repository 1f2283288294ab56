/* background.h: threads that answer nobody at once. */
#ifndef REVEILLE_WORKER_BACKGROUND_H
#define REVEILLE_WORKER_BACKGROUND_H

#include <sched.h>

/* Calls of the writer and the housekeeper, about themselves. A thread that wakes takes the processor from one that
 * computes: hundreds of batches a second would cut a query to pieces, each in a group of its own. SCHED_BATCH waits for
 * a processor instead, while others arrive, so groups grow when processors are short and only then; its share of the
 * time stays what it is. A hint: without it all works as well. */
static inline void rvw_run_in_background(void) {
    static const struct sched_param none;
    (void)sched_setscheduler(0, SCHED_BATCH, &none);
}

#endif
