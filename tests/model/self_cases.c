// self_cases.c - filters and expressions over the small world (self_world.c), with answers worked out by hand.
//
// Structure: one table of (filter, keys of the answer), one of (contact, expression, value shown), in the order of the
// specification's "Meaning"; then the two loops over them.
#include "self.h"
#include "self_world.h"

#include <string.h>

static const struct {
    const char *filter, *keys; // in order of arrival: a c b d e
} filters[] = {
    // 1, 2: population and missing
    {"", "acbe"},
    {"country = 'DE'", "a"},
    {"country != 'DE'", "c"},
    {"not (country = 'DE')", "cbe"},
    {"country in ('DE', 'IT')", "a"},
    {"country not in ('DE', 'IT')", "c"},
    {"not country in ('DE', 'IT')", "cbe"},
    {"country in $countries", "a"},
    {"country in $none", ""},
    {"country not in $none", "ac"},
    {"age in $one or age in (41, 30.0)", "ab"},
    {"vip", "a"},
    {"not vip", "cbe"},
    {"vip = false", "b"},
    {"vip is set", "ab"},
    {"vip is not set", "ce"},
    {"vip is unset", "ce"},
    {"age between 30 and 41", "ab"},
    {"age between 41 and 30", ""},
    {"age not between 31 and 50", "a"},
    {"age > 30 - 1 and not age > 40", "a"},
    {"age / 0 = 1 or age / 0 != 1", ""},
    {"(age > 35) is set", "acbe"},
    {"(age > 35) = false", "ace"},
    {"count(purchase) = 0 and sum(value of purchase) = 0 and distinct(topic of purchase) = 0", "cb"},
    {"avg(value of purchase) is set", "a"},
    {"score(one) = 0", "ce"},
    {"interests is set", "a"},
    // 3: windows
    {"exists(email_click within 30 days)", "a"},
    {"exists(email_click within 31 days)", "ab"},
    {"exists(email_click within $thirty)", "a"},
    {"exists(email_click from 30 days ago)", "ab"},
    {"exists(email_click to 30 days ago)", ""},
    {"exists(email_click from 30 days ago to 10 days ago)", "b"},
    {"exists(email_click from $long_ago to now)", "a"},
    {"exists(email_click to 2024-05-22)", "b"},
    {"exists(email_click to 2024-05-22T00:00:00.001Z)", "ab"},
    {"exists(email_click to 2024-05-22T02:00:00.001+02:00)", "ab"},
    {"exists(page_view)", "b"},
    {"exists(page_view from now to 1 day from now)", ""},
    {"exists(purchase within 0 days)", ""},
    {"exists(purchase from now)", "a"},
    {"exists(purchase from (signed_up_at))", "a"},
    {"count(purchase from (birthday)) = 0", "c"},
    {"not exists(purchase from (birthday))", "cbe"},
    {"count(purchase from (last(email_click))) = 3", "a"},
    {"count(purchase from (last(email_click)) + 1 second) = 2", "a"},
    {"count(purchase from (last(email_click)) + 1 day - 1 day) = 3", "a"},
    // 4: one event; a type in several groups counts once
    {"count(engaged|purchase) = 5", "a"},
    {"exists(page_view where topic = 't2' and not flag)", "b"},
    {"exists(page_view where topic = 't1' and flag)", ""},
    {"exists(page_view where topic = 't1') and exists(page_view where flag)", "b"},
    {"exists(purchase where value > 50 and value < 50.3)", "a"},
    {"exists(purchase where value is not set)", "e"},
    {"exists(purchase where contact.country = 'DE')", "a"},
    {"exists(any where company.employees = 1000)", "a"},
    {"exists(any where at = 5 days ago)", "a"},
    {"exists(any where day = 2024-05-27 and hour = 1)", "a"},
    {"exists(any where weekday = 6)", "a"},
    {"exists(any where week = 2024-05-27 and weekday between 3 and 4)", "be"},
    {"exists(any where source = 's' and id = 'a' and type = 'email_click' and channel = 'sms')", "a"},
    {"exists(any where id = '' and channel is unset)", "ae"},
    {"exists(purchase where when > at)", "a"},
    // 5: durations
    {"recency(purchase) = 0 seconds", "a"},
    {"recency(purchase) >= 3 days", "e"},
    {"recency(engaged) < 1 day", "ab"},
    {"recency(email_click) = 2 weeks + 16 days", "b"},
    {"last(purchase) + 3 days = now", "e"},
    // 6: functions
    {"bucket(age, 30, 41, 42) = 1", "a"},
    {"bucket(recency(purchase), 1 day, 3 days) = 2", "e"},
    {"length(lower(country)) = 2 and upper(lower(country)) = country", "ac"},
    {"day(birthday) = 1 and day(signed_up_at) = 1", "a"},
    {"coalesce(country, 'none') = 'none'", "be"},
    {"coalesce(age, 0.5) < 1", "ce"},
    {"abs(weight) = 2.5", "c"},
    // 9: at
    {"exists(purchase) at 5 days ago", "a"},
    {"count(purchase) at 5 days ago = 2", "a"},
    {"(exists(purchase within 5 days)) at 6 days ago", "a"},
    {"(not exists(purchase)) at 6 days ago", "ce"},
    {"count(purchase) at 6 days ago = 0", "cbe"},
    {"(count(page_view) = 0) at 153 days ago", "ce"},
    {"exists(page_view) at 1 day from now", "b"},
    {"exists(purchase within 1 day) at 1 day from now", ""},
    {"exists(purchase within 2 days) at 1 day from now", "a"},
    {"exists(purchase) at (birthday)", ""},
    {"(not exists(purchase)) at (birthday)", "c"},
    {"count(purchase) at (birthday) = 0", "ac"},
    {"count(purchase) at (last(email_click)) = 1", "a"},
    {"(count(email_click) at 5 days ago = 2) at 1 day ago", "a"},
    {"(exists(any) at 1 day from now) at 5 days ago", "a"}, // b was not there yet
    {"now at 1 day ago = 1 day ago", "acbe"},
    {"segment('buyers') at 6 days ago", "a"},
    {"segment('everyone') at 153 days ago", "ce"},
    // segments and parameters
    {"segment('both')", "a"},
    {"segment($name)", "a"},
    {"not segment('both') and segment('everyone')", "cbe"},
    {"count(purchase) > $one and last(purchase) > $long_ago", "a"},
    // 11: exact
    {"ltv = 10.5", "a"},
    {"ltv > 10.4999999999", "a"},
    {"ltv >= 10.50000000000000000000000001", ""},
    {"weight = 0.1", ""},
    {"weight > 0.1", "ab"},
    {"weight = 0.5", "b"},
    {"sum(value of purchase) = 150.26", "a"},
    {"sum(value of purchase) >= 150.2600001", ""},
    {"big < 4611686018427387904", "ab"},
    {"big * 2 = 9223372036854775806", "a"},
    {"big < 9223372036854775808 and big > -9223372036854775809", "ab"},
    {"sum(n of page_view) = 13835058055282163709", "b"},
    {"avg(n of page_view) = 4611686018427387904", "b"}, // 2^62 - 1 is no double
    {"sum(w of page_view) = 0.6", ""},                  // of three doubles, none of them exact
    {"birthday = 1990-06-01T00:00:00Z", "a"},
    {"signed_up_at = 2024-01-01", "a"},
    // 15: text
    {"country like 'D_' or country like '%R'", "ac"},
    {"country not like 'D%'", "c"},
    {"country contains 'E' or country starts with 'FR' and country ends with ''", "ac"},
    {"employer = 'acme' and company = 'acme' and company.name = 'Acme'", "a"},
    {"company.name is not set", "cbe"},
    {"company = 'ghost'", "c"},
    {"contact in ('a', 'e')", "ae"},
    {"contact.contact = 'a' and contact.country = \"DE\"", "a"},
};

