// engine_answer.c - pages of workers through the coordinator's merge or tally into messages, and these into a table.
//
// Structure: sums (count, overlap, retention) by tally.h; sorted streams (select, aggregate, funnel) by merge.h and
// answer.h, their pages pushed in a random order; each message packed and unpacked; a reader of columns of its own.
#include "engine_internal.h"

#include "answer.h"
#include "merge.h"
#include "query.h"
#include "reveille/limits.h"
#include "reveille/wire.h"
#include "tally.h"

#include <string.h>

typedef struct answer {
    rvm_dice_t *dice;
    const rvc_plan_t *plan;
    const rvm_pages_t *pages;
    int workers;
    rvm_arena_t *memory;
    rvm_table_t table; // grows with each message
    rv_error_t *err;
} answer_t;

// ---- tables -------------------------------------------------------------------------------------------------------

// Room for more rows; returns the first new cell.
static rvm_value_t *add_rows(answer_t *answer, int rows, int columns) {
    rvm_table_t more = rvm_table_new(answer->memory, answer->table.rows + rows, columns);
    size_t old = (size_t)answer->table.rows * (size_t)columns;
    if (old > 0) {
        memcpy(more.cells, answer->table.cells, old * sizeof *more.cells);
    }
    answer->table = more;
    return more.cells + old;
}

static rvm_value_t set_of(rvm_arena_t *arena, const char *joined) {
    const char *items[RV_MAX_SET];
    int n = 0;
    while (*joined != 0) {
        size_t length = strcspn(joined, "\x1f");
        items[n++] = rvm_copy(arena, joined, length);
        joined += length + (joined[length] != 0);
    }
    return rvm_set(arena, items, n);
}

static const char *string_of(const Reveille__V1__Column *column, size_t row, rvm_arena_t *arena) {
    size_t k = column->n_codes > 0 ? column->codes[row] : row, at = 0;
    for (size_t i = 0; i < k; i++) {
        at += column->strings->lengths[i];
    }
    return rvm_copy(arena, (const char *)column->strings->data.data + at, column->strings->lengths[k]);
}

rvm_value_t rvm_column_value(const Reveille__V1__Column *column, size_t row, rvm_arena_t *arena) {
    if (column->present.len > 0 && (column->present.data[row / 8] >> (row % 8) & 1) == 0) {
        return column->type == RV_SET ? set_of(arena, "") : rvm_missing();
    }
    switch (column->type) {
    case RV_STRING:
    case RV_COMPANY:
        return rvm_string(string_of(column, row, arena));
    case RV_SET:
        return set_of(arena, string_of(column, row, arena));
    case RV_DOUBLE:
        return rvm_double(column->doubles[row]);
    case RV_DECIMAL: {
        rvm_i128_t wide;
        if (column->wide.len == 0) {
            return rvm_decimal(column->ints[row], (int)column->scale);
        }
        memcpy(&wide, column->wide.data + 16 * row, sizeof wide);
        return rvm_decimal(wide, (int)column->scale);
    }
    case RV_BOOL:
        return rvm_bool(column->ints[row] != 0);
    case RV_TIME:
        return rvm_time(column->ints[row]);
    case RV_DATE:
        return rvm_date(column->ints[row]);
    case RV_DURATION:
        return rvm_duration(column->ints[row]);
    default:
        return rvm_int(column->ints[row]);
    }
}

static void add_columns(answer_t *answer, Reveille__V1__Column *const *columns, size_t n, size_t rows) {
    rvm_value_t *cells = add_rows(answer, (int)rows, (int)n);
    for (size_t r = 0; r < rows; r++) {
        for (size_t c = 0; c < n; c++) {
            cells[r * n + c] = rvm_column_value(columns[c], r, answer->memory);
        }
    }
}

