/* fanout.c: notes, and rounds over them.
 *
 *   note:  NOTED ──go, leave──▶ READY ──round──▶ UNDER WAY ──all feeds done──▶ forgotten
 *     │                           ▲                  │
 *   meta (before the home write)  └──── a feed failed, a worker was lost
 *
 * One round at a time takes all notes that are ready, up to ROUND_BYTES: one feed (feed.h) for each worker that holds
 * homes of them. A note is forgotten in meta together with the next one that is kept, or a little later: a note too
 * many means a repetition, which has no effect.
 *
 * Why nothing is lost: a note is ready only after its write was sent, a worker takes writes and questions for companies
 * in their order, and a worker that was lost is asked only after it took its share anew, when it has applied or refused
 * all that came before. So what a round reads contains the writes of its notes, and a write that comes later has a note
 * of its own. Why nothing is mixed: partitions take whole companies, by version (worker/store/apply_entities.c).
 *
 * A round begins when all partitions are available. When it fails, those who wait hear OUTCOME_UNKNOWN, and it is
 * repeated after AGAIN_MS, or as soon as the cluster changes. Thread: the actor's. */
#include "fanout.h"
#include "feed.h"
#include "record.h"
#include "reveille/fault.h"
#include "reveille/hash.h"
#include "reveille/log.h"
#include <stdlib.h>
#include <string.h>

#define ROUND_BYTES (1u << 20) /* of keys */
#define AGAIN_MS 1000
#define LAZY_MS 1000
#define MAX_OVER 1024u

struct rvc_note {
    rvc_note_t *next;
    uint64_t id;
    enum { NOTED, READY, UNDER_WAY } state;
    bool old; /* of an earlier start, not tried yet */
    rvc_fanout_done_t *done;
    void *owner;
    size_t n, bytes; /* keys */
    uint8_t *keys;
    uint32_t *lengths;
};

struct rvc_fanout {
    rvc_core_t *core;
    rvc_note_t *first, **last;
    size_t n, bytes;
    uint64_t last_id;
    uint64_t over[MAX_OVER]; /* done, but still in meta */
    size_t n_over;
    rvc_timer_t lazy, again;
    /* The round. */
    rvc_company_t *companies;
    rvc_feed_t *feeds[RV_MAX_WORKERS];
    size_t open; /* feeds; 0: no round */
    bool complained;
};

/* ---- notes ---- */

static void note_free(rvc_note_t *note) {
    free(note->keys);
    free(note->lengths);
    free(note);
}

static rvc_note_t *note_new(size_t n, size_t bytes) {
    rvc_note_t *note = calloc(1, sizeof *note);
    if (!note)
        return NULL;
    note->n = n;
    note->bytes = bytes;
    note->keys = malloc(bytes + 1);
    note->lengths = malloc((n + 1) * sizeof *note->lengths);
    if (note->keys && note->lengths)
        return note;
    note_free(note);
    return NULL;
}

static void add(rvc_fanout_t *fanout, rvc_note_t *note) {
    *fanout->last = note;
    fanout->last = &note->next;
    fanout->n++;
    fanout->bytes += note->bytes;
    fanout->last_id = note->id > fanout->last_id ? note->id : fanout->last_id;
}

static rv_status_t load(void *context, uint64_t id, const uint8_t *p, size_t n, rv_error_t *err) {
    size_t keys, bytes;
    if (!rvc_record_count_keys(p, n, &keys, &bytes))
        return rv_fail(err, RV_REASON_DAMAGED, "a record of companies under way is damaged");
    rvc_note_t *note = note_new(keys, bytes);
    if (!note)
        return rv_fail_memory(err, "companies under way");
    rvc_record_get_keys(p, n, note->keys, note->lengths);
    note->id = id;
    note->state = READY;
    note->old = true;
    add(context, note);
    return RV_OK;
}

