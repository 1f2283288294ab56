/* apply.c: a logged write becomes visible.
 *
 * The writer fills the tail, remembers the write's identity, and then moves the watermark under the seam lock: the next
 * view shows all of the write, views before it nothing. A deletion of events has no form in the tail: it flushes,
 * rewrites the runs, and moves base and watermark together. What a write does depends on the writes before it alone. An
 * error leaves the partition out of service, because half a write may be in the tail. */
#include "apply.h"

#include <stdlib.h>
#include <string.h>

#include "reveille/fault.h"
#include "reveille/hash.h"
#include "reveille/limits.h"

#define MAX_ERRORS 1000u
#define FULL 0.9

rv_status_t rvw_writer_find(const rvw_partition_t *p, rvw_table_t table, rv_str_t key, uint32_t *ret_row,
                            rv_error_t *err) {
    rvw_finder_t finder;
    rvw_finder_init(&finder, p, table);
    return rvw_finder_find(&finder, key, rv_hash(key.p, key.n), ret_row, err);
}

rv_status_t rvw_apply_row(rvw_apply_t *apply, rvw_finder_t *finder, rv_str_t key, uint64_t hash, bool create,
                          uint32_t *ret_row, bool *ret_created) {
    rvw_table_t table = finder->table;
    rvw_new_keys_t *keys = &apply->tail->keys[rvw_table_index(table)];
    *ret_created = false;
    rv_status_t status = rvw_finder_find(finder, key, hash, ret_row, apply->err);
    if (status || *ret_row != RVW_NO_ROW || !create) {
        return status;
    }
    uint32_t row = keys->first + keys->n;
    const char *copy = rvw_tail_text(apply->tail, key.p, key.n);
    if (row >= RVW_NO_ROW - 1) {
        return rv_fail(apply->err, RV_REASON_QUOTA, "a partition holds at most %u rows", RVW_NO_ROW - 1);
    }
    if (!copy || !rvw_tail_add_key(apply->tail, keys, (rv_str_t){copy, key.n}) ||
        !rvw_index_add(apply->p->index[rvw_table_index(table)], hash, row)) {
        return rv_fail_memory(apply->err, "a new row");
    }
    if (table == RVW_CONTACTS) {
        apply->result->contacts_created++;
        atomic_fetch_add_explicit(&apply->p->contacts, 1, memory_order_relaxed);
    }
    *ret_row = row;
    *ret_created = true;
    return RV_OK;
}

rv_status_t rvw_apply_refuse(rvw_apply_t *apply, uint32_t index, const rv_error_t *why) {
    rvw_result_t *result = apply->result;
    result->refused++;
    if (result->n_errors == MAX_ERRORS) {
        return RV_OK;
    }
    if (result->n_errors == apply->cap_errors) {
        size_t cap = apply->cap_errors ? apply->cap_errors * 2 : 8;
        void *grown = rv_arena_alloc(apply->arena, cap * sizeof *result->errors);
        if (!grown) {
            return rv_fail_memory(apply->err, "the errors of a write");
        }
        if (result->n_errors > 0) {
            memcpy(grown, result->errors, result->n_errors * sizeof *result->errors);
        }
        result->errors = grown;
        apply->cap_errors = cap;
    }
    result->errors[result->n_errors].index = index;
    result->errors[result->n_errors++].error = *why;
    return RV_OK;
}

static int by_index(const void *a, const void *b) {
    const uint32_t *x = a, *y = b; /* what an entry begins with */
    return *x < *y ? -1 : *x > *y;
}

void rvw_apply_sort_refusals(rvw_apply_t *apply) {
    if (apply->result->n_errors > 1) {
        qsort(apply->result->errors, apply->result->n_errors, sizeof *apply->result->errors, by_index);
    }
}

rv_str_t rvw_apply_keep(rvw_apply_t *apply, rvw_input_t *input, uint32_t i) {
    rv_str_t s = rvw_input_string(input, i);
    bool coded = input->kept && rvw_input_present(input, i);
    if (coded && input->kept[input->column->codes[i]].p) {
        return input->kept[input->column->codes[i]];
    }
    if (input->last_kept.p && s.n == input->last.n && memcmp(s.p, input->last.p, s.n) == 0) {
        return input->last_kept;
    }
    rv_str_t copy = {rvw_tail_text(apply->tail, s.p, s.n), s.n};
    input->last = s;
    input->last_kept = copy;
    if (coded) {
        input->kept[input->column->codes[i]] = copy;
    }
    return copy;
}