static const struct {
    const char *contact, *fields, *want;
} values[] = {
    {"a", "country, age, ltv, weight", "\"DE\" 30 10.50 0.10000000000000001"},
    {"a", "vip, birthday, signed_up_at", "true 1990-06-01 2024-01-01T00:00:00.000Z"},
    {"a", "interests, big, contact, company", "{x;y} 4611686018427387903 \"a\" \"acme\""},
    {"c", "interests, age, company.employees, vip", "{} null null null"},
    // 7: order of events: (time, source, id)
    {"a", "first(type of any), first(id of any)", "\"email_click\" \"c1\""},
    {"a", "last(source of any to 9 days ago), last(channel of any to 9 days ago)", "\"s\" \"sms\""},
    {"a", "last(channel of purchase), last(channel of email_click), first(at of any)",
     "null \"sms\" 2024-05-22T00:00:00.000Z"},
    {"a", "first(purchase), last(purchase), recency(purchase)",
     "2024-05-22T00:00:00.000Z 2024-06-01T00:00:00.000Z 0ms"},
    {"c", "first(purchase), last(purchase), recency(purchase)", "null null null"},
    {"c", "count(any), sum(value of any), distinct(type of any), exists(any), min(value of any), avg(n of any)",
     "0 0.00 0 false null null"},
    {"c", "funnel(any then any in 1 day), score(one)", "0 0"},
    {"b",
     "count(any from (birthday)), exists(any to (birthday)), sum(n of any from (birthday)), last(any to (birthday))",
     "null false null null"},
    {"b", "funnel(any then any in 1 day from (birthday))", "null"},
    {"a", "sum(value of purchase), min(value of purchase), max(value of purchase), avg(value of purchase)",
     "150.26 0.01 100.00 50.086666666666666"},
    {"b", "sum(n of any), distinct(topic of any), distinct(day of any), max(weekday of any), sum(hour of any)",
     "13835058055282163709 2 3 5 12"},
    {"b", "sum(w of any), avg(w of any), first(flag of page_view), last(flag of page_view)",
     "0.59999999999999998 0.20000000000000001 true null"},
    {"a", "max(when of any), first(when of purchase), min(topic of any)", "2024-05-28T00:00:00.000Z null \"t1\""},
    // 8: funnel; strictly later, within D of the first, none later than T
    {"a", "funnel(email_click then purchase in 4 days), funnel(email_click then purchase in 5 days)", "1 2"},
    {"a", "funnel(email_click then purchase then purchase in 10 days)", "3"},
    {"a", "funnel(email_click then purchase then cart_add then purchase in 10 days)", "4"},
    {"a", "funnel(email_click then page_view in 20 days), funnel(cart_add then any in 1 day)", "1 1"},
    {"a",
     "funnel(purchase then purchase in 5 days within 6 days), funnel(purchase then cart_add in 1 hour within 4 days)",
     "2 1"},
    {"b",
     "funnel(page_view where flag then page_view where topic = 't2' in 1 day), funnel(page_view then page_view in 12 "
     "hours)",
     "1 2"},
    {"b", "funnel(email_click then page_view then page_view then page_view then any in 30 days) at 1 day ago", "3"},
    // 9 and 10
    {"b", "score(one) at 1 day ago, score(one) at 36 hours ago at 12 hours ago", "1.5 1"},
    {"a", "score(one), score(one) at 2024-05-27T01:00:00Z, score(one) at 2024-05-28T01:00:00Z",
     "-0.096497084712609649 -3 -1.5"},
    {"a", "count(any), count(any) at 10 days ago, count(any) at 241 hours ago, count(any) at (birthday)", "6 3 0 0"},
    {"b", "count(any) at (birthday), (count(any) = 0) at (birthday), now at (birthday)", "null false null"},
    {"a", "recency(purchase) at 1 day from now, count(page_view) at 1 day from now", "86400000ms 0"},
    {"a", "(recency(any) at 1 day ago) at 2 days ago", "169200000ms"},
    {"a", "score(one) at 2024-06-02T01:00:00Z", "-0.046875"}, // its page view is later than T
    // 12: the same for ever
    {"a", "split('spring-test', 100), split('spring-test', 9223372036854775807)", "97 4641834611385250497"},
    {"b", "split('spring-test', 100), split('spring-test', 1)", "29 0"},
    // arithmetic and functions
    {"a", "age + 1, ltv * 2, ltv + 0.005, age / 4, -ltv, ltv / age", "31 21.00 10.505 7.5 -10.50 0.34999999999999998"},
    {"a", "2024-06-01 - birthday, signed_up_at + 36 hours, 2024-06-02 - 1 day - now",
     "1073001600000ms "
     "2024-01-02T12:00:00.000Z 0ms"},
    {"a", "recency(email_click) / 1 day, recency(email_click) * 2, -recency(email_click)",
     "10 1728000000ms -864000000ms"},
    {"a", "round(ltv), floor(-ltv), abs(-3), round(weight), coalesce(ltv, age), coalesce(age, ltv, 1.5)",
     "11 -11 3 0 10.50 30.00"},
    {"c", "coalesce(age, weight), coalesce(signed_up_at, birthday), coalesce(age, big)",
     "-2.5 1970-01-05T00:00:00.000Z null"},
    {"a",
     "bucket(age, -1, 30, 31), bucket(country, 'A', 'DE', 'DF'), bucket(birthday, 1990-06-01, 2000-01-01), "
     "bucket(weight, 0.1)",
     "2 2 1 1"},
    {"c", "bucket(age, 1), length('\xc3\xa9t\xc3\xa9'), lower('ABc'), upper('abC'), ('a' = 'a'), 9223372036854775808",
     "null 3 \"abc\" \"ABC\" true 9223372036854775808"},
};

