/* timer.c: the heap of deadlines. The earliest timer is on top; each timer knows its place, so that it can be moved or
 * taken out in O(log n). Calls, leases, retries and lazy writes all hang here, and the poll loop sleeps exactly until
 * the top: an idle coordinator wakes for nothing else. Thread: the actor's. Failure: only memory, when the heap grows.
 */
#include "timer.h"
#include <stdlib.h>

struct rvc_timers {
    rvc_timer_t **heap;
    size_t n, cap;
    int64_t now;
};

rvc_timers_t *rvc_timers_new(void) {
    return calloc(1, sizeof(rvc_timers_t));
}

void rvc_timers_destroy(rvc_timers_t **timers) {
    if (!*timers)
        return;
    free((*timers)->heap);
    free(*timers);
    *timers = NULL;
}

static void put(rvc_timers_t *timers, size_t i, rvc_timer_t *timer) {
    timers->heap[i] = timer;
    timer->place = i + 1;
}

static void sift_up(rvc_timers_t *timers, size_t i, rvc_timer_t *timer) {
    while (i && timers->heap[(i - 1) / 2]->when > timer->when) {
        put(timers, i, timers->heap[(i - 1) / 2]);
        i = (i - 1) / 2;
    }
    put(timers, i, timer);
}

static void sift_down(rvc_timers_t *timers, size_t i, rvc_timer_t *timer) {
    for (;;) {
        size_t child = 2 * i + 1;
        if (child >= timers->n)
            break;
        if (child + 1 < timers->n && timers->heap[child + 1]->when < timers->heap[child]->when)
            child++;
        if (timers->heap[child]->when >= timer->when)
            break;
        put(timers, i, timers->heap[child]);
        i = child;
    }
    put(timers, i, timer);
}

bool rvc_timer_set(rvc_timers_t *timers, rvc_timer_t *timer, int64_t when, rvc_timer_fire_t *fire, void *owner) {
    rvc_timer_clear(timers, timer);
    if (timers->n == timers->cap) {
        size_t cap = timers->cap ? 2 * timers->cap : 64;
        rvc_timer_t **heap = realloc(timers->heap, cap * sizeof *heap);
        if (!heap)
            return false;
        timers->heap = heap;
        timers->cap = cap;
    }
    timer->when = when;
    timer->fire = fire;
    timer->owner = owner;
    sift_up(timers, timers->n++, timer);
    return true;
}

void rvc_timer_clear(rvc_timers_t *timers, rvc_timer_t *timer) {
    if (!timer->place)
        return;
    size_t i = timer->place - 1;
    timer->place = 0;
    rvc_timer_t *last = timers->heap[--timers->n];
    if (last == timer)
        return;
    if (i && timers->heap[(i - 1) / 2]->when > last->when)
        sift_up(timers, i, last);
    else
        sift_down(timers, i, last);
}

int64_t rvc_timers_next(const rvc_timers_t *timers) {
    return timers->n ? timers->heap[0]->when : INT64_MAX;
}

int64_t rvc_timers_now(const rvc_timers_t *timers) {
    return timers->now;
}

void rvc_timers_run(rvc_timers_t *timers, int64_t now) {
    timers->now = now;
    while (timers->n && timers->heap[0]->when <= now) {
        rvc_timer_t *timer = timers->heap[0];
        rvc_timer_clear(timers, timer);
        timer->fire(timer->owner, now);
    }
}
