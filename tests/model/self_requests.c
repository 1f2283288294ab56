// self_requests.c - whole requests, refusals and operations on the small world, with answers worked out by hand.
//
// Structure: tables as text ("a b|c d": rows divided by |); one table of refused texts; the operations one by one.
#include "gen.h"
#include "self.h"
#include "self_world.h"

#include <string.h>

static const char *table_text(rvm_arena_t *arena, const rvm_table_t *table) {
    const char *text = "";
    for (int r = 0; r < table->rows; r++) {
        text = rvm_format(arena, "%s%s%s", text, r > 0 ? "|" : "", table->keys != NULL ? table->keys[r] : "");
        for (int k = 0; k < table->columns; k++) {
            const char *space = k > 0 || table->keys != NULL ? " " : "";
            text = rvm_format(arena, "%s%s%s", text, space, rvm_show(arena, rvm_cell(table, r, k)));
        }
    }
    return text;
}

static const struct {
    rvm_query_t query;
    const char *want;
} requests[] = {
    {{.kind = RVM_QUERY_COUNT, .filter = "exists(purchase)"}, "2"},
    // select: missing last in both directions, ties by key
    {{.kind = RVM_QUERY_SELECT, .filter = "", .fields = "age", .limit = -1}, "a 30|b 41|c null|e null"},
    {{.kind = RVM_QUERY_SELECT, .order = "age", .limit = -1}, "a|b|c|e"},
    {{.kind = RVM_QUERY_SELECT, .order = "age desc", .limit = 3}, "b|a|c"},
    {{.kind = RVM_QUERY_SELECT, .order = "vip asc, weight desc", .limit = -1}, "b|a|c|e"},
    {{.kind = RVM_QUERY_SELECT, .order = "exists(purchase) desc, count(any) desc", .limit = -1}, "a|e|b|c"},
    {{.kind = RVM_QUERY_SELECT, .filter = "age > 1", .fields = "contact, (age > 35)", .order = "ltv", .limit = 1},
     "b \"b\" true"},
    {{.kind = RVM_QUERY_SELECT, .filter = "", .fields = "age", .limit = 0}, ""},
    // aggregate
    {{.kind = RVM_QUERY_AGGREGATE, .filter = "", .by = "", .compute = "count, sum(age), avg(age), min(age), max(age)"},
     "4 71 35.5 30 41"},
    {{.kind = RVM_QUERY_AGGREGATE,
      .filter = "country = 'XX'",
      .compute = "count, sum(ltv), avg(age), min(country), distinct(age), quantile(age, 0.5)"},
     "0 0.00 null null 0 null"},
    {{.kind = RVM_QUERY_AGGREGATE, .filter = "country = 'XX'", .by = "country", .compute = "count"}, ""},
    {{.kind = RVM_QUERY_AGGREGATE, .filter = "", .by = "country is set, country", .compute = "count, max(weight)"},
     "error"},
    {{.kind = RVM_QUERY_AGGREGATE, .filter = "", .by = "(country is set), country", .compute = "count, max(weight)"},
     "false null 2 0.5|true \"DE\" 1 0.10000000000000001|true \"FR\" 1 -2.5"},
    {{.kind = RVM_QUERY_AGGREGATE, .filter = "", .by = "age", .compute = "count"}, "30 1|41 1|null 2"},
    {{.kind = RVM_QUERY_AGGREGATE,
      .filter = "",
      .compute = "quantile(weight, 0), quantile(weight, 0.33), quantile(weight, 0.34), quantile(weight, 0.5), "
                 "quantile(weight, 1)"},
     "-2.5 -2.5 0.10000000000000001 0.10000000000000001 0.5"},
    {{.kind = RVM_QUERY_AGGREGATE,
      .filter = "",
      .compute = "distinct(vip), distinct(country), sum(weight), avg(recency(engaged))"},
     "2 2 -1.8999999999999999 100800000ms"},
    {{.kind = RVM_QUERY_AGGREGATE,
      .filter = "",
      .compute = "sum(sum(value of purchase)), sum(recency(purchase)), quantile(age, 0.5), quantile(age, 0.51)"},
     "150.26 259200000ms 30 41"},
    // the rest
    {{.kind = RVM_QUERY_OVERLAP, .overlap = {"vip", "exists(purchase)", "country is set"}, .n_overlap = 3},
     "1 1 1|1 2 1|1 1 2"},
    {{.kind = RVM_QUERY_FUNNEL,
      .filter = "",
      .steps = "email_click then purchase then cart_add",
      .within = 10 * DAY_MS},
     "2|1|1"},
    {{.kind = RVM_QUERY_FUNNEL,
      .filter = "",
      .steps = "email_click then purchase then cart_add",
      .within = 10 * DAY_MS,
      .window = "within 12 days"},
     "1|1|1"},
    {{.kind = RVM_QUERY_RETENTION,
      .filter = "",
      .start = "signed_up_at",
      .cohort = 30 * DAY_MS,
      .types = "any",
      .period = 75 * DAY_MS,
      .periods = 3},
     "2023-12-19T00:00:00.000Z 0 0 1|2023-12-19T00:00:00.000Z 1 1 1|2023-12-19T00:00:00.000Z 2 1 1|"
     "2024-05-17T00:00:00.000Z 0 0 1|2024-05-17T00:00:00.000Z 1 0 1|2024-05-17T00:00:00.000Z 2 0 1"},
};

