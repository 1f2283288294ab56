/* clock.h: the two clocks. Wall time is only ever data; deadlines and leases use the monotonic one. */
#ifndef REVEILLE_CLOCK_H
#define REVEILLE_CLOCK_H

#include <stdint.h>

/* ms since 1970-01-01T00:00:00Z. */
int64_t rv_wall_ms(void);
/* ms of CLOCK_BOOTTIME: also runs while the machine sleeps. */
int64_t rv_mono_ms(void);
/* ns of CLOCK_MONOTONIC, for measuring. */
int64_t rv_mono_ns(void);

#endif
