/* test_exec_events.c: aggregates over the events of contacts, windows, ties, funnels and scores, by hand. */
#include "exec_case.h"

#include <math.h>

static fake_row_t rows[4];
static fake_event_t events[64];

static fake_event_t *add(uint32_t row, uint32_t type, int64_t time, const char *id) {
    fake_event_t *e = &events[view.n_events];
    *e = (fake_event_t){.row = row, .type = type, .time = time, .source = "", .id = id, .channel = "web"};
    e->piece = view.n_events * 7;
    e->order = (view.n_events * 37) % 64;
    view.n_events++;
    return e;
}

static fake_event_t *buy(uint32_t row, int64_t time, const char *id, int64_t cents) {
    fake_event_t *e = add(row, PURCHASE, time, id);
    e->properties[VALUE] = a_decimal(cents);
    return e;
}

/* a: purchases and clicks; b: nothing; c: one click; d: views. */
static int begin(void **state) {
    exec_begin(*state ? 2 : 64);
    memset(rows, 0, sizeof rows);
    static const char *const keys[] = {"a", "b", "c", "d"};
    for (int i = 0; i < 4; i++)
        rows[i].key = keys[i];
    view.rows = rows;
    view.n_rows = 4;
    view.events = events;
    return 0;
}

static int end(void **state) {
    (void)state;
    exec_end();
    return 0;
}

static void counts_sums_and_ends(void **state) {
    (void)state;
    buy(0, NOW - 5 * DAY, "e1", 1000);
    buy(0, NOW - 3 * DAY, "e2", -250)->properties[TOPIC] = fake_text("x");
    buy(0, NOW - DAY, "e3", 75)->properties[TOPIC] = fake_text("y");
    add(0, PURCHASE, NOW + 1, "e4")->properties[VALUE] = a_decimal(99999); /* after T: never seen */
    add(0, PURCHASE, NOW - 2 * DAY, "e5");
    add(2, CLICK, NOW - DAY, "e6");
    expect("count(purchase), exists(purchase), count(any)", "4,true,4;0,false,0;0,false,1;0,false,0");
    expect("sum(value of purchase), avg(value of purchase), min(value of purchase), max(value of purchase)",
           "8.25,2.75,-2.50,10.00;0.00,-,-,-;0.00,-,-,-;0.00,-,-,-");
    expect("first(purchase), last(purchase)", "1727568000000,1727913600000;-,-;-,-;-,-");
    expect("first(topic of purchase), last(topic of purchase), last(value of purchase)", "-,y,0.75;-,-,-;-,-,-;-,-,-");
    expect("distinct(topic of purchase), distinct(value of purchase)", "2,3;0,0;0,0;0,0");
    expect("recency(purchase)", "86400000;-;-;-");
    expect("last(channel of engaged), last(type of any)", "-,purchase;-,-;web,click;-,-");
    expect("min(topic of purchase), max(topic of purchase)", "x,y;-,-;-,-;-,-");
    expect("count(purchase where value > 0), count(purchase where not (value > 0))", "2,2;0,0;0,0;0,0");
    expect("count(purchase where topic in ('x', 'z')), exists(purchase where topic is unset)",
           "1,true;0,false;0,false;0,false");
    expect_in("count(purchase) >= 2 and not exists(click)", "a");
    expect_in("not exists(any)", "b;d");
}

static void windows_have_the_ends_that_the_language_gives_them(void **state) {
    (void)state;
    add(0, CLICK, NOW - 2 * DAY, "e1");
    add(0, CLICK, NOW - DAY, "e2");
    add(0, CLICK, NOW, "e3");
    expect("count(click within 2 days), count(click within 1 day)", "2,1;0,0;0,0;0,0");
    expect("count(click from 2 days ago), count(click from 2 days ago to 1 day ago)", "3,1;0,0;0,0;0,0");
    expect("count(click to 1 day ago), count(click from now)", "1,1;0,0;0,0;0,0");
    expect("count(click) at 1 day ago, last(click) at 12 hours ago", "2,1727913600000;0,-;0,-;0,-");
}