rv_status_t rvc_fanout_new(rvc_core_t *core, rvc_fanout_t **ret, rv_error_t *err) {
    rvc_fanout_t *fanout = calloc(1, sizeof *fanout);
    if (!fanout)
        return rv_fail_memory(err, "the fan-out");
    fanout->core = core;
    fanout->last = &fanout->first;
    rv_status_t status = rvc_meta_each_fanout(core->meta, load, fanout, err);
    if (status != RV_OK) {
        rvc_fanout_destroy(&fanout);
        return status;
    }
    if (fanout->n)
        rv_log(RV_LOG_INFO, "fan-out-resumes", "%zu interrupted updates of companies will be completed", fanout->n);
    *ret = fanout;
    return RV_OK;
}

/* Forgets in meta what is done. */
static void forget_over(rvc_fanout_t *fanout) {
    rv_error_t err;
    if (!fanout->n_over)
        return;
    if (rvc_meta_save_fanout(fanout->core->meta, 0, NULL, fanout->over, fanout->n_over, &err) == RV_OK)
        fanout->n_over = 0;
    else
        rv_log(RV_LOG_ERROR, "fan-out-not-forgotten", "%s", err.message);
}

static void lazy(void *owner, int64_t now) {
    rvc_fanout_t *fanout = owner;
    forget_over(fanout);
    if (fanout->n_over)
        rvc_timer_set(fanout->core->timers, &fanout->lazy, now + LAZY_MS, lazy, fanout);
}

static void note_over(rvc_fanout_t *fanout, uint64_t id) {
    if (fanout->n_over == MAX_OVER)
        forget_over(fanout);
    if (fanout->n_over < MAX_OVER) /* otherwise the next start repeats it */
        fanout->over[fanout->n_over++] = id;
    if (!fanout->lazy.place)
        rvc_timer_set(fanout->core->timers, &fanout->lazy, rvc_timers_now(fanout->core->timers) + LAZY_MS, lazy,
                      fanout);
}

static rvc_note_t *note_of(const rvc_entities_t *companies) {
    size_t n = 0, bytes = 0;
    for (size_t row = 0; row < companies->rows; row++)
        if (companies->partition[row] != UINT32_MAX) {
            n++;
            bytes += rvc_string(&companies->keys, row).n;
        }
    rvc_note_t *note = note_new(n, bytes);
    uint8_t *at = note ? note->keys : NULL;
    uint32_t *length = note ? note->lengths : NULL;
    for (size_t row = 0; note && row < companies->rows; row++)
        if (companies->partition[row] != UINT32_MAX) {
            rv_str_t key = rvc_string(&companies->keys, row);
            memcpy(at, key.p, key.n);
            at += key.n;
            *length++ = key.n;
        }
    return note;
}

static rv_status_t store(rvc_fanout_t *fanout, const rvc_note_t *note, rv_error_t *err) {
    rv_bytes_t bytes = {0};
    rv_status_t status =
        rvc_record_put_keys(&bytes, note->keys, note->lengths, note->n)
            ? rvc_meta_save_fanout(fanout->core->meta, note->id, &bytes, fanout->over, fanout->n_over, err)
            : rv_fail_memory(err, "companies under way");
    rv_bytes_done(&bytes);
    if (status == RV_OK)
        fanout->n_over = 0;
    return status;
}

rv_status_t rvc_fanout_note(rvc_fanout_t *fanout, const rvc_entities_t *companies, rvc_note_t **ret, rv_error_t *err) {
    if (fanout->n >= RV_MAX_FANOUTS || fanout->bytes > RV_MAX_FANOUT_BYTES) {
        rv_fail(err, RV_REASON_BUSY, "%zu updates of companies are under way to the partitions", fanout->n);
        if (err)
            err->retry_after_ms = AGAIN_MS;
        return RV_RESOURCE_EXHAUSTED;
    }
    rvc_note_t *note = note_of(companies);
    if (!note)
        return rv_fail_memory(err, "companies under way");
    note->id = fanout->last_id + 1;
    rv_status_t status = store(fanout, note, err);
    if (status != RV_OK) {
        note_free(note);
        return status;
    }
    add(fanout, note);
    (void)RV_FAULT("fanout-noted");
    *ret = note;
    return RV_OK;
}

