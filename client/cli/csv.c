/* csv.c: the reader keeps one buffer. A record is scanned where it lies, in blocks of 64 bytes: a word has a bit for
 * each byte of a block that can end a field, a flag says whether some are not ASCII; the next record goes on in the
 * block that the last one ended in. When the bytes do not suffice, more are read behind them and the scan of that
 * record starts again. Behind them is a block of zeros. Fields point into the buffer; only fields with doubled quotes
 * are copied, to a scratch buffer, because the raw record must stay as it is for the file of rejects.
 *
 * After a broken record the reading goes on with the next physical line: a quote that never closes must not swallow the
 * file. One thread. Failure: only the source can fail; records that are wrong are told to the caller one by one. */
#include "csv.h"
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#ifdef __SSE2__
#include <emmintrin.h>
#endif

#define BLOCK 64u
#define LEAST_BUFFER (256u << 10) /* stays in the processor's cache */
#define MOST_BUFFER (4u << 20)    /* several times the longest record */

/* Where fields may end in a block of the buffer. */
typedef struct {
    const char *end;  /* of the block; NULL: none */
    uint64_t special; /* its bytes: comma, quote, carriage return, line feed, NUL */
    uint64_t foreign; /* not 0: some are not ASCII */
} marks_t;

struct rv_csv {
    rv_csv_read_fn read;
    void *context;
    char *buffer, *scratch;
    size_t at, have, cap, scratch_used;
    bool ended, begun;
    uint64_t offset, line; /* of buffer[at] */
    marks_t marks;
    rv_csv_field_t fields[RV_CSV_MAX_FIELDS];
};

rv_csv_t *rv_csv_new(rv_csv_read_fn read, void *context, uint64_t offset, uint64_t line) {
    rv_csv_t *csv = calloc(1, sizeof *csv);
    if (!csv)
        return NULL;
    csv->read = read;
    csv->context = context;
    csv->offset = offset;
    csv->line = line;
    csv->begun = offset > 0;
    return csv;
}

void rv_csv_destroy(rv_csv_t **csv) {
    if (!*csv)
        return;
    free((*csv)->buffer);
    free((*csv)->scratch);
    free(*csv);
    *csv = NULL;
}

/* Reads more behind what is there. */
static rv_status_t fill(rv_csv_t *csv, rv_error_t *err) {
    if (csv->at > 0) {
        memmove(csv->buffer, csv->buffer + csv->at, csv->have - csv->at);
        csv->have -= csv->at;
        csv->at = 0;
    }
    if (csv->have >= csv->cap / 2 && csv->cap < MOST_BUFFER) { /* the first, or long records */
        size_t cap = csv->cap ? csv->cap * 4 : LEAST_BUFFER;
        char *buffer = realloc(csv->buffer, cap + BLOCK);
        if (!buffer)
            return rv_fail_memory(err, "a record");
        csv->buffer = buffer;
        csv->cap = cap;
    }
    long n = csv->read(csv->context, csv->buffer + csv->have, csv->cap - csv->have);
    if (n < 0)
        return rv_fail_as(err, RV_UNKNOWN, RV_REASON_NONE, "the input cannot be read: %s", strerror((int)-n));
    csv->ended = n == 0;
    csv->marks.end = NULL;
    csv->have += (size_t)n;
    memset(csv->buffer + csv->have, 0, BLOCK);
    return RV_OK;
}

/* The scratch has room for a whole record, so that what lies in it never moves. */
static bool need_scratch(rv_csv_t *csv) {
    if (!csv->scratch)
        csv->scratch = malloc(RV_CSV_MAX_RECORD);
    return csv->scratch != NULL;
}

#ifdef __SSE2__
static inline void mark(marks_t *marks, const char *p) {
    __m128i bytes[4];
    memcpy(bytes, p, sizeof bytes);
    marks->special = 0;
    marks->foreign = 0;
    for (unsigned i = 0; i < 4; i++) {
        __m128i found =
            _mm_or_si128(_mm_cmpeq_epi8(bytes[i], _mm_set1_epi8(',')), _mm_cmpeq_epi8(bytes[i], _mm_set1_epi8('"')));
        found = _mm_or_si128(found, _mm_or_si128(_mm_cmpeq_epi8(bytes[i], _mm_set1_epi8('\r')),
                                                 _mm_cmpeq_epi8(bytes[i], _mm_set1_epi8('\n'))));
        found = _mm_or_si128(found, _mm_cmpeq_epi8(bytes[i], _mm_setzero_si128()));
        marks->special |= (uint64_t)(unsigned)_mm_movemask_epi8(found) << (16 * i);
        marks->foreign |= (unsigned)_mm_movemask_epi8(bytes[i]);
    }
}
#else
static inline void mark(marks_t *marks, const char *p) {
    static const bool SPECIAL[256] = {[','] = true, ['"'] = true, ['\r'] = true, ['\n'] = true, [0] = true};
    marks->special = 0;
    marks->foreign = 0;
    for (unsigned i = 0; i < BLOCK; i++) {
        unsigned char byte = (unsigned char)p[i];
        marks->special |= (uint64_t)SPECIAL[byte] << i;
        marks->foreign |= byte & 0x80u;
    }
}
#endif