static void windows_by_row_follow_each_contact(void **state) {
    (void)state;
    rows[0].values[SIGNED_UP] = an_int(NOW - 2 * DAY);
    rows[2].values[SIGNED_UP] = an_int(NOW - DAY + 1);
    for (uint32_t r = 0; r < 3; r++) {
        add(r, CLICK, NOW - 2 * DAY, "e1");
        add(r, CLICK, NOW - DAY, "e2");
        add(r, VIEW, NOW - DAY + 1, "e3");
        buy(r, NOW - DAY, "e4", 100)->properties[DUE] = an_int(NOW - 2 * DAY);
    }
    expect("count(click from (signed_up)), exists(click from (signed_up)), sum(value of purchase from (signed_up))",
           "2,true,1.00;-,false,-;0,false,0.00;-,false,-");
    expect("count(any to (signed_up)), distinct(type of any from (signed_up))", "0,3;-,-;3,1;-,-");
    expect("count(view from (last(click)))", "1;1;1;-");
    expect("count(click where at = contact.signed_up), count(purchase where due <= contact.signed_up)",
           "1,1;0,0;0,1;0,0");
    expect("last(click) at (signed_up)", "1727827200000;-;1727913600000;-");
}

static void ties_go_by_source_then_id(void **state) {
    (void)state;
    static const char *const sources[] = {"b", "a", "a", "b"}, *const ids[] = {"1", "9", "10", "0"};
    for (uint32_t i = 0; i < 4; i++) {
        fake_event_t *e = add(0, i & 1 ? CLICK : VIEW, NOW - DAY, ids[i]);
        e->source = sources[i];
        e->properties[TOPIC] = fake_text(ids[i]);
        e = add(0, CLICK, NOW - DAY - 1, ids[i]);
        e->properties[TOPIC] = fake_text("older");
    }
    expect("last(topic of any), last(topic of any to now)", "1,1;-,-;-,-;-,-");
    expect("first(topic of any from (now - 1 days)), last(topic of click)", "10,0;-,-;-,-;-,-");
}

static void ties_in_all_else_go_by_the_number_of_the_type(void **state) {
    (void)state;
    for (uint32_t type = VIEW; type >= PURCHASE; type--)
        add(0, type, NOW - DAY, "e1");
    expect("first(type of any), last(type of any), last(type of any where type != 'view')",
           "purchase,view,click;-,-,-;-,-,-;-,-,-");
}

static void ties_within_a_piece_go_by_id_under_any_mask(void **state) {
    (void)state;
    view.n_pieces = view.sorted = 1;
    for (uint32_t i = 0; i < 9; i++) {
        static const char *const ids[] = {"e4", "e2", "e8", "e1", "e9", "e3", "e6", "e5", "e7"};
        fake_event_t *e = add(0, CLICK, NOW - DAY, ids[i]);
        e->properties[TOPIC] = fake_text(ids[i]);
        e->properties[FLAG] = an_int(ids[i][1] % 2 == 0);
    }
    add(0, CLICK, NOW + 1, "e99");
    expect("first(topic of click), last(topic of click)", "e1,e9;-,-;-,-;-,-");
    expect("first(topic of click where flag), last(topic of click where flag)", "e2,e8;-,-;-,-;-,-");
}

static void conditions_on_the_type_and_channel_fold(void **state) {
    (void)state;
    add(0, CLICK, NOW - DAY, "e1")->channel = "email";
    add(0, VIEW, NOW - DAY, "e2")->channel = NULL;
    add(0, VIEW, NOW - DAY, "e3");
    expect("count(any where type = 'view'), count(any where type = 'click' or channel = 'web')", "2,2;0,0;0,0;0,0");
    expect("count(any where channel != 'email'), count(any where not (channel = 'email'))", "1,2;0,0;0,0;0,0");
    expect("count(any where channel is unset), count(any where lower(channel) like '%AIL')", "1,0;0,0;0,0;0,0");
    expect("count(any where upper(channel) like '%AIL'), count(any where id = 'e3')", "1,1;0,0;0,0;0,0");
    expect("count(any where hour = 0), count(any where weekday = 4), distinct(day of any)", "3,3,1;0,0,0;0,0,0;0,0,0");
}