/* ---- rounds ---- */

static void end_feeds(rvc_fanout_t *fanout) {
    for (uint32_t slot = 0; slot < RV_MAX_WORKERS; slot++)
        rvc_feed_destroy(&fanout->feeds[slot]);
    free(fanout->companies);
    fanout->companies = NULL;
    fanout->open = 0;
}

static void tell(rvc_note_t *note, const rv_error_t *err) {
    rvc_fanout_done_t *done = note->done;
    note->done = NULL;
    if (done)
        done(note->owner, err);
}

static void begin(rvc_fanout_t *fanout);

static void try_again(void *owner, int64_t now) {
    (void)now;
    begin(owner);
}

static void not_yet(const rv_error_t *why, rv_error_t *ret) {
    rv_fail(ret, RV_REASON_OUTCOME_UNKNOWN,
            "the companies have not reached every partition yet: repeat the request to know when they have: %.300s",
            why->message);
}

static void round_failed(rvc_fanout_t *fanout, const rv_error_t *why) {
    rv_error_t err;
    not_yet(why, &err);
    if (!fanout->complained)
        rv_log(RV_LOG_WARN, "fan-out-waits", "companies have not reached every partition yet: %s", why->message);
    fanout->complained = true;
    end_feeds(fanout);
    rvc_timer_set(fanout->core->timers, &fanout->again, rvc_timers_now(fanout->core->timers) + AGAIN_MS, try_again,
                  fanout);
    for (rvc_note_t *note = fanout->first; note; note = note->next)
        if (note->state == UNDER_WAY) {
            note->state = READY;
            note->old = false;
            tell(note, &err);
        }
}

/* Takes the notes of the round out of the list. */
static rvc_note_t *take_out(rvc_fanout_t *fanout) {
    rvc_note_t *taken = NULL, **end = &taken, **link = &fanout->first;
    while (*link) {
        rvc_note_t *note = *link;
        if (note->state != UNDER_WAY) {
            link = &note->next;
            continue;
        }
        *link = note->next;
        note->next = NULL;
        *end = note;
        end = &note->next;
        fanout->n--;
        fanout->bytes -= note->bytes;
    }
    fanout->last = link;
    return taken;
}

static void round_done(rvc_fanout_t *fanout) {
    rvc_note_t *taken = take_out(fanout);
    fanout->complained = false;
    end_feeds(fanout);
    for (rvc_note_t *note = taken; note; note = note->next)
        note_over(fanout, note->id);
    while (taken) {
        rvc_note_t *note = taken;
        tell(note, NULL); /* may end other calls, which then leave their notes: this one goes last of all */
        taken = note->next;
        note_free(note);
    }
    begin(fanout);
}

static void on_fed(void *owner, const rv_error_t *err) {
    rvc_fanout_t *fanout = owner;
    rv_error_t copy;
    if (err) {
        copy = *err;
        round_failed(fanout, &copy);
    } else if (--fanout->open == 0) {
        round_done(fanout);
    }
}

/* Marks the notes of the next round; returns how many keys they have. */
static size_t choose(rvc_fanout_t *fanout) {
    size_t keys = 0, bytes = 0;
    for (rvc_note_t *note = fanout->first; note && bytes < ROUND_BYTES; note = note->next)
        if (note->state == READY) {
            note->state = UNDER_WAY;
            keys += note->n;
            bytes += note->bytes;
        }
    return keys;
}