static int check_filters(rvm_arena_t *arena, const rvm_world_t *world) {
    int failures = 0;
    for (size_t i = 0; i < sizeof filters / sizeof filters[0]; i++) {
        rvm_error_t error;
        bool in[16];
        const char *keys = "";
        int count = 0;
        rvm_status_t status = rvm_filter(arena, world, filters[i].filter, in, &count, &error);
        for (int k = 0; status == RVM_OK && k < world->data->n_contacts; k++) {
            keys = rvm_format(arena, "%s%s", keys, in[k] ? world->data->contacts[k].key : "");
        }
        if (status != RVM_OK || strcmp(keys, filters[i].keys) != 0 || count != (int)strlen(keys)) {
            fprintf(stderr, "%s: got '%s' %s, want '%s'\n", filters[i].filter, keys, status == RVM_OK ? "" : error.text,
                    filters[i].keys);
            failures++;
        }
    }
    return failures;
}

static int check_values(rvm_arena_t *arena, const rvm_world_t *world) {
    int failures = 0;
    for (size_t i = 0; i < sizeof values / sizeof values[0]; i++) {
        rvm_error_t error;
        rvm_table_t table;
        const char *got = "";
        int contact = rvm_find_contact(world->data, values[i].contact);
        if (rvm_values(arena, world, values[i].fields, contact, &table, &error) != RVM_OK) {
            got = rvm_format(arena, "%s at %d:%d", error.text, error.line, error.column);
        } else {
            for (int k = 0; k < table.columns; k++) {
                got = rvm_format(arena, "%s%s%s", got, k > 0 ? " " : "", rvm_show(arena, rvm_cell(&table, 0, k)));
            }
        }
        if (strcmp(got, values[i].want) != 0) {
            fprintf(stderr, "%s: %s: got %s, want %s\n", values[i].contact, values[i].fields, got, values[i].want);
            failures++;
        }
    }
    return failures;
}

int rvm_self_cases(void) {
    rvm_arena_t *arena = rvm_arena_new();
    rvm_world_t world = rvm_self_world(arena);
    int failures = check_filters(arena, &world) + check_values(arena, &world);
    rvm_arena_destroy(&arena);
    return failures;
}
