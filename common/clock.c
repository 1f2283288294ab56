/* clock.c: clock_gettime in the units that we use. */
#include "reveille/clock.h"
#include <time.h>

static int64_t read_ns(clockid_t clock) {
    struct timespec t;
    clock_gettime(clock, &t);
    return (int64_t)t.tv_sec * 1000000000 + t.tv_nsec;
}

int64_t rv_wall_ms(void) {
    return read_ns(CLOCK_REALTIME) / 1000000;
}

int64_t rv_mono_ms(void) {
    return read_ns(CLOCK_BOOTTIME) / 1000000;
}

int64_t rv_mono_ns(void) {
    return read_ns(CLOCK_MONOTONIC);
}