static void add_overlap(answer_t *answer, const Reveille__V1__OverlapResponse *message) {
    size_t k = message->n_sizes;
    rvm_value_t *cells = add_rows(answer, (int)k, (int)k);
    size_t pair = 0;
    for (size_t a = 0; a < k; a++) {
        cells[a * k + a] = rvm_int((int64_t)message->sizes[a]->count);
        for (size_t b = a + 1; b < k && pair < message->n_pairs; b++, pair++) {
            cells[a * k + b] = cells[b * k + a] = rvm_int((int64_t)message->pairs[pair]->count);
        }
    }
}

// Takes one message of the answer, as the client reads it.
static rv_status_t take(answer_t *answer, const ProtobufCMessage *sent) {
    rv_arena_t arena;
    ProtobufCMessage *message = NULL;
    uint8_t *bytes;
    size_t n;
    rvm_pack(sent, answer->memory, &bytes, &n);
    rv_arena_init(&arena, RV_MAX_UNPACK);
    rv_status_t status = rv_wire_unpack(sent->descriptor, bytes, n, &arena, &message, answer->err);
    if (status != RV_OK) {
        rv_arena_done(&arena);
        return status;
    }
    if (answer->plan->kind == RVC_PLAN_COUNT) {
        add_rows(answer, 1, 1)[0] = rvm_int((int64_t)((const Reveille__V1__CountResponse *)message)->count);
    } else if (answer->plan->kind == RVC_PLAN_SELECT) {
        const Reveille__V1__SelectResponse *page = (const Reveille__V1__SelectResponse *)message;
        add_columns(answer, page->columns, page->n_columns, page->rows);
    } else if (answer->plan->kind == RVC_PLAN_AGGREGATE) {
        const Reveille__V1__AggregateResponse *page = (const Reveille__V1__AggregateResponse *)message;
        add_columns(answer, page->columns, page->n_columns, page->rows);
    } else if (answer->plan->kind == RVC_PLAN_OVERLAP) {
        add_overlap(answer, (const Reveille__V1__OverlapResponse *)message);
    } else if (answer->plan->kind == RVC_PLAN_FUNNEL) {
        const Reveille__V1__FunnelResponse *page = (const Reveille__V1__FunnelResponse *)message;
        rvm_value_t *cells = add_rows(answer, (int)page->n_steps, 1);
        for (size_t i = 0; i < page->n_steps; i++) {
            cells[i] = rvm_int((int64_t)page->steps[i]->contacts);
        }
    } else {
        const Reveille__V1__RetentionResponse *page = (const Reveille__V1__RetentionResponse *)message;
        rvm_value_t *cells = add_rows(answer, (int)page->n_rows, 4);
        for (size_t i = 0; i < page->n_rows; i++) {
            cells[4 * i] = rvm_time(page->rows[i]->cohort_ms);
            cells[4 * i + 1] = rvm_int(page->rows[i]->period);
            cells[4 * i + 2] = rvm_int((int64_t)page->rows[i]->contacts);
            cells[4 * i + 3] = rvm_int((int64_t)page->rows[i]->cohort_size);
        }
    }
    rv_arena_done(&arena);
    return RV_OK;
}

// ---- pages --------------------------------------------------------------------------------------------------------

// A worker that still has pages, at random, or -1; at[w] are used.
static int next_worker(answer_t *answer, const int *at) {
    int open[RVM_MAX_WORKERS], n = 0;
    for (int w = 0; w < answer->workers; w++) {
        if (at[w] < answer->pages[w].n) {
            open[n++] = w;
        }
    }
    return n == 0 ? -1 : open[rvm_dice_below(answer->dice, n)];
}

static rv_status_t add_up(answer_t *answer) {
    rvc_tally_t *tally = NULL;
    int at[RVM_MAX_WORKERS] = {0};
    bool last = false;
    Reveille__V1__Coverage coverage = REVEILLE__V1__COVERAGE__INIT;
    rv_status_t status = rvc_tally_new(answer->plan, &tally, answer->err);
    for (int w; status == RV_OK && (w = next_worker(answer, at)) >= 0; at[w]++) {
        rvc_page_t *page = NULL;
        status = rvc_page_open(answer->pages[w].body[at[w]], answer->pages[w].size[at[w]], &page, answer->err);
        if (status == RV_OK) {
            status = rvc_tally_add(tally, rvc_page_response(page), answer->err);
        }
        rvc_page_destroy(&page);
    }
    while (status == RV_OK && !last) {
        const ProtobufCMessage *message;
        status = rvc_tally_next(tally, &coverage, &message, &last, answer->err);
        if (status == RV_OK) {
            status = take(answer, message);
        }
    }
    rvc_tally_destroy(&tally);
    return status;
}