/* A record on its way. */
typedef struct {
    marks_t *marks;
    const char *p;
    size_t n;         /* bytes that are there */
    uint64_t foreign; /* of the blocks that it has touched */
} record_t;

/* The next special byte from i on, which only rises; n when there is none. */
static inline size_t next_mark(record_t *record, size_t i) {
    marks_t *marks = record->marks;
    while (i < record->n) {
        const char *at = record->p + i;
        if (at >= marks->end) {
            mark(marks, at);
            marks->end = at + BLOCK;
        }
        record->foreign |= marks->foreign;
        uint64_t rest = marks->special >> (BLOCK - (size_t)(marks->end - at));
        if (rest) {
            i += (size_t)__builtin_ctzll(rest);
            break;
        }
        i += (size_t)(marks->end - at);
    }
    return i < record->n ? i : record->n;
}

/* What a scan came to. */
typedef struct {
    enum { WHOLE, SHORT, BROKEN } outcome;
    const char *problem; /* of a broken record */
    size_t next;         /* of a whole one: bytes up to the next record */
    size_t raw;          /* and without its end of line */
    size_t fields, newlines;
    bool ascii; /* of a whole one: surely nothing else */
} scan_t;

static scan_t broken(const char *problem) {
    return (scan_t){.outcome = BROKEN, .problem = problem};
}

/* Copies a quoted field with its doubled quotes made single. */
static const char *undoubled(rv_csv_t *csv, const char *p, size_t n, uint32_t *ret_n) {
    char *start = csv->scratch + csv->scratch_used, *out = start;
    for (size_t i = 0; i < n; i++) {
        *out++ = p[i];
        i += p[i] == '"';
    }
    *ret_n = (uint32_t)(out - start);
    csv->scratch_used += *ret_n;
    return start;
}

/* A field in quotes: p[*at] is the opening one. Leaves *at behind the closing one. */
static scan_t scan_quoted(rv_csv_t *csv, record_t *record, size_t *at, rv_csv_field_t *field, size_t *newlines) {
    const char *p = record->p;
    size_t n = record->n, i = *at + 1, start = i;
    bool doubled = false;
    for (;; i++) {
        i = next_mark(record, i);
        if (i > RV_CSV_MAX_RECORD)
            return broken("the record is longer than 1 MiB, or a quote is not closed");
        if (i >= n)
            return csv->ended ? broken("a quote is not closed") : (scan_t){.outcome = SHORT};
        if (p[i] == '\n')
            ++*newlines;
        else if (p[i] == 0)
            return broken("the record holds a NUL byte");
        else if (p[i] == '"') {
            if (i + 1 >= n && !csv->ended)
                return (scan_t){.outcome = SHORT};
            if (i + 1 >= n || p[i + 1] != '"')
                break;
            doubled = true;
            i++;
        }
    }
    field->quoted = true;
    field->p = p + start;
    field->n = (uint32_t)(i - start);
    if (doubled && !need_scratch(csv))
        return broken("there is no memory for the record");
    if (doubled)
        field->p = undoubled(csv, p + start, i - start, &field->n);
    *at = i + 1;
    return (scan_t){.outcome = WHOLE};
}

/* One record at p, of which n bytes are there. */
static scan_t scan(rv_csv_t *csv, const char *p, size_t n) {
    scan_t result = {.outcome = WHOLE};
    record_t record = {.marks = &csv->marks, .p = p, .n = n};
    size_t i = 0;
    csv->scratch_used = 0;
    for (;;) {
        if (result.fields == RV_CSV_MAX_FIELDS)
            return broken("the record has more than 4096 fields");
        rv_csv_field_t *field = &csv->fields[result.fields++];
        if (i < n && p[i] == '"') {
            scan_t quoted = scan_quoted(csv, &record, &i, field, &result.newlines);
            if (quoted.outcome != WHOLE)
                return quoted;
        } else {
            size_t start = i;
            i = next_mark(&record, i);
            *field = (rv_csv_field_t){p + start, (uint32_t)(i - start), false};
        }
        if (i > RV_CSV_MAX_RECORD)
            return broken("the record is longer than 1 MiB");
        if (i >= n) {
            result.outcome = csv->ended ? WHOLE : SHORT;
            result.next = result.raw = n;
            result.ascii = !record.foreign;
            return result;
        }
        if (p[i] == ',') {
            i++;
            continue;
        }
        if (p[i] == '\n' || (p[i] == '\r' && i + 1 < n && p[i + 1] == '\n')) {
            result.raw = i;
            result.next = i + (p[i] == '\n' ? 1 : 2);
            result.newlines++;
            result.ascii = !record.foreign;
            return result;
        }
        if (p[i] == '\r' && i + 1 >= n && !csv->ended)
            return (scan_t){.outcome = SHORT};
        if (p[i] == '\r')
            return broken("a carriage return stands alone");
        if (p[i] == 0)
            return broken("the record holds a NUL byte");
        return broken(field->quoted ? "text follows a closing quote"
                                    : "a quote stands inside a field that does not begin with one");
    }
}