static void sums_are_exact_and_checked(void **state) {
    (void)state;
    double d[] = {1e300, 1, -1e300, 1e-300, 0.1};
    for (uint32_t i = 0; i < 5; i++) {
        fake_event_t *e = add(0, CLICK, NOW - DAY - i, "e1");
        e->properties[RATE] = a_double(d[i]);
        e->properties[QTY] = an_int(i == 1 || i == 3 ? INT64_MIN : INT64_MAX);
    }
    expect("sum(rate of click), avg(rate of click), distinct(rate of click)", "1.1,0.22,5;0,-,0;0,-,0;0,-,0");
    expect("sum(qty of click)", "9223372036854775805;0;0;0");
    expect("sum(qty of click where qty > 0)", "27670116110564327421;0;0;0"); /* ints add up to a decimal */
    expect_overflow("", "sum(qty of click where qty > 0) * sum(qty of click where qty > 0)");
    expect_overflow("exists(purchase)", "sum(qty of click where qty > 0) * sum(qty of click where qty > 0)");
    expect_overflow("exists(purchase) and sum(qty of click where qty > 0) * sum(qty of click where qty > 0) > 3",
                    "contact");
    expect("avg(qty of click), min(qty of click), max(qty of click)",
           "1.8446744073709553e+18,-9223372036854775808,9223372036854775807;-,-,-;-,-,-;-,-,-");
    events[1].properties[RATE] = a_double(0.0);
    events[2].properties[RATE] = a_double(-0.0);
    expect("distinct(rate of click), min(rate of click), max(rate of click)", "4,0,1e+300;0,-,-;0,-,-;0,-,-");
    view.n_events = 4; /* maxima and minima cancel */
    expect("sum(qty of click)", "-2;0;0;0");
    expect_overflow("", "count(click where qty + 1 > 0)");
    expect("count(click where qty + 1 > 0 within 1 hour)", "0;0;0;0"); /* only events of the window */
    rows[0].dead = true;
    expect("count(click where qty + 1 > 0)", "0;0;0");
}

static void wide_decimals_sum_in_128_bits(void **state) {
    (void)state;
    rv_i128_t big = (rv_i128_t)1 << 126;
    static const int signs[] = {1, 1, 1, -1, -1, -1};
    view.n_pieces = 1; /* so that they come in the order of time, and the sum leaves 128 bits on its way */
    for (uint32_t i = 0; i < 6; i++)
        buy(0, NOW - DAY * (i + 1), "e1", 0)->properties[VALUE] = a_decimal(signs[i] * big + (i == 0));
    expect("sum(value of purchase), avg(value of purchase)", "0.01,0.0016666666666666668;0.00,-;0.00,-;0.00,-");
    expect_in("max(value of purchase) > 1000000000000000000 and min(value of purchase) < 0", "a");
    expect_overflow("", "sum(value of purchase from 2 days ago)");
}

