/* answer.c: the last stage of select, aggregate and funnel. Rows are copied field by field into column writers; groups
 * of equal keys are combined until the key changes, then finalised into a row; a funnel's groups (contacts by steps
 * reached) are added up from the top at the end. Memory: one page, one group. Thread: the actor's. Failure: a value
 * that cannot be made (overflow of a sum) fails the query. */
#include "answer.h"
#include "reveille/limits.h"
#include <stdlib.h>
#include <string.h>

#define PAGE_BYTES (RV_MAX_BODY - (128u << 10)) /* leaves room for names and coverage */

struct rvc_answer {
    const rvc_plan_t *plan;
    rvc_writer_t *writers;
    Reveille__V1__Column *columns, **column_list;
    Reveille__V1__StringColumn *strings;
    size_t rows;
    uint64_t total;
    bool any_group, open_group;
    rv_bytes_t key;
    unsigned char *states; /* of the open group, one after the other */
    size_t *state_at;
    uint64_t reached[RV_MAX_STEPS + 1];
    Reveille__V1__FunnelStep *steps, **step_list;
    union {
        Reveille__V1__SelectResponse select;
        Reveille__V1__AggregateResponse aggregate;
        Reveille__V1__FunnelResponse funnel;
    } message;
};

static rv_agg_t *state(const rvc_answer_t *answer, size_t measure) {
    return (rv_agg_t *)(void *)(answer->states + answer->state_at[measure]);
}

/* Places of the states of one group, 16-byte aligned. */
static bool lay_out_states(rvc_answer_t *answer) {
    size_t n = answer->plan->n_measures, size = 0;
    answer->state_at = calloc(n + 1, sizeof *answer->state_at);
    if (!answer->state_at)
        return false;
    for (size_t i = 0; i < n; i++) {
        answer->state_at[i] = size;
        size += (rv_agg_size(&answer->plan->measures[i]) + 15) & ~(size_t)15;
    }
    answer->states = calloc(1, size + 16);
    return answer->states != NULL;
}

rv_status_t rvc_answer_new(const rvc_plan_t *plan, rvc_answer_t **ret, rv_error_t *err) {
    rvc_answer_t *answer = calloc(1, sizeof *answer);
    size_t n = plan->n_outputs;
    bool ok = answer != NULL;
    if (ok) {
        answer->plan = plan;
        answer->writers = calloc(n + 1, sizeof *answer->writers);
        answer->columns = calloc(n + 1, sizeof *answer->columns);
        answer->column_list = calloc(n + 1, sizeof *answer->column_list);
        answer->strings = calloc(n + 1, sizeof *answer->strings);
        answer->steps = calloc(plan->n_names + 1, sizeof *answer->steps);
        answer->step_list = calloc(plan->n_names + 1, sizeof *answer->step_list);
        ok = answer->writers && answer->columns && answer->column_list && answer->strings && answer->steps &&
             answer->step_list && lay_out_states(answer);
    }
    if (!ok) {
        rvc_answer_destroy(&answer);
        return rv_fail_memory(err, "an answer");
    }
    for (size_t i = 0; i < n; i++)
        rvc_writer_init(&answer->writers[i], plan->outputs[i].type, plan->outputs[i].scale);
    *ret = answer;
    return RV_OK;
}

static void close_states(rvc_answer_t *answer) {
    for (size_t i = 0; answer->open_group && i < answer->plan->n_measures; i++)
        rv_agg_done(&answer->plan->measures[i], state(answer, i));
    answer->open_group = false;
}

void rvc_answer_destroy(rvc_answer_t **answer) {
    rvc_answer_t *it = *answer;
    if (!it)
        return;
    close_states(it);
    for (size_t i = 0; it->writers && i < it->plan->n_outputs; i++)
        rvc_writer_done(&it->writers[i]);
    free(it->writers);
    free(it->columns);
    free(it->column_list);
    free(it->strings);
    free(it->steps);
    free(it->step_list);
    free(it->states);
    free(it->state_at);
    rv_bytes_done(&it->key);
    free(it);
    *answer = NULL;
}

static size_t page_bytes(const rvc_answer_t *answer) {
    size_t bytes = 0;
    for (size_t i = 0; i < answer->plan->n_outputs; i++)
        bytes += rvc_writer_bytes(&answer->writers[i]) + strlen(answer->plan->outputs[i].name) + 32;
    return bytes;
}

/* Whether a row of about `bytes` more still goes on the page. */
static bool has_room(const rvc_answer_t *answer, size_t bytes) {
    return answer->rows < RV_PAGE_ROWS && page_bytes(answer) + bytes <= PAGE_BYTES;
}

static rv_status_t too_wide(rv_error_t *err) {
    return rv_fail(err, RV_REASON_QUOTA, "one row of the answer has more than %u bytes: ask for fewer fields",
                   PAGE_BYTES);
}