// Moves what has come into the answer; *ret_end when that is all.
static rv_status_t drain(answer_t *answer, rvc_merge_t *merge, rvc_answer_t *made, bool *ret_end) {
    for (;;) {
        rvc_answer_state_t state;
        rv_status_t status = rvc_answer_fill(made, merge, &state, answer->err);
        *ret_end = status == RV_OK && state == RVC_ANSWER_END;
        if (status != RV_OK || state == RVC_ANSWER_WAIT) {
            return status;
        }
        status = take(answer, rvc_answer_message(made, NULL));
        rvc_answer_reset(made);
        if (status != RV_OK || state == RVC_ANSWER_END) {
            return status;
        }
    }
}

static rv_status_t merge_pages(answer_t *answer) {
    rvc_merge_t *merge = NULL;
    rvc_answer_t *made = NULL;
    int at[RVM_MAX_WORKERS] = {0};
    bool end = false;
    rv_status_t status = rvc_merge_new(answer->plan, (size_t)answer->workers, &merge, answer->err);
    if (status == RV_OK) {
        status = rvc_answer_new(answer->plan, &made, answer->err);
    }
    for (int w; status == RV_OK && !end && (w = next_worker(answer, at)) >= 0;) {
        rvc_page_t *page = NULL;
        const rvm_pages_t *pages = &answer->pages[w];
        status = rvc_page_open(pages->body[at[w]], pages->size[at[w]], &page, answer->err);
        if (status == RV_OK) {
            status = rvc_merge_push(merge, (size_t)w, &page, answer->err);
        }
        rvc_page_destroy(&page);
        if (++at[w] == pages->n) {
            rvc_merge_end(merge, (size_t)w);
        }
        if (status == RV_OK) {
            status = drain(answer, merge, made, &end);
        }
    }
    if (status == RV_OK && !end) {
        status = rv_fail(answer->err, RV_REASON_BUG, "all pages are in, and the answer has not ended");
    }
    rvc_answer_destroy(&made);
    rvc_merge_destroy(&merge);
    return status;
}

// The last column is the key.
static void split_keys(answer_t *answer) {
    rvm_table_t all = answer->table, table = rvm_table_new(answer->memory, all.rows, all.columns - 1);
    table.keys = rvm_alloc(answer->memory, (size_t)(all.rows + 1) * sizeof *table.keys);
    for (int r = 0; r < all.rows; r++) {
        for (int c = 0; c < table.columns; c++) {
            table.cells[r * table.columns + c] = *rvm_cell(&all, r, c);
        }
        table.keys[r] = rvm_cell(&all, r, table.columns)->s;
    }
    answer->table = table;
}

rv_status_t rvm_answer_make(rvm_dice_t *dice, const rvc_plan_t *plan, const rvm_pages_t *pages, int workers,
                            rvm_arena_t *arena, rvm_table_t *ret, rv_error_t *err) {
    answer_t answer = {.dice = dice, .plan = plan, .pages = pages, .workers = workers, .memory = arena, .err = err};
    bool sums = plan->kind == RVC_PLAN_COUNT || plan->kind == RVC_PLAN_OVERLAP || plan->kind == RVC_PLAN_RETENTION;
    rv_status_t status = sums ? add_up(&answer) : merge_pages(&answer);
    if (status != RV_OK) {
        return status;
    }
    if (plan->kind == RVC_PLAN_SELECT) {
        split_keys(&answer);
    }
    *ret = answer.table;
    return RV_OK;
}
