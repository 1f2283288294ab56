/* trace.c: raw records one after the other in a buffer that is reused, a small entry for each. Reasons of rejects lie
 * in a buffer of their own; equal reasons of neighbours are stored once. One thread. Failure: memory, and the file of
 * rejects (told, not ignored). */
#include "trace.h"
#include "cell.h"
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define TOLD 5u /* rejects told on stderr when there is no file for them */

typedef struct {
    uint64_t line;
    uint32_t start, n;
    uint32_t reason; /* offset in `reasons` + 1; 0: taken */
} entry_t;

struct rv_trace {
    char *raw, *reasons;
    size_t raw_n, raw_cap, reasons_n, reasons_cap, last_reason;
    entry_t *entries;
    uint32_t *items; /* entry of each item */
    size_t n, cap, n_items, items_cap;
    uint64_t end;
};

rv_trace_t *rv_trace_new(void) {
    return calloc(1, sizeof(rv_trace_t));
}

void rv_trace_destroy(rv_trace_t **trace) {
    if (!*trace)
        return;
    free((*trace)->raw);
    free((*trace)->reasons);
    free((*trace)->entries);
    free((*trace)->items);
    free(*trace);
    *trace = NULL;
}

void rv_trace_clear(rv_trace_t *trace) {
    trace->raw_n = trace->reasons_n = trace->last_reason = trace->n = trace->n_items = 0;
}

/* Room for `more` elements behind `n`. */
static bool reserve(void **array, size_t *cap, size_t n, size_t more, size_t size) {
    if (*cap - n >= more && *array)
        return true;
    size_t wanted = *cap ? *cap : 4096;
    while (wanted - n < more)
        wanted *= 2;
    void *p = realloc(*array, wanted * size);
    if (!p)
        return false;
    *array = p;
    *cap = wanted;
    return true;
}

static bool set_reason(rv_trace_t *trace, entry_t *entry, const char *why) {
    if (trace->reasons_n && strcmp(trace->reasons + trace->last_reason, why) == 0) {
        entry->reason = (uint32_t)trace->last_reason + 1;
        return true;
    }
    size_t n = strlen(why) + 1;
    void *p = trace->reasons;
    if (!reserve(&p, &trace->reasons_cap, trace->reasons_n, n, 1))
        return false;
    trace->reasons = p;
    trace->last_reason = trace->reasons_n;
    memcpy(trace->reasons + trace->reasons_n, why, n);
    trace->reasons_n += n;
    entry->reason = (uint32_t)trace->last_reason + 1;
    return true;
}

/* Room for one record more. */
static bool make_room(rv_trace_t *trace, const rv_csv_record_t *record) {
    void *raw = trace->raw, *entries = trace->entries, *items = trace->items;
    bool room = reserve(&raw, &trace->raw_cap, trace->raw_n, record->raw_n + 1, 1);
    trace->raw = raw;
    room = room && reserve(&entries, &trace->cap, trace->n, 1, sizeof *trace->entries);
    trace->entries = entries;
    room = room && reserve(&items, &trace->items_cap, trace->n_items, 1, sizeof *trace->items);
    trace->items = items;
    return room;
}

bool rv_trace_add(rv_trace_t *trace, const rv_csv_record_t *record, const char *why) {
    bool room =
        trace->raw_cap - trace->raw_n > record->raw_n && trace->n < trace->cap && trace->n_items < trace->items_cap;
    if (!room && !make_room(trace, record))
        return false;
    entry_t entry = {record->line, (uint32_t)trace->raw_n, (uint32_t)record->raw_n, 0};
    if (why && !set_reason(trace, &entry, why))
        return false;
    if (record->raw_n)
        memcpy(trace->raw + trace->raw_n, record->raw, record->raw_n);
    trace->raw_n += record->raw_n;
    if (!why)
        trace->items[trace->n_items++] = (uint32_t)trace->n;
    trace->entries[trace->n++] = entry;
    trace->end = record->end;
    return true;
}

bool rv_trace_refuse(rv_trace_t *trace, size_t item, const char *why) {
    return item >= trace->n_items || set_reason(trace, &trace->entries[trace->items[item]], why);
}

size_t rv_trace_records(const rv_trace_t *trace) {
    return trace->n;
}

