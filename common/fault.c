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
#include <time.h>
#include <unistd.h>

#define MAX_FAULTS 16

typedef struct {
    char name[64], action[32];
    long nth;
    _Atomic long hits;
} fault_t;

static fault_t faults[MAX_FAULTS];
static size_t n_faults;
static pthread_once_t once = PTHREAD_ONCE_INIT;

static void read_plan(void) {
    const char *plan = getenv("REV_FAULT");
    while (plan && *plan && n_faults < MAX_FAULTS) {
        fault_t *fault = &faults[n_faults];
        fault->nth = 1;
        if (sscanf(plan, "%63[^:,]:%31[^:,]:%ld", fault->name, fault->action, &fault->nth) >= 2)
            n_faults++;
        plan = strchr(plan, ',');
        plan = plan ? plan + 1 : NULL;
    }
}

bool rv_fault(const char *name) {
    pthread_once(&once, read_plan);
    for (size_t i = 0; i < n_faults; i++) {
        if (strcmp(faults[i].name, name) != 0 || atomic_fetch_add(&faults[i].hits, 1) + 1 != faults[i].nth)
            continue;
        if (strcmp(faults[i].action, "kill") == 0)
            kill(getpid(), SIGKILL);
        if (strncmp(faults[i].action, "sleep", 5) == 0) {
            long ms = atol(faults[i].action + 5);
            nanosleep(&(struct timespec){ms / 1000, ms % 1000 * 1000000}, NULL);
        }
        return strcmp(faults[i].action, "err") == 0;
    }
    return false;
}
#else
typedef int rv_fault_is_not_compiled_in_t; /* ISO C wants something in a file */
#endif
