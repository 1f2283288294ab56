// trial.h - one seed's world put to the engine and the model.
//
// A world is a schema, data in their order of arrival, a layout of the cluster, and some requests: as generated, over a
// view held since an earlier moment, and with a text spoilt. The outcome of every operation, the answer to every
// request and every point read are compared; a mismatch is printed with all that replays it, and counted.
#ifndef RVM_TRIAL_H
#define RVM_TRIAL_H

#include "engine.h"

enum { RVM_MAX_MISMATCHES = 5 }; // then a process gives up

typedef struct rvm_tally { // of one process
    uint64_t seed;         // at work
    bool finished;         // came to its end
    long cases;            // requests that both answer, alike
    long mismatches;
    long overflows, answered, refused, spoilt, other_places, worlds, threads;
} rvm_tally_t;

typedef struct rvm_settings {
    long cases;
    uint64_t seed; // the first one
    bool only, print, threads;
    const char *texts; // directory of accept.txt and reject.txt, which the first world is asked too; NULL: none
    int processes;
} rvm_settings_t;

// Data live below `dir`, which exists.
void rvm_trial_run(uint64_t seed, const rvm_settings_t *settings, const char *dir, rvm_tally_t *tally);

#endif
