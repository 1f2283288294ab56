// self_world.c - the data behind the hand-computed answers, as tables.
//
// Structure: the schema; contacts, companies and events; saved segments and parameters; the world put together.
#include "self_world.h"

#include <string.h>

// ---- schema -------------------------------------------------------------------------------------------------------

enum { COUNTRY, AGE, LTV, WEIGHT, VIP, BIRTHDAY, SIGNED_UP, INTERESTS, COMPANY, BIG, ATTRIBUTES };
enum { VALUE, TOPIC, N, W, FLAG, WHEN, PROPERTIES };
enum { PURCHASE, CLICK, PAGE_VIEW, CART_ADD, TYPES };

static const rvm_field_t attributes[ATTRIBUTES] = {
    [COUNTRY] = {"country", RVM_STRING, 0},
    [AGE] = {"age", RVM_INT, 0},
    [LTV] = {"ltv", RVM_DECIMAL, 2},
    [WEIGHT] = {"weight", RVM_DOUBLE, 0},
    [VIP] = {"vip", RVM_BOOL, 0},
    [BIRTHDAY] = {"birthday", RVM_DATE, 0},
    [SIGNED_UP] = {"signed_up_at", RVM_TIME, 0},
    [INTERESTS] = {"interests", RVM_SET, 0},
    [COMPANY] = {"employer", RVM_COMPANY, 0},
    [BIG] = {"big", RVM_INT, 0},
};
static const rvm_field_t company_attributes[] = {{"name", RVM_STRING, 0}, {"employees", RVM_INT, 0}};
static const rvm_field_t properties[PROPERTIES] = {
    [VALUE] = {"value", RVM_DECIMAL, 2}, [TOPIC] = {"topic", RVM_STRING, 0}, [N] = {"n", RVM_INT, 0},
    [W] = {"w", RVM_DOUBLE, 0},          [FLAG] = {"flag", RVM_BOOL, 0},     [WHEN] = {"when", RVM_TIME, 0},
};
static const rvm_event_type_t types[TYPES] = {[PURCHASE] = {"purchase", 63},
                                              [CLICK] = {"email_click", 63},
                                              [PAGE_VIEW] = {"page_view", 63},
                                              [CART_ADD] = {"cart_add", 63}};
static const rvm_group_t groups[] = {{"engaged", 1 << CLICK | 1 << PAGE_VIEW | 1 << PURCHASE}};
static const double one_points[TYPES] = {[PAGE_VIEW] = 1, [CART_ADD] = -3};
static const rvm_score_model_t models[] = {{"one", DAY_MS, one_points, 1 << PAGE_VIEW | 1 << CART_ADD}};

static const rvm_schema_t schema = {
    .contact_key = "contact",
    .company_key = "company",
    .event_id = "event",
    .attributes = attributes,
    .n_attributes = ATTRIBUTES,
    .created = SIGNED_UP,
    .company = COMPANY,
    .company_attributes = company_attributes,
    .n_company_attributes = 2,
    .properties = properties,
    .n_properties = PROPERTIES,
    .types = types,
    .n_types = TYPES,
    .groups = groups,
    .n_groups = 1,
    .models = models,
    .n_models = 1,
};

const rvm_schema_t *rvm_self_schema(void) {
    return &schema;
}

// ---- data ---------------------------------------------------------------------------------------------------------

static void add_contact(rvm_data_t *data, const char *key, const rvm_value_t *values) {
    rvm_arena_t *arena = data->arena;
    bool *given = rvm_alloc(arena, ATTRIBUTES * sizeof *given);
    rvm_value_t *copy = rvm_alloc(arena, ATTRIBUTES * sizeof *copy);
    memcpy(copy, values, ATTRIBUTES * sizeof *copy);
    for (int i = 0; i < ATTRIBUTES; i++) {
        given[i] = values[i].type != RVM_MISSING;
    }
    rvm_row_t row = {.key = key, .given = given, .values = copy};
    rvm_upsert_contact(data, &row);
}

static void add_contacts(rvm_data_t *data) {
    static const char *const xy[] = {"y", "x", "y"};
    const rvm_value_t a[ATTRIBUTES] = {[COUNTRY] = rvm_string("DE"),
                                       [AGE] = rvm_int(30),
                                       [LTV] = rvm_decimal(1050, 2),
                                       [WEIGHT] = rvm_double(0.1),
                                       [VIP] = rvm_bool(true),
                                       [BIRTHDAY] = rvm_date(7456),    // 1990-06-01
                                       [SIGNED_UP] = rvm_time(D(152)), // 2024-01-01
                                       [INTERESTS] = rvm_set(data->arena, xy, 3),
                                       [COMPANY] = rvm_string("acme"),
                                       [BIG] = rvm_int(INT64_MAX / 2)};
    const rvm_value_t b[ATTRIBUTES] = {
        [AGE] = rvm_int(41),     [LTV] = rvm_decimal(0, 2),    [WEIGHT] = rvm_double(0.5),
        [VIP] = rvm_bool(false), [SIGNED_UP] = rvm_time(T_MS), [BIG] = rvm_int(-7)};
    const rvm_value_t c[ATTRIBUTES] = {[COUNTRY] = rvm_string("FR"),
                                       [WEIGHT] = rvm_double(-2.5),
                                       [BIRTHDAY] = rvm_date(4),
                                       [INTERESTS] = rvm_set(data->arena, NULL, 0),
                                       [COMPANY] = rvm_string("ghost")};
    const rvm_value_t d[ATTRIBUTES] = {[COUNTRY] = rvm_string("DE"), [SIGNED_UP] = rvm_time(T_MS + 1)};
    add_contact(data, "a", a);
    add_contact(data, "c", c);
    add_contact(data, "b", b);
    add_contact(data, "d", d);
    const bool given[2] = {true, true};
    const rvm_value_t acme[2] = {rvm_string("Acme"), rvm_int(1000)};
    rvm_row_t row = {.key = "acme", .given = given, .values = acme};
    rvm_upsert_company(data, &row);
}