/* Companies of the round by the worker of their home: start[slot] to start[slot + 1]. */
static void sort_companies(rvc_fanout_t *fanout, size_t start[RV_MAX_WORKERS + 2]) {
    const rvc_cluster_t *cluster = fanout->core->cluster;
    uint32_t partitions = rvc_cluster_partitions(cluster);
    memset(start, 0, (RV_MAX_WORKERS + 2) * sizeof *start);
    for (int pass = 0; pass < 2; pass++) {
        for (const rvc_note_t *note = fanout->first; note; note = note->next) {
            const uint8_t *key = note->keys;
            for (size_t i = 0; note->state == UNDER_WAY && i < note->n; key += note->lengths[i++]) {
                uint32_t home = rv_partition_of((const char *)key, note->lengths[i], partitions);
                uint32_t slot = rvc_cluster_partition(cluster, home)->worker;
                if (pass == 0)
                    start[slot + 2]++;
                else
                    fanout->companies[start[slot + 1]++] = (rvc_company_t){key, note->lengths[i], home};
            }
        }
        for (uint32_t slot = 0; pass == 0 && slot < RV_MAX_WORKERS; slot++)
            start[slot + 2] += start[slot + 1];
    }
}

/* Begins a round unless one is under way, there is nothing to do, or partitions are missing. */
static void begin(rvc_fanout_t *fanout) {
    size_t start[RV_MAX_WORKERS + 2], keys;
    rv_error_t err;
    rv_status_t status = RV_OK;
    if (fanout->open || !rvc_cluster_ready(fanout->core->cluster) || !(keys = choose(fanout)))
        return;
    rvc_timer_clear(fanout->core->timers, &fanout->again);
    fanout->companies = malloc((keys + 1) * sizeof *fanout->companies);
    if (!fanout->companies) {
        rv_fail_memory(&err, "a fan-out");
        round_failed(fanout, &err);
        return;
    }
    sort_companies(fanout, start);
    for (uint32_t slot = 0; status == RV_OK && slot < RV_MAX_WORKERS; slot++) {
        if (start[slot + 1] == start[slot])
            continue;
        status = rvc_feed_start(fanout->core, slot, fanout->companies + start[slot], start[slot + 1] - start[slot],
                                on_fed, fanout, &fanout->feeds[slot], &err);
        fanout->open += status == RV_OK;
    }
    if (status != RV_OK)
        round_failed(fanout, &err);
}

void rvc_fanout_go(rvc_fanout_t *fanout, rvc_note_t *note, rvc_fanout_done_t *done, void *owner) {
    rv_error_t why, err;
    note->state = READY;
    note->done = done;
    note->owner = owner;
    (void)RV_FAULT("fanout-ready");
    if (!rvc_cluster_ready(fanout->core->cluster)) {
        rv_fail(&why, RV_REASON_INCOMPLETE, "some are not available");
        not_yet(&why, &err);
        tell(note, &err);
    } else if (!fanout->again.place) { /* a round that failed is not repeated at once */
        begin(fanout);
    }
}

void rvc_fanout_leave(rvc_fanout_t *fanout, rvc_note_t *note) {
    note->done = NULL;
    if (note->state != NOTED)
        return;
    note->state = READY;
    if (!fanout->again.place) /* not now: whoever leaves may be in the middle of anything */
        rvc_timer_set(fanout->core->timers, &fanout->again, rvc_timers_now(fanout->core->timers), try_again, fanout);
}

void rvc_fanout_changed(rvc_fanout_t *fanout) {
    begin(fanout);
}

bool rvc_fanout_resuming(const rvc_fanout_t *fanout) {
    for (const rvc_note_t *note = fanout->first; note; note = note->next)
        if (note->old)
            return true;
    return false;
}

void rvc_fanout_destroy(rvc_fanout_t **fanout) {
    rvc_fanout_t *it = *fanout;
    if (!it)
        return;
    end_feeds(it);
    forget_over(it);
    rvc_timer_clear(it->core->timers, &it->lazy);
    rvc_timer_clear(it->core->timers, &it->again);
    while (it->first) {
        rvc_note_t *note = it->first;
        it->first = note->next;
        note_free(note);
    }
    free(it);
    *fanout = NULL;
}