size_t rv_trace_items(const rv_trace_t *trace) {
    return trace->n_items;
}

size_t rv_trace_bytes(const rv_trace_t *trace) {
    return trace->raw_n + trace->reasons_n;
}

uint64_t rv_trace_end(const rv_trace_t *trace) {
    return trace->end;
}

struct rv_rejects {
    char *path;
    int fd;
    rv_out_t *out;
    uint64_t count;
    char first[600];
};

rv_status_t rv_rejects_new(const char *path, rv_rejects_t **ret, rv_error_t *err) {
    rv_rejects_t *rejects = calloc(1, sizeof *rejects);
    if (!rejects)
        return rv_fail_memory(err, "rejects");
    rejects->fd = -1;
    if (path) {
        rejects->path = strdup(path);
        rejects->fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0666);
        if (rejects->fd < 0) {
            rv_status_t status = rv_fail(err, RV_REASON_FIELD, "%s cannot be written: %s", path, strerror(errno));
            rv_rejects_destroy(&rejects);
            return status;
        }
        rejects->out = rv_out_new(rejects->fd);
        if (!rejects->path || !rejects->out) {
            rv_rejects_destroy(&rejects);
            return rv_fail_memory(err, "rejects");
        }
    }
    *ret = rejects;
    return RV_OK;
}

void rv_rejects_destroy(rv_rejects_t **rejects) {
    if (!*rejects)
        return;
    rv_out_destroy(&(*rejects)->out);
    if ((*rejects)->fd >= 0)
        close((*rejects)->fd);
    free((*rejects)->path);
    free(*rejects);
    *rejects = NULL;
}

rv_status_t rv_rejects_begin(rv_rejects_t *rejects, bool resumes, rv_error_t *err) {
    if (rejects->fd < 0)
        return RV_OK;
    if (lseek(rejects->fd, 0, SEEK_END) > 0 && !resumes &&
        (ftruncate(rejects->fd, 0) != 0 || lseek(rejects->fd, 0, SEEK_SET) < 0))
        return rv_fail(err, RV_REASON_FIELD, "%s cannot be emptied: %s", rejects->path, strerror(errno));
    if (lseek(rejects->fd, 0, SEEK_CUR) <= 0) /* also of a pipe or device, where there is no place */
        rv_out_text(rejects->out, "file,line,reason,row\n");
    return RV_OK;
}

static void take_one(rv_rejects_t *rejects, const char *file, const rv_trace_t *trace, const entry_t *entry) {
    const char *why = trace->reasons + entry->reason - 1;
    if (rejects->count++ == 0)
        snprintf(rejects->first, sizeof rejects->first, "%s:%llu: %s", file, (unsigned long long)entry->line, why);
    if (rejects->out) {
        rv_csv_text(rejects->out, file, strlen(file));
        rv_out_printf(rejects->out, ",%llu,", (unsigned long long)entry->line);
        rv_csv_text(rejects->out, why, strlen(why));
        rv_out_char(rejects->out, ',');
        rv_csv_text(rejects->out, trace->raw + entry->start, entry->n);
        rv_out_char(rejects->out, '\n');
    } else if (rejects->count <= TOLD)
        fprintf(stderr, "%s:%llu: %s\n", file, (unsigned long long)entry->line, why);
}

rv_status_t rv_rejects_take(rv_rejects_t *rejects, const char *file, const rv_trace_t *trace, rv_error_t *err) {
    uint64_t before = rejects->count;
    for (size_t i = 0; trace->reasons_n && i < trace->n; i++)
        if (trace->entries[i].reason)
            take_one(rejects, file, trace, &trace->entries[i]);
    if (!rejects->out || before == rejects->count)
        return RV_OK;
    rv_error_t why;
    if (rv_out_flush(rejects->out, &why) != RV_OK)
        return rv_fail_as(err, why.status, RV_REASON_NONE, "%s: %s", rejects->path, why.message);
    return RV_OK;
}

uint64_t rv_rejects_count(const rv_rejects_t *rejects) {
    return rejects->count;
}

const char *rv_rejects_first(const rv_rejects_t *rejects) {
    return rejects->count ? rejects->first : NULL;
}