/* Moves past `n` bytes that hold `lines` ends of lines. */
static void advance(rv_csv_t *csv, size_t n, uint64_t lines) {
    csv->at += n;
    csv->offset += n;
    csv->line += lines;
}

/* The rest of a physical line too long to be held is skipped. */
static rv_status_t skip_line(rv_csv_t *csv, rv_error_t *err) {
    for (;;) {
        size_t there = csv->have - csv->at;
        const char *end = there ? memchr(csv->buffer + csv->at, '\n', there) : NULL;
        if (end) {
            advance(csv, (size_t)(end - (csv->buffer + csv->at)) + 1, 1);
            return RV_OK;
        }
        advance(csv, there, 0);
        if (csv->ended)
            return RV_OK;
        rv_status_t status = fill(csv, err);
        if (status != RV_OK)
            return status;
    }
}

/* Hands out one physical line with a problem. */
static rv_status_t take_line(rv_csv_t *csv, const char *problem, rv_csv_record_t *ret, rv_error_t *err) {
    csv->marks.end = NULL; /* a scan may have gone beyond the line */
    for (;;) {
        const char *p = csv->buffer + csv->at;
        size_t n = csv->have - csv->at;
        const char *end = n ? memchr(p, '\n', n) : NULL;
        *ret = (rv_csv_record_t){.raw = p, .line = csv->line, .problem = problem};
        if (end || csv->ended || n > RV_CSV_MAX_RECORD) {
            size_t length = end ? (size_t)(end - p) : n;
            ret->raw_n = length < RV_CSV_MAX_RECORD ? length : RV_CSV_MAX_RECORD;
            if (ret->raw_n && end && p[ret->raw_n - 1] == '\r')
                ret->raw_n--;
            if (end || csv->ended) {
                advance(csv, end ? length + 1 : n, end ? 1 : 0);
                ret->end = csv->offset;
                return RV_OK;
            }
            break;
        }
        rv_status_t status = fill(csv, err);
        if (status != RV_OK)
            return status;
    }
    /* longer than a record may be: its beginning is kept in the scratch, the rest goes */
    if (!need_scratch(csv))
        return rv_fail_memory(err, "a record");
    memcpy(csv->scratch, ret->raw, ret->raw_n);
    ret->raw = csv->scratch;
    rv_status_t status = skip_line(csv, err);
    ret->end = csv->offset;
    return status;
}

/* Makes sure that something is there; false at the end. Skips the byte order mark. */
static rv_status_t begin(rv_csv_t *csv, bool *ret_more, rv_error_t *err) {
    size_t need = csv->begun ? 1 : 3;
    while (csv->have - csv->at < need && !csv->ended) {
        rv_status_t status = fill(csv, err);
        if (status != RV_OK)
            return status;
    }
    if (!csv->begun && csv->have - csv->at >= 3 && memcmp(csv->buffer + csv->at, "\xef\xbb\xbf", 3) == 0)
        advance(csv, 3, 0);
    csv->begun = true;
    *ret_more = csv->at < csv->have || !csv->ended;
    if (*ret_more && csv->at == csv->have)
        return begin(csv, ret_more, err);
    return RV_OK;
}

rv_status_t rv_csv_next(rv_csv_t *csv, rv_csv_record_t *ret, bool *ret_more, rv_error_t *err) {
    for (;;) {
        rv_status_t status = begin(csv, ret_more, err);
        if (status != RV_OK || !*ret_more)
            return status;
        const char *p = csv->buffer + csv->at;
        scan_t result = scan(csv, p, csv->have - csv->at);
        if (result.outcome == SHORT) {
            if ((status = fill(csv, err)) != RV_OK)
                return status;
            continue;
        }
        if (result.outcome == WHOLE && result.raw == 0) { /* an empty line */
            advance(csv, result.next, result.newlines);
            continue;
        }
        if (result.outcome == WHOLE && !result.ascii && !rv_utf8_valid(p, result.raw))
            result = broken("the record is not UTF-8");
        if (result.outcome == BROKEN)
            return take_line(csv, result.problem, ret, err);
        *ret = (rv_csv_record_t){csv->fields, result.fields, p, result.raw, csv->line, 0, NULL};
        advance(csv, result.next, result.newlines);
        ret->end = csv->offset;
        return RV_OK;
    }
}

rv_status_t rv_csv_line(rv_csv_t *csv, rv_csv_record_t *ret, bool *ret_more, rv_error_t *err) {
    for (;;) {
        rv_status_t status = begin(csv, ret_more, err);
        if (status != RV_OK || !*ret_more)
            return status;
        status = take_line(csv, NULL, ret, err);
        if (status != RV_OK)
            return status;
        if (ret->raw_n == 0)
            continue;
        if (ret->raw_n == RV_CSV_MAX_RECORD)
            ret->problem = "the line is longer than 1 MiB";
        else if (memchr(ret->raw, 0, ret->raw_n))
            ret->problem = "the line holds a NUL byte";
        else if (!rv_utf8_valid(ret->raw, ret->raw_n))
            ret->problem = "the line is not UTF-8";
        return RV_OK;
    }
}