rv_status_t rvw_apply_contact_delete(rvw_apply_t *apply, const Reveille__V1__StringColumn *column) {
    rvw_strings_t keys;
    if (!rvw_strings_init(&keys, column, apply->arena)) {
        return rv_fail_memory(apply->err, "the keys of a write");
    }
    for (uint32_t i = 0; i < keys.n; i++) {
        uint32_t row = RVW_NO_ROW;
        rv_status_t status =
            apply->known ? RV_OK : rvw_writer_find(apply->p, RVW_CONTACTS, rvw_strings_get(&keys, i), &row, apply->err);
        if (status) {
            return status;
        }
        if (row == RVW_NO_ROW) {
            apply->result->duplicates++;
            continue;
        }
        if (!rvw_mark_dead(apply->p, row) ||
            !rvw_tail_add_key(apply->tail, &apply->tail->erased, (rv_str_t){"", row})) {
            return rv_fail_memory(apply->err, "an erased row");
        }
        atomic_fetch_sub_explicit(&apply->p->contacts, 1, memory_order_relaxed);
        apply->result->applied++;
    }
    return RV_OK;
}

static void memory_of(rvw_partition_t *p, rvw_memory_t *ret) {
    *ret = (rvw_memory_t){&p->producers, p->frozen ? &p->frozen->writes : NULL, &p->active->writes,
                          rvw_base_txn(p->base), rvw_env_dbi(rvw_base_env(p->base))};
}

static bool has_identity(const Reveille__V1__PartitionWrite *write) {
    return write->identity && write->identity->producer.len == 16;
}

/* Writes that only make room are always taken. */
static bool needs_room(const Reveille__V1__PartitionWrite *write) {
    return write->body_case != REVEILLE__V1__PARTITION_WRITE__BODY_EVENT_DELETE &&
           write->body_case != REVEILLE__V1__PARTITION_WRITE__BODY_CONTACT_DELETE;
}

rv_status_t rvw_partition_check(rvw_partition_t *p, const Reveille__V1__PartitionWrite *write, uint64_t content_hash,
                                bool *ret_known, rv_error_t *err) {
    bool known = false;
    rv_status_t status = rvw_in_service(p, err);
    if (status == RV_OK && has_identity(write)) {
        rvw_memory_t memory;
        pthread_mutex_lock(&p->apply);
        memory_of(p, &memory);
        status = rvw_memory_check(&memory, write->identity->producer.data, write->identity->sequence, content_hash,
                                  &known, err);
        pthread_mutex_unlock(&p->apply);
    }
    if (status) {
        return status;
    }
    double used = (double)atomic_load(&p->used_bytes) + (double)rvw_partition_tail_bytes(p);
    if (!known && needs_room(write) && used > FULL * (double)atomic_load(&p->map_bytes)) {
        return rv_fail(err, RV_REASON_QUOTA,
                       "partition %u is full to 90 %% of its map: delete or compact before writing",
                       p->identity.partition);
    }
    *ret_known = known;
    return RV_OK;
}

static rv_status_t remember(rvw_apply_t *apply, uint64_t content_hash) {
    const Reveille__V1__PartitionWrite *write = apply->write;
    if (apply->known || !has_identity(write)) {
        return RV_OK;
    }
    rvw_memory_t memory;
    memory_of(apply->p, &memory);
    /* A tail that holds no more than identities is to be flushed too. */
    atomic_fetch_add_explicit(&apply->tail->bytes, sizeof(rvw_write_t), memory_order_relaxed);
    return rvw_memory_add(&memory, write->identity->producer.data, write->identity->sequence, content_hash, apply->lsn,
                          apply->err);
}

