/* timer.h: deadlines of one thread, in ms of the monotonic clock: a binary heap of timers that live inside their
 * owners.
 *
 * Thread: the actor's only. A timer is zeroed before its first use and cleared before its owner goes.
 */
#ifndef REVEILLE_COORDINATOR_TIMER_H
#define REVEILLE_COORDINATOR_TIMER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef struct rvc_timers rvc_timers_t;
typedef void rvc_timer_fire_t(void *owner, int64_t now);

typedef struct {
    int64_t when;
    size_t place; /* 1 + index in the heap; 0: not set */
    rvc_timer_fire_t *fire;
    void *owner;
} rvc_timer_t;

rvc_timers_t *rvc_timers_new(void);
void rvc_timers_destroy(rvc_timers_t **timers);
/* Sets or moves a timer. False without memory (only when it was not set before). */
bool rvc_timer_set(rvc_timers_t *timers, rvc_timer_t *timer, int64_t when, rvc_timer_fire_t *fire, void *owner);
/* Does nothing when it is not set. */
void rvc_timer_clear(rvc_timers_t *timers, rvc_timer_t *timer);
/* When the next one is due; INT64_MAX when there is none. */
int64_t rvc_timers_next(const rvc_timers_t *timers);
/* The instant that the actor last woke at: one `now` for everything that it does until it sleeps again. */
int64_t rvc_timers_now(const rvc_timers_t *timers);
/* Sets that instant and fires what is due then. A timer is no longer set when it fires. */
void rvc_timers_run(rvc_timers_t *timers, int64_t now);

#endif