static int check_requests(rvm_arena_t *arena, const rvm_world_t *world) {
    int failures = 0;
    for (size_t i = 0; i < sizeof requests / sizeof requests[0]; i++) {
        rvm_error_t error;
        rvm_table_t table;
        rvm_status_t status = rvm_query_run(arena, world, &requests[i].query, &table, &error);
        const char *got = status == RVM_OK ? table_text(arena, &table) : "error";
        if (strcmp(got, requests[i].want) != 0) {
            fprintf(stderr, "request %zu: got %s %s, want %s\n", i, got, status == RVM_OK ? "" : error.text,
                    requests[i].want);
            failures++;
        }
    }
    return failures;
}

static const struct {
    rvm_status_t status;
    const char *filter;
} refused[] = {
    {RVM_SYNTAX, "age >"},
    {RVM_INVALID, "age"},
    {RVM_INVALID, "contry = 'DE'"},
    {RVM_INVALID, "age = 'x'"},
    {RVM_INVALID, "vip > false"},
    {RVM_INVALID, "interests = 'x'"},
    {RVM_INVALID, "recency(purchase) > 6"},
    {RVM_INVALID, "recency(purchase) / 2 > 3 days"},
    {RVM_INVALID, "age + now > now"},
    {RVM_INVALID, "exists(purchase where country = 'DE')"},
    {RVM_INVALID, "exists(purchase where exists(purchase))"},
    {RVM_INVALID, "exists(purchase where (value) at 1 day ago > 1)"},
    {RVM_INVALID, "exists(nothing)"},
    {RVM_INVALID, "score(two) > 1"},
    {RVM_INVALID, "segment('nobody')"},
    {RVM_INVALID, "segment('loop')"},
    {RVM_INVALID, "age = $two"},
    {RVM_INVALID, "country = $countries"},
    {RVM_INVALID, "country = 'DE' at 3 days ago"},
    {RVM_INVALID, "age > 3 + (4 at 3 days ago)"},
    {RVM_INVALID, "count(purchase) at (age) > 1"},
    {RVM_INVALID, "bucket(age, 3, 2) = 1"},
    {RVM_INVALID, "bucket(age, 3, 3) = 1"},
    {RVM_INVALID, "split('x', 0) = 1"},
    {RVM_INVALID, "length(country, country) = 1"},
    {RVM_INVALID, "exists(purchase within $one)"},
    {RVM_INVALID, "year.month = 1"},
    {RVM_INVALID, "country at 3 days ago = 'DE'"},
    {RVM_INVALID, "(exists(purchase where contact.age > 1)) at 3 days ago"},
    {RVM_INVALID, "segment('vips') at 3 days ago"},
    {RVM_UNIMPLEMENTED, "exists(purchase within 3 months)"},
    {RVM_UNIMPLEMENTED, "now - 1 year > signed_up_at"},
    {RVM_UNIMPLEMENTED, "month(birthday) = 1"},
    {RVM_UNIMPLEMENTED, "distinct(month of purchase) > 1"},
    {RVM_UNIMPLEMENTED, "exists(purchase followed by purchase in 3 days)"},
    {RVM_UNIMPLEMENTED, "cadence(purchase) > 1 day"},
    {RVM_UNIMPLEMENTED, "peak(one within 3 days) > 1"},
    {RVM_UNIMPLEMENTED, "interests has 'x'"},
    {RVM_UNIMPLEMENTED, "country matches 'x'"},
    {RVM_UNIMPLEMENTED, "fold(country) = 'de'"},
    {RVM_UNIMPLEMENTED, "consent.email"},
    {RVM_OVERFLOW, "big * 3 > 1"},
    {RVM_OVERFLOW, "vip or big * 3 > 1"}, // nothing is skipped
};