rvm_event_t rvm_self_event(rvm_arena_t *arena, const char *contact, const char *type, int64_t at, const char *id) {
    rvm_event_t event = {.contact = contact, .at = at, .source = "", .id = id};
    event.properties = rvm_alloc(arena, PROPERTIES * sizeof(rvm_value_t));
    for (int i = 0; i < TYPES; i++) {
        event.type = strcmp(types[i].name, type) == 0 ? i : event.type;
    }
    return event;
}

static void add_event(rvm_data_t *data, rvm_event_t event, const char *channel, const rvm_value_t *values) {
    rvm_value_t *copy = rvm_alloc(data->arena, PROPERTIES * sizeof *copy);
    memcpy(copy, values, PROPERTIES * sizeof *copy);
    event.channel = channel;
    event.properties = copy;
    rvm_append(data, &event);
}

static void add_events(rvm_data_t *data) {
    rvm_arena_t *m = data->arena;
    const rvm_value_t none[PROPERTIES] = {{.type = RVM_MISSING}};
    const rvm_value_t p1[PROPERTIES] = {[VALUE] = rvm_decimal(10000, 2), [TOPIC] = rvm_string("t1")};
    const rvm_value_t p2[PROPERTIES] = {[VALUE] = rvm_decimal(5025, 2), [WHEN] = rvm_time(D(4))};
    const rvm_value_t p3[PROPERTIES] = {[VALUE] = rvm_decimal(1, 2)};
    const rvm_value_t cart[PROPERTIES] = {[VALUE] = rvm_decimal(2000, 2)};
    const rvm_value_t v1[PROPERTIES] = {
        [TOPIC] = rvm_string("t2"), [N] = rvm_int(INT64_MAX / 2), [FLAG] = rvm_bool(true), [W] = rvm_double(0.1)};
    const rvm_value_t v2[PROPERTIES] = {
        [TOPIC] = rvm_string("t1"), [N] = rvm_int(INT64_MAX / 2), [FLAG] = rvm_bool(false), [W] = rvm_double(0.2)};
    const rvm_value_t v3[PROPERTIES] = {
        [TOPIC] = rvm_string("t2"), [N] = rvm_int(INT64_MAX / 2), [W] = rvm_double(0.3)};
    rvm_event_t tie = rvm_self_event(m, "a", "email_click", D(10), "a");
    tie.source = "s";
    add_event(data, tie, "sms", none); // a: three events at the same time
    add_event(data, rvm_self_event(m, "a", "purchase", T_MS, "p3"), NULL, p3);
    add_event(data, rvm_self_event(m, "a", "purchase", D(10), "p1"), "web", p1);
    add_event(data, rvm_self_event(m, "a", "email_click", D(10), "c1"), "email", none);
    add_event(data, rvm_self_event(m, "a", "purchase", D(5), "p2"), "web", p2);
    add_event(data, rvm_self_event(m, "a", "cart_add", D(5) + 3600000, ""), NULL, cart);
    add_event(data, rvm_self_event(m, "a", "page_view", T_MS + 1, "v9"), NULL, none); // later than T
    add_event(data, rvm_self_event(m, "b", "email_click", D(30), "c2"), "email", none);
    add_event(data, rvm_self_event(m, "b", "page_view", D(1), "v2"), "web", v2);
    add_event(data, rvm_self_event(m, "b", "page_view", D(2), "v1"), "web", v1);
    add_event(data, rvm_self_event(m, "b", "page_view", D(1) + 43200000, "v3"), NULL, v3);
    add_event(data, rvm_self_event(m, "e", "purchase", D(3), ""), NULL, none); // a contact without attributes
}

rvm_world_t rvm_self_world(rvm_arena_t *arena) {
    static const rvm_segment_t segments[] = {
        {"vips", "vip"},  {"buyers", "exists(purchase)"},  {"both", "segment('vips') and segment('buyers')"},
        {"everyone", ""}, {"loop", "not segment('pool')"}, {"pool", "segment('loop')"}};
    static rvm_value_t countries[2], one[1], long_ago[1], month[1], name[1];
    static const rvm_param_t params[] = {{"countries", true, 2, countries}, {"one", false, 1, one},
                                         {"long_ago", false, 1, long_ago},  {"thirty", false, 1, month},
                                         {"none", true, 0, NULL},           {"name", false, 1, name}};
    countries[0] = rvm_string("DE");
    countries[1] = rvm_string("US");
    one[0] = rvm_int(1);
    long_ago[0] = rvm_time(D(10));
    month[0] = rvm_duration(30 * DAY_MS);
    name[0] = rvm_string("vips");
    rvm_data_t *data = rvm_data_new(arena, &schema);
    add_contacts(data);
    add_events(data);
    return (rvm_world_t){
        .data = data, .segments = segments, .n_segments = 6, .params = params, .n_params = 6, .as_of = T_MS};
}