/* Copies one row; *ret_taken is false when the page has no room for it. */
static rv_status_t add_row(rvc_answer_t *answer, const rvc_merge_t *merge, bool *ret_taken, rv_error_t *err) {
    size_t n = answer->plan->n_outputs, bytes = 21 * n;
    rv_value_t value;
    for (size_t i = 0; i < n; i++)
        if (rvc_type_is_text(answer->plan->outputs[i].type)) {
            rvc_merge_field(merge, i, &value);
            bytes += value.s.n;
        }
    *ret_taken = has_room(answer, bytes);
    if (!*ret_taken)
        return answer->rows == 0 ? too_wide(err) : RV_OK;
    for (size_t i = 0; i < n; i++) {
        rvc_merge_field(merge, i, &value);
        if (!rvc_writer_add(&answer->writers[i], &value))
            return rv_fail_memory(err, "a page");
    }
    answer->rows++;
    answer->total++;
    return RV_OK;
}

static rv_status_t fill_rows(rvc_answer_t *answer, rvc_merge_t *merge, rvc_answer_state_t *ret, rv_error_t *err) {
    uint64_t limit = answer->plan->limit;
    for (;;) {
        if (limit && answer->total == limit) {
            *ret = RVC_ANSWER_END;
            return RV_OK;
        }
        rvc_merge_state_t merging = rvc_merge_state(merge);
        if (merging != RVC_MERGE_ITEM) {
            *ret = merging == RVC_MERGE_WAIT ? RVC_ANSWER_WAIT : RVC_ANSWER_END;
            return RV_OK;
        }
        bool taken;
        rv_status_t status = add_row(answer, merge, &taken, err);
        if (status == RV_OK && !taken) {
            *ret = RVC_ANSWER_FULL;
            return RV_OK;
        }
        if (status == RV_OK)
            status = rvc_merge_advance(merge, err);
        if (status != RV_OK)
            return status;
    }
}

static rv_status_t open_group(rvc_answer_t *answer, rv_str_t key, rv_error_t *err) {
    answer->key.n = 0;
    if (key.n && !rv_bytes_add(&answer->key, key.p, key.n))
        return rv_fail_memory(err, "a group");
    for (size_t i = 0; i < answer->plan->n_measures; i++)
        rv_agg_init(&answer->plan->measures[i], state(answer, i));
    answer->open_group = answer->any_group = true;
    return RV_OK;
}

static rv_status_t combine(rvc_answer_t *answer, rv_str_t packed, rv_error_t *err) {
    size_t at = 0;
    for (size_t i = 0; i < answer->plan->n_measures; i++) {
        rv_status_t status =
            rv_agg_combine(&answer->plan->measures[i], state(answer, i), (const uint8_t *)packed.p, packed.n, &at, err);
        if (status != RV_OK)
            return status;
    }
    return at == packed.n ? RV_OK : rv_fail(err, RV_REASON_BUG, "a worker's state of a group has bytes left over");
}

/* Value number i of the open group: group expressions first, then measures. */
static rv_status_t group_value(rvc_answer_t *answer, size_t i, size_t *at, rv_value_t *ret, rv_error_t *err) {
    if (i >= answer->plan->n_by) {
        size_t measure = i - answer->plan->n_by;
        return rv_agg_finalize(&answer->plan->measures[measure], state(answer, measure), ret, err);
    }
    if (!rv_value_decode(answer->plan->outputs[i].type, answer->key.p, answer->key.n, at, ret))
        return rv_fail(err, RV_REASON_BUG, "a worker's key of a group cannot be read");
    return RV_OK;
}

/* Ends the open group: a row of an aggregate, a count of a funnel. The caller has seen to room. */
static rv_status_t close_group(rvc_answer_t *answer, rv_error_t *err) {
    size_t at = 0;
    rv_value_t value = {0};
    rv_status_t status = RV_OK;
    uint64_t steps = 0;
    for (size_t i = 0; status == RV_OK && i < answer->plan->n_outputs; i++) {
        status = group_value(answer, i, &at, &value, err);
        if (status == RV_OK && answer->plan->kind == RVC_PLAN_AGGREGATE && !rvc_writer_add(&answer->writers[i], &value))
            status = rv_fail_memory(err, "a page");
        if (i == 0)
            steps = value.present && value.i > 0 ? (uint64_t)value.i : 0;
    }
    if (status == RV_OK && answer->plan->kind == RVC_PLAN_FUNNEL)
        answer->reached[steps < answer->plan->n_names ? steps : answer->plan->n_names] += (uint64_t)value.i;
    close_states(answer);
    answer->rows++;
    return status;
}