static rv_status_t apply_body(rvw_apply_t *apply) {
    const Reveille__V1__PartitionWrite *write = apply->write;
    switch (write->body_case) {
    case REVEILLE__V1__PARTITION_WRITE__BODY_CONTACTS:
        return rvw_apply_contacts(apply, write->contacts);
    case REVEILLE__V1__PARTITION_WRITE__BODY_COMPANIES:
        return rvw_apply_companies(apply, write->companies);
    case REVEILLE__V1__PARTITION_WRITE__BODY_EVENTS:
        return rvw_apply_events(apply, write->events);
    case REVEILLE__V1__PARTITION_WRITE__BODY_CONTACT_DELETE:
        return rvw_apply_contact_delete(apply, write->contact_delete);
    default:
        return RV_OK;
    }
}

/* Moves the watermark. */
static void show(rvw_apply_t *apply) {
    rvw_partition_t *p = apply->p;
    pthread_mutex_lock(&p->seam);
    p->lsn = apply->lsn;
    for (uint32_t t = 0; t < 2; t++) {
        p->rows[t] = apply->tail->keys[t].first + apply->tail->keys[t].n;
    }
    p->n_erased[1] = apply->tail->erased.n;
    atomic_store(&p->applied_lsn, apply->lsn);
    pthread_mutex_unlock(&p->seam);
}

/* Deletion of events: no tail may hold any of them. */
static rv_status_t apply_delete(rvw_apply_t *apply, uint64_t content_hash) {
    rvw_partition_t *p = apply->p;
    const Reveille__V1__EventDelete *delete = apply->write->event_delete;
    if (apply->known) {
        apply->result->duplicates +=
            delete->selector_case == REVEILLE__V1__EVENT_DELETE__SELECTOR_BATCH ? delete->batch->n_contacts : 0;
        return RV_OK;
    }
    pthread_mutex_lock(&p->maintenance);
    rv_status_t status = rvw_flush_all(p, apply->err);
    if (status == RV_OK) {
        status = rvw_delete_events(p, delete, apply->lsn, apply->arena, &apply->result->applied, apply->err);
    }
    atomic_store(&p->waits, status == RV_RESOURCE_EXHAUSTED);
    if (status == RV_OK) {
        pthread_mutex_lock(&p->apply);
        apply->tail = p->active;
        status = remember(apply, content_hash);
        pthread_mutex_unlock(&p->apply);
    }
    if (status == RV_OK && delete->selector_case == REVEILLE__V1__EVENT_DELETE__SELECTOR_BATCH) {
        uint64_t asked = delete->batch->n_contacts;
        apply->result->duplicates = asked > apply->result->applied ? asked - apply->result->applied : 0;
    }
    pthread_mutex_unlock(&p->maintenance);
    return status;
}

rv_status_t rvw_partition_apply(rvw_partition_t *p, const rv_catalog_t *catalog,
                                const Reveille__V1__PartitionWrite *write, uint64_t lsn, uint64_t content_hash,
                                bool known, rv_arena_t *arena, rvw_result_t *ret, rv_error_t *err) {
    rv_error_t inner = {0};
    *ret = (rvw_result_t){0};
    (void)catalog; /* a write carries its types: what it does must not depend on what the schema became since */
    rv_status_t status = rvw_in_service(p, err);
    if (status) {
        return status;
    }
    rvw_apply_t apply = {
        .p = p, .write = write, .lsn = lsn, .known = known, .arena = arena, .result = ret, .err = &inner};
    if (!known && lsn <= rvw_partition_lsn(p)) {
        return rv_fail(err, RV_REASON_BUG, "write %llu comes after %llu", (unsigned long long)lsn,
                       (unsigned long long)rvw_partition_lsn(p));
    }
    if (!known && rvw_partition_waits(p) && lsn != rvw_partition_lsn(p) + 1) {
        return rv_fail(err, RV_REASON_QUOTA, "partition %u waits for room for a deletion", p->identity.partition);
    }
    if (write->body_case == REVEILLE__V1__PARTITION_WRITE__BODY_EVENT_DELETE) {
        status = apply_delete(&apply, content_hash);
    } else {
        pthread_mutex_lock(&p->apply);
        apply.tail = p->active;
        status = apply_body(&apply);
        status = status ? status : remember(&apply, content_hash);
        if (status == RV_OK && !known) {
            show(&apply);
        }
        pthread_mutex_unlock(&p->apply);
    }
    if (status) {
        if (!rvw_partition_waits(p)) {
            rvw_partition_fail(p, &inner);
        }
        if (err) {
            *err = inner;
        }
    }
    return status;
}
