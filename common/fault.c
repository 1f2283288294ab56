/* fault.c: fault points of test builds. The plan is read once from REV_FAULT; counters are atomic, so any thread may
 * hit a point. */
#include "reveille/fault.h"

#ifdef RV_FAULTS
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define MAX_FAULTS 16

typedef struct {
    const char *name;
    bool kill; /* else it reports failure */
    long nth;
    _Atomic long hits;
} fault_t;

static fault_t faults[MAX_FAULTS];
static size_t n_faults;
static char *plan; /* taken apart; the names are in it */
static pthread_once_t once = PTHREAD_ONCE_INIT;

static bool read_number(const char *text, long *ret) {
    char *end;
    *ret = strtol(text, &end, 10);
    return end != text && !*end && *ret > 0;
}

/* One "name:action[:nth]", which it takes apart. */
static bool read_fault(char *text, fault_t *fault) {
    char *rest, *name = strtok_r(text, ":", &rest), *action = strtok_r(NULL, ":", &rest);
    char *nth = strtok_r(NULL, ":", &rest);
    if (!name || !action || (nth && !read_number(nth, &fault->nth)))
        return false;
    fault->name = name;
    fault->nth = nth ? fault->nth : 1;
    fault->kill = strcmp(action, "kill") == 0;
    return fault->kill || strcmp(action, "err") == 0;
}

/* A plan that is not understood would be a test that tests nothing: it ends the process. */
static void read_plan(void) {
    const char *given = getenv("REV_FAULT");
    char *rest;
    plan = given ? strdup(given) : NULL;
    for (char *one = plan ? strtok_r(plan, ",", &rest) : NULL; one; one = strtok_r(NULL, ",", &rest))
        if (n_faults == MAX_FAULTS || !read_fault(one, &faults[n_faults++])) {
            fprintf(stderr, "REV_FAULT is not understood: %s\n", given);
            abort();
        }
}

bool rv_fault(const char *name) {
    pthread_once(&once, read_plan);
    for (size_t i = 0; i < n_faults; i++) {
        if (strcmp(faults[i].name, name) != 0 || atomic_fetch_add(&faults[i].hits, 1) + 1 != faults[i].nth)
            continue;
        if (faults[i].kill)
            kill(getpid(), SIGKILL);
        return true;
    }
    return false;
}
#else
typedef int rv_fault_is_not_compiled_in_t; /* ISO C wants something in a file */
#endif
