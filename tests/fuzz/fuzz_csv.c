/* fuzz_csv.c: bytes through the CSV reader, in pieces of a size that the first byte gives, and the cells through every
 * parser. What must hold: records and their ends only go forward, no field lies outside its record's bytes unless
 * quotes were undoubled, and the same bytes in other pieces give the same records. */
#include "csv.h"
#include "field.h"
#include <assert.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

typedef struct {
    const uint8_t *data;
    size_t n, at, step;
} memory_t;

static long give(void *context, char *buffer, size_t n) {
    memory_t *memory = context;
    size_t left = memory->n - memory->at, part = left < memory->step ? left : memory->step;
    part = part < n ? part : n;
    memcpy(buffer, memory->data + memory->at, part);
    memory->at += part;
    return (long)part;
}

static void parse_cell(rv_field_t *field, const rv_csv_field_t *cell) {
    static const rv_type_t TYPES[] = {RV_STRING, RV_INT,  RV_DOUBLE, RV_DECIMAL, RV_BOOL,
                                      RV_TIME,   RV_DATE, RV_SET,    RV_COMPANY};
    rv_value_t value;
    int64_t ms;
    for (size_t i = 0; i < sizeof TYPES / sizeof TYPES[0]; i++)
        if (rv_field_parse(field, TYPES[i], 2, cell->p, cell->n, &value))
            assert(value.present);
    if (rv_field_event_time(field, cell->p, cell->n, &ms))
        assert(ms >= 0);
}

static uint64_t mix(uint64_t hash, const void *bytes, size_t n) {
    const uint8_t *p = bytes;
    for (size_t i = 0; i < n; i++)
        hash = (hash ^ p[i]) * 1099511628211ull;
    return hash;
}

/* A hash of all records. */
static uint64_t read_all(const uint8_t *data, size_t size, size_t step, bool cells) {
    memory_t memory = {data, size, 0, step};
    rv_field_t field = {0};
    rv_csv_t *csv = rv_csv_new(give, &memory, 0, 1);
    rv_csv_record_t record;
    uint64_t hash = 14695981039346656037ull, end = 0, line = 0;
    bool more = true;
    if (!csv)
        abort();
    while (rv_csv_next(csv, &record, &more, NULL) == RV_OK && more) {
        assert(record.end > end && record.end <= size && record.line > line);
        assert(record.raw_n <= RV_CSV_MAX_RECORD);
        assert(!record.problem == (record.n_fields > 0));
        end = record.end;
        line = record.line;
        hash = mix(hash, &record.line, sizeof record.line);
        hash = mix(hash, record.raw, record.raw_n);
        for (size_t i = 0; i < record.n_fields; i++) {
            assert(rv_utf8_valid(record.fields[i].p, record.fields[i].n));
            hash = mix(hash, record.fields[i].p, record.fields[i].n);
            hash = mix(hash, &record.fields[i].quoted, 1);
            if (cells)
                parse_cell(&field, &record.fields[i]);
        }
    }
    assert(memory.at == size);
    rv_csv_destroy(&csv);
    rv_field_done(&field);
    return hash;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    if (size == 0)
        return 0;
    size_t step = 1u + data[0] % 64;
    uint64_t whole = read_all(data + 1, size - 1, 1u << 20, true);
    assert(read_all(data + 1, size - 1, step, false) == whole);
    return 0;
}