/* Bytes that the open group's row may take. */
static size_t group_bytes(const rvc_answer_t *answer) {
    size_t bytes = answer->key.n + 21 * answer->plan->n_outputs;
    for (size_t i = 0; i < answer->plan->n_measures; i++) {
        rv_value_t value;
        if (rvc_type_is_text(answer->plan->outputs[answer->plan->n_by + i].type) &&
            rv_agg_finalize(&answer->plan->measures[i], state(answer, i), &value, NULL) == RV_OK && value.present)
            bytes += value.s.n;
    }
    return bytes;
}

static rv_status_t fill_groups(rvc_answer_t *answer, rvc_merge_t *merge, rvc_answer_state_t *ret, rv_error_t *err) {
    bool paged = answer->plan->kind == RVC_PLAN_AGGREGATE;
    for (;;) {
        rvc_merge_state_t merging = rvc_merge_state(merge);
        if (merging == RVC_MERGE_WAIT) {
            *ret = RVC_ANSWER_WAIT;
            return RV_OK;
        }
        rv_status_t status = RV_OK;
        rv_str_t open = {(const char *)answer->key.p, (uint32_t)answer->key.n};
        bool same = answer->open_group && merging == RVC_MERGE_ITEM && rv_str_equal(open, rvc_merge_key(merge));
        if (answer->open_group && !same) {
            if (paged && !has_room(answer, group_bytes(answer))) {
                *ret = RVC_ANSWER_FULL;
                return answer->rows == 0 ? too_wide(err) : RV_OK;
            }
            if ((status = close_group(answer, err)) != RV_OK)
                return status;
        }
        if (merging == RVC_MERGE_END) {
            *ret = RVC_ANSWER_END;
            return RV_OK;
        }
        if (!same)
            status = open_group(answer, rvc_merge_key(merge), err);
        if (status == RV_OK)
            status = combine(answer, rvc_merge_states(merge), err);
        if (status == RV_OK)
            status = rvc_merge_advance(merge, err);
        if (status != RV_OK)
            return status;
    }
}

rv_status_t rvc_answer_fill(rvc_answer_t *answer, rvc_merge_t *merge, rvc_answer_state_t *ret, rv_error_t *err) {
    if (answer->plan->kind == RVC_PLAN_SELECT)
        return fill_rows(answer, merge, ret, err);
    rv_status_t status = fill_groups(answer, merge, ret, err);
    /* without --by there is one group, even over nobody */
    bool lonely = status == RV_OK && *ret == RVC_ANSWER_END && answer->plan->n_by == 0 && !answer->any_group;
    if (!lonely)
        return status;
    status = open_group(answer, (rv_str_t){"", 0}, err);
    return status == RV_OK ? close_group(answer, err) : status;
}

static void make_columns(rvc_answer_t *answer) {
    for (size_t i = 0; i < answer->plan->n_outputs; i++) {
        rvc_writer_column(&answer->writers[i], answer->plan->outputs[i].name, &answer->columns[i], &answer->strings[i]);
        answer->column_list[i] = &answer->columns[i];
    }
}

static const ProtobufCMessage *funnel_message(rvc_answer_t *answer, Reveille__V1__Coverage *coverage) {
    Reveille__V1__FunnelResponse *message = &answer->message.funnel;
    size_t n = answer->plan->n_names;
    reveille__v1__funnel_response__init(message);
    uint64_t contacts = 0;
    for (size_t i = n; i-- > 0;) {
        contacts += answer->reached[i + 1];
        reveille__v1__funnel_step__init(&answer->steps[i]);
        answer->steps[i].step = (char *)(uintptr_t)answer->plan->names[i];
        answer->steps[i].contacts = contacts;
        answer->step_list[i] = &answer->steps[i];
    }
    message->n_steps = n;
    message->steps = answer->step_list;
    message->coverage = coverage;
    return &message->base;
}

const ProtobufCMessage *rvc_answer_message(rvc_answer_t *answer, Reveille__V1__Coverage *coverage) {
    if (answer->plan->kind == RVC_PLAN_FUNNEL)
        return funnel_message(answer, coverage);
    make_columns(answer);
    if (answer->plan->kind == RVC_PLAN_SELECT) {
        Reveille__V1__SelectResponse *message = &answer->message.select;
        reveille__v1__select_response__init(message);
        message->n_columns = answer->plan->n_outputs;
        message->columns = answer->column_list;
        message->rows = (uint32_t)answer->rows;
        message->coverage = coverage;
        return &message->base;
    }
    Reveille__V1__AggregateResponse *message = &answer->message.aggregate;
    reveille__v1__aggregate_response__init(message);
    message->n_columns = answer->plan->n_outputs;
    message->columns = answer->column_list;
    message->rows = (uint32_t)answer->rows;
    message->coverage = coverage;
    return &message->base;
}

void rvc_answer_reset(rvc_answer_t *answer) {
    for (size_t i = 0; i < answer->plan->n_outputs; i++)
        rvc_writer_reset(&answer->writers[i]);
    answer->rows = 0;
}