static int check_refusals(rvm_arena_t *arena, const rvm_world_t *world) {
    int failures = 0;
    for (size_t i = 0; i < sizeof refused / sizeof refused[0]; i++) {
        rvm_error_t error;
        bool in[16];
        int count;
        rvm_status_t status = rvm_filter(arena, world, refused[i].filter, in, &count, &error);
        if (status != refused[i].status || error.status != status) {
            fprintf(stderr, "%s: got %s, want %s\n", refused[i].filter, rvm_status_name(status),
                    rvm_status_name(refused[i].status));
            failures++;
        }
    }
    return failures;
}

static int check(const char *what, bool good) {
    if (!good) {
        fprintf(stderr, "%s\n", what);
    }
    return !good;
}

// Identity, repetition, conflict, partial update, deletes.
static int check_operations(rvm_arena_t *arena) {
    rvm_data_t *data = rvm_data_new(arena, rvm_self_schema());
    rvm_event_t event = rvm_self_event(arena, "a", "purchase", T_MS, "1");
    rvm_event_t other = event, channel = event;
    rvm_value_t changed[6] = {rvm_decimal(100, 2)};
    int failures = 0;
    event.import = 1;
    other.properties = changed;
    channel.channel = "web";
    failures += check("an event is accepted", rvm_append(data, &event) == RVM_OK);
    event.import = 2;
    failures += check("a repetition is accepted", rvm_append(data, &event) == RVM_OK && data->repeats == 1);
    failures += check("other properties conflict", rvm_append(data, &other) == RVM_CONFLICT);
    failures += check("another channel conflicts", rvm_append(data, &channel) == RVM_CONFLICT && data->conflicts == 2);
    failures += check("nothing was changed", data->contacts[0].n_events == 1 && data->bare_contacts == 1);
    rvm_op_t undo = {.kind = RVM_OP_UNDO_IMPORT, .import = 2};
    rvm_apply(data, &undo, NULL);
    failures += check("the first import owns the event", data->contacts[0].n_events == 1);
    other.type++;
    failures += check("another type is another event", rvm_append(data, &other) == RVM_OK);
    rvm_op_t remove = {.kind = RVM_OP_DELETE_EVENT, .events = &event};
    rvm_apply(data, &remove, NULL);
    failures += check("one event is deleted",
                      data->contacts[0].n_events == 1 && data->contacts[0].events[0].type == other.type);
    rvm_event_t two = rvm_self_event(arena, "a", "purchase", T_MS, "2"),
                ten = rvm_self_event(arena, "a", "purchase", T_MS, "10");
    rvm_append(data, &two);
    rvm_append(data, &ten);
    const rvm_event_t *events = data->contacts[0].events;
    failures += check("ids order events bytewise", strcmp(events[1].id, "10") == 0 && strcmp(events[2].id, "2") == 0);
    const bool given[10] = {true, true}, unset[10] = {false, true};
    const rvm_value_t first[10] = {rvm_string("DE"), rvm_int(3)}, second[10] = {rvm_string("FR")};
    rvm_row_t row = {.key = "b", .given = given, .values = first},
              update = {.key = "b", .given = unset, .values = second};
    rvm_upsert_contact(data, &row);
    rvm_upsert_contact(data, &update);
    const rvm_value_t *b = data->contacts[1].values;
    failures += check("absent stays, null unsets", strcmp(b[0].s, "DE") == 0 && b[1].type == RVM_MISSING);
    rvm_op_t erase = {.kind = RVM_OP_ERASE, .name = "a"};
    rvm_apply(data, &erase, NULL);
    failures += check("an erased contact is gone", data->n_contacts == 1 && rvm_find_contact(data, "a") < 0);
    return failures;
}

int rvm_self_requests(void) {
    rvm_arena_t *arena = rvm_arena_new();
    rvm_world_t world = rvm_self_world(arena);
    int failures = check_requests(arena, &world) + check_refusals(arena, &world) + check_operations(arena);
    rvm_arena_destroy(&arena);
    return failures;
}