static void funnels_take_the_furthest_way(void **state) {
    (void)state;
    static const struct {
        uint32_t row, type;
        int64_t hours; /* before now */
    } steps[] = {
        {0, VIEW, 100}, {0, CLICK, 90}, {0, PURCHASE, 80},                    /* all three in 20 hours */
        {1, VIEW, 100}, {1, VIEW, 60},  {1, CLICK, 50},    {1, PURCHASE, 36}, /* only from the later view */
        {2, VIEW, 50},  {2, CLICK, 50}, {2, PURCHASE, 40},                    /* equal times do not follow */
        {3, CLICK, 30}, {3, VIEW, 20},  {3, PURCHASE, 10},                    /* wrong order */
    };
    for (uint32_t i = 0; i < sizeof steps / sizeof *steps; i++)
        add(steps[i].row, steps[i].type, NOW - steps[i].hours * 3600000, "e1");
    expect("funnel(view then click then purchase in 24 hours)", "3;3;1;1");
    expect("funnel(view then click then purchase in 20 hours)", "3;2;1;1");
    expect("funnel(view then purchase in 10 hours)", "1;1;2;2");
    expect("funnel(view then click then purchase in 24 hours within 70 hours)", "0;3;1;1");
    expect("funnel(any then any then any then any in 200 hours)", "3;4;2;3");
    expect("funnel(view then click then purchase in 24 hours) at 37 hours ago", "3;2;1;0");
    expect("funnel(click where channel = 'web' then purchase where channel = 'x' in 5 days)", "1;1;1;1");
    view.n_events = 0; /* equal times within reach of 1970 */
    add(0, VIEW, 1000, "e1");
    add(0, CLICK, 1000, "e2");
    expect("funnel(view then click in 1 day)", "1;0;0;0");
}

static double decayed(double points, int64_t age) {
    return (double)llrintl((long double)points * exp2l(-(long double)age / (30 * DAY)) * 0x1p32L) * 0x1p-32;
}

static void scores_decay_exactly(void **state) {
    (void)state;
    char wanted[64], number[32];
    static const int64_t ages[] = {0, 1, 999, 30 * DAY, 60 * DAY, 31 * DAY + 12345, 3000 * DAY};
    double sum = 0;
    for (uint32_t i = 0; i < 7; i++) {
        add(0, i % 2 ? CLICK : PURCHASE, NOW - ages[i], "e1");
        sum += decayed(i % 2 ? 5 : 25, ages[i]);
    }
    add(0, CLICK, NOW + 1, "e2");
    add(2, VIEW, NOW - 30 * DAY, "e3");
    number[rv_double_format(sum, number)] = 0;
    snprintf(wanted, sizeof wanted, "%s;0;-1.25;0", number);
    expect("score(heat)", wanted);
    sum = 0;
    for (uint32_t i = 3; i < 7; i++)
        sum += decayed(i % 2 ? 5 : 25, ages[i] - 10 * DAY);
    number[rv_double_format(sum, number)] = 0;
    snprintf(wanted, sizeof wanted, "%s;0;%.17g;0", number, decayed(-2.5, 20 * DAY));
    expect("score(heat) at 10 days ago", wanted);
    rows[2].values[SIGNED_UP] = an_int(NOW);
    rows[3].values[SIGNED_UP] = an_int(NOW - 90 * DAY);
    expect("score(heat) at (signed_up)", "-;-;-1.25;0");
}

static void an_instant_after_now_sees_no_later_events(void **state) {
    (void)state;
    add(0, PURCHASE, NOW, "e1");
    add(0, PURCHASE, NOW + DAY, "e2");
    expect("score(heat) at 30 days from now, count(purchase) at 30 days from now", "12.5,1;0,0;0,0;0,0");
}

#define EVENT_TEST(name)                                                                                               \
    {#name, name, begin, end, NULL}, {                                                                                 \
#name " in chunks of 2", name, begin, end, (void *)1                                                           \
    }

int main(void) {
    const struct CMUnitTest tests[] = {
        EVENT_TEST(counts_sums_and_ends),
        EVENT_TEST(windows_have_the_ends_that_the_language_gives_them),
        EVENT_TEST(windows_by_row_follow_each_contact),
        EVENT_TEST(ties_go_by_source_then_id),
        EVENT_TEST(ties_in_all_else_go_by_the_number_of_the_type),
        EVENT_TEST(ties_within_a_piece_go_by_id_under_any_mask),
        EVENT_TEST(conditions_on_the_type_and_channel_fold),
        EVENT_TEST(sums_are_exact_and_checked),
        EVENT_TEST(wide_decimals_sum_in_128_bits),
        EVENT_TEST(funnels_take_the_furthest_way),
        EVENT_TEST(scores_decay_exactly),
        EVENT_TEST(an_instant_after_now_sees_no_later_events),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
