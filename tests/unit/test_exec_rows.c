/* test_exec_rows.c: values and conditions of contacts, one contact a case, by hand. */
#include "exec_case.h"

static fake_row_t rows[5], companies[3];

/* a: everything; b: nothing; c: other values; d: erased; e: extremes. */
static int begin(void **state) {
    exec_begin(*state ? 2 : 64);
    memset(rows, 0, sizeof rows);
    memset(companies, 0, sizeof companies);
    rows[0] = (fake_row_t){.key = "a"};
    rows[0].values[COUNTRY] = fake_text("DE");
    rows[0].values[AGE] = an_int(30);
    rows[0].values[LTV] = a_decimal(12345);
    rows[0].values[WEIGHT] = a_double(0.1);
    rows[0].values[CONSENT] = an_int(1);
    rows[0].values[SIGNED_UP] = an_int(NOW - 10 * DAY + 3600000);
    rows[0].values[BIRTHDAY] = an_int(59); /* 1970-03-01 */
    rows[0].values[COMPANY] = an_int(1);
    rows[0].values[CODE] = fake_text("Ünïcode");
    rows[1] = (fake_row_t){.key = "b"};
    rows[2] = (fake_row_t){.key = "c"};
    rows[2].values[COUNTRY] = fake_text("FR");
    rows[2].values[AGE] = an_int(-7);
    rows[2].values[LTV] = a_decimal(-50);
    rows[2].values[WEIGHT] = a_double(-2.5);
    rows[2].values[CONSENT] = an_int(0);
    rows[2].values[SIGNED_UP] = an_int(NOW);
    rows[2].values[BIRTHDAY] = an_int(-1);
    rows[2].values[COMPANY] = an_int(2);
    rows[2].values[CODE] = fake_text("");
    rows[3] = (fake_row_t){.key = "d", .dead = true};
    rows[3].values[AGE] = an_int(INT64_MAX);
    rows[4] = (fake_row_t){.key = "e"};
    rows[4].values[COUNTRY] = fake_text("US");
    rows[4].values[AGE] = an_int(9007199254740993);
    rows[4].values[LTV] = a_decimal((rv_i128_t)INT64_MAX * 1000);
    rows[4].values[WEIGHT] = a_double(1e300);
    rows[4].values[CODE] = fake_text("x%y");
    companies[0] = (fake_row_t){.key = "acme"};
    companies[0].values[INDUSTRY] = fake_text("toys");
    companies[1] = (fake_row_t){.key = "beta"};
    companies[1].values[INDUSTRY] = fake_text("software");
    companies[1].values[EMPLOYEES] = an_int(1000);
    companies[2] = (fake_row_t){.key = "core"};
    view.rows = rows;
    view.n_rows = 5;
    view.companies = companies;
    view.n_companies = 3;
    return 0;
}

static int end(void **state) {
    (void)state;
    exec_end();
    return 0;
}

static void attributes_are_read_as_they_are(void **state) {
    (void)state;
    expect("contact, country, age, ltv, weight", "a,DE,30,123.45,0.1;b,-,-,-,-;c,FR,-7,-0.50,-2.5;"
                                                 "e,US,9007199254740993,92233720368547758070.00,1e+300");
    expect("consents, signed_up, birthday, company, code",
           "true,1727139600000,59,beta,Ünïcode;-,-,-,-,-;false,1728000000000,-1,core,;-,-,-,-,x%y");
    expect("company.industry, company.employees", "software,1000;-,-;-,-;-,-");
}

static void a_test_with_a_missing_operand_is_false(void **state) {
    (void)state;
    expect_in("country = 'DE'", "a");
    expect_in("country != 'DE'", "c;e");
    expect_in("not (country = 'DE')", "b;c;e");
    expect_in("country in ('DE', 'US')", "a;e");
    expect_in("country not in ('DE', 'US')", "c");
    expect_in("age between 0 and 100", "a");
    expect_in("age not between 0 and 100", "c;e");
    expect_in("consents", "a");
    expect_in("not consents", "b;c;e");
    expect_in("consents = false", "c");
    expect_in("not (consents or age < 0)", "b;e");
    expect_in("consents or age < 0 or ltv < 0", "a;c");
    expect_in("not (company.employees >= 1000)", "b;c;e");
    expect_in("not (company.employees >= 1000 or age < 0)", "b;e");
    expect_in("country is set", "a;c;e");
    expect_in("country is unset", "b");
    expect_in("weight is set and age is set", "a;c;e");
}

static void numbers_compare_exactly_across_kinds(void **state) {
    (void)state;
    expect_in("ltv > 123.449999", "a;e");
    expect_in("ltv >= 123.4500001", "e");
    expect_in("ltv = 123.450", "a");
    expect_in("ltv != 123.4501", "a;c;e");
    expect_in("ltv < -0.4999", "c");
    expect_in("age > 9007199254740992.5", "e");
    expect_in("age = 9007199254740992.5", "");
    expect_in("age < 29.5", "c");
    expect_in("weight > 0.1", "a;e"); /* the double nearest to 0.1 is above it */
    expect_in("weight = 0.1", "");
    expect_in("weight <= 0.100000000000000005551115123125782703", "a;c");
    expect_in("weight <= 0.100000000000000005551115123125782702", "c");
    expect_in("weight < ltv", "a;c");
    expect_in("age < weight", "c;e");
    expect_in("age >= ltv", "");
    expect_in("30 = age", "a");
    expect_in("29.5 < age", "a;e");
    expect_in("age in (30, -7.0, 8.5)", "a;c");
    expect_in("ltv in (123.45, 7)", "a");
    expect_in("weight in (-2.5, 0.1)", "c");
    expect_in("ltv > 99999999999999999999999999999999999", "");
    expect_in("age > -99999999999999999999999999999999999", "a;c;e");
}

static void arithmetic_is_exact_and_missing_spreads(void **state) {
    (void)state;
    expect("coalesce(age, 0) + 1", "31;1;-6;9007199254740994");
    expect("age * 2 - 1", "59;-;-15;18014398509481985");
    expect("ltv + 0.001", "123.451;-;-0.499;92233720368547758070.001");
    expect("ltv * 0.5", "61.725;-;-0.250;46116860184273879035.000");
    expect("ltv + age", "153.45;-;-7.50;92242727567802499063.00");
    expect("age / 4", "7.5;-;-1.75;2251799813685248");
    expect("ltv / 3", "41.15;-;-0.16666666666666666;3.0744573456182587e+19");
    expect("age / (age - age)", "-;-;-;-");
    expect("age / 0", "-;-;-;-");
    expect("-ltv, -age, -weight", "-123.45,-30,-0.1;-,-,-;0.50,7,2.5;"
                                  "-92233720368547758070.00,-9007199254740993,-1e+300");
    expect("abs(ltv), abs(age), abs(weight)", "123.45,30,0.1;-,-,-;0.50,7,2.5;"
                                              "92233720368547758070.00,9007199254740993,1e+300");
    expect("weight + age", "30.1;-;-9.5;1e+300");
}

static void arithmetic_that_overflows_fails_the_request(void **state) {
    (void)state;
    expect("age * 1000", "30000;-;-7000;9007199254740993000");
    expect_overflow("", "age * 10000");
    expect_overflow("country = 'DE'", "age * 10000"); /* whatever the filter: layout never decides */
    expect_overflow("country = 'DE' and age * 10000 > 0", "contact");
    rows[4].dead = true; /* who is not in the population decides nothing */
    expect("age * 10000", "300000;-;-70000");
    expect_in("age * 10000 > 0", "a");
    rows[4].dead = false;
    expect_overflow("", "floor(weight)");
    expect_overflow("", "round(ltv)");
    expect_overflow("", "ltv * 1000000000000000000 * 1000");
}

static void rounding_goes_where_it_should(void **state) {
    (void)state;
    rows[4].dead = true;
    rows[2].values[LTV] = a_decimal(-250);
    expect("round(ltv), floor(ltv)", "123,123;-,-;-3,-3");
    rows[0].values[LTV] = a_decimal(12350);
    expect("round(ltv), floor(ltv)", "124,123;-,-;-3,-3");
    expect("round(weight), floor(weight)", "0,0;-,-;-3,-3");
}

static void text_is_tested_bytewise(void **state) {
    (void)state;
    expect_in("code contains 'code'", "a");
    expect_in("code not contains 'code'", "c;e");
    expect_in("code starts with 'Ü'", "a");
    expect_in("code ends with ''", "a;c;e");
    expect_in("code like '_n_code'", "a");
    expect_in("code like 'x%'", "e");
    expect_in("code not like '%'", "");
    expect_in("country < 'FR'", "a");
    expect_in("country >= 'FR'", "c;e");
    expect_in("'FR' > country", "a");
    expect_in("country <= 'E' or country > 'Z'", "a");
    expect("lower(code), upper(country), length(code)", "ünïcode,DE,7;-,-,-;,FR,0;x%y,US,3");
    expect_in("lower(country) = 'us'", "e");
    expect_in("lower(company.industry) = upper('software')", "");
    expect_in("upper(company.industry) = upper('software')", "a");
    expect("coalesce(country, code, 'none')", "DE;none;FR;US");
    expect_in("coalesce(consents, true)", "a;b;e");
}

static void times_and_dates_have_parts(void **state) {
    (void)state;
    expect("day(signed_up)", "24;-;4;-");
    expect("day(birthday)", "1;-;31;-");
    expect("now - signed_up", "860400000;-;0;-");
    expect_in("signed_up > birthday", "a;c");
    expect_in("signed_up <= 10 days ago", "");
    expect_in("signed_up < 9 days ago", "a");
    expect_in("now - signed_up > 9 days", "a");
}

static void buckets_count_the_edges_reached(void **state) {
    (void)state;
    expect("bucket(age, -7, 0, 30, 31)", "3;-;1;4");
    expect("bucket(age, -7.5, 29.5, 30.5)", "2;-;1;3");
    expect("bucket(ltv, -0.5, 0, 123.45, 123.451)", "3;-;1;4");
    expect("bucket(weight, -2.5, 0.1, 7)", "2;-;1;3");
}

static void companies_are_joined_by_row(void **state) {
    (void)state;
    expect_in("company.industry = 'software' and company.employees >= 1000", "a");
    expect_in("company.industry is unset", "b;c;e");
    expect_in("company = 'core'", "c");
    expect_in("company in ('core', 'beta')", "a;c");
}

/* So few rows for so many companies that only those of the rows are asked. */
static void few_rows_ask_their_companies_only(void **state) {
    (void)state;
    static fake_row_t many[200];
    for (uint32_t i = 0; i < 200; i++)
        many[i] = i < 3 ? companies[i] : (fake_row_t){.key = "other"};
    many[150].values[INDUSTRY] = fake_text("toys");
    many[150].values[EMPLOYEES] = an_int(5);
    rows[4].values[COMPANY] = an_int(150);
    view.companies = many;
    view.n_companies = 200;
    expect_in("company.industry = 'software' and company.employees >= 1000", "a");
    expect_in("company.employees < 1000", "e");
    expect_in("company.employees != 1000", "e");
    expect_in("not (company.industry = 'toys')", "a;b;c");
    expect_in("company.employees is unset", "b;c");
}

#define MANY 300u
#define EMPLOYERS 150u

static bool in_software(const fake_row_t *company) {
    return company && company->values[INDUSTRY].present && company->values[INDUSTRY].s.n == 8;
}

static bool is_large(const fake_row_t *company) {
    return company && company->values[EMPLOYEES].present && company->values[EMPLOYEES].i >= 75;
}

static bool not_80(const fake_row_t *company) {
    return company && company->values[EMPLOYEES].present && company->values[EMPLOYEES].i != 80;
}

/* Codes of all widths, contacts and companies of several chunks, values that are missing on either side. */
static void answers_of_companies_reach_their_contacts(void **state) {
    (void)state;
    static fake_row_t contacts[MANY], many[EMPLOYERS];
    static char keys[MANY][8];
    memset(contacts, 0, sizeof contacts);
    memset(many, 0, sizeof many);
    for (uint32_t i = 0; i < EMPLOYERS; i++) {
        many[i].key = "other";
        many[i].values[INDUSTRY] = fake_text(i % 5 == 0 ? NULL : i % 3 ? "toys" : "software");
        many[i].values[EMPLOYEES] = i % 7 ? an_int(i) : (rv_value_t){0};
    }
    for (uint32_t i = 0; i < MANY; i++) {
        snprintf(keys[i], sizeof keys[i], "k%03u", i);
        contacts[i].key = keys[i];
        contacts[i].values[COMPANY] = i % 4 == 1 ? (rv_value_t){0} : an_int(5 + i * 37 % 145);
    }
    view.rows = contacts;
    view.n_rows = MANY;
    view.companies = many;
    view.n_companies = EMPLOYERS;
    static const char *const filters[] = {
        "company.industry = 'software'",
        "not (company.industry = 'software')",
        "company.employees >= 75",
        "not (company.employees >= 75)",
        "company.employees != 80",
        "company.industry = 'software' and company.employees >= 75",
        "company.industry = 'software' or not (company.employees >= 75)",
    };
    for (unsigned k = 0; k < 12 * sizeof filters / sizeof *filters; k++) {
        char wanted[MANY * 5 + 1] = "";
        size_t at = 0;
        unsigned f = k / 12;
        view.variation = k % 12;
        for (uint32_t i = 0; i < MANY; i++) {
            const fake_row_t *c = contacts[i].values[COMPANY].present ? &many[contacts[i].values[COMPANY].i] : NULL;
            bool software = in_software(c), large = is_large(c);
            const bool in[] = {software, !software, large, !large, not_80(c), software && large, software || !large};
            if (in[f])
                at += (size_t)snprintf(wanted + at, sizeof wanted - at, "%s%s", at ? ";" : "", keys[i]);
        }
        expect_in(filters[f], wanted);
    }
}

static void split_depends_on_the_key_only(void **state) {
    (void)state;
    char first[64];
    snprintf(first, sizeof first, "%s", exec_select("", "split('salt', 100)", NULL, 0, RV_OK));
    rows[0].values[AGE] = an_int(31);
    expect("split('salt', 100)", first);
    assert_string_not_equal(exec_select("", "split('pepper', 100)", NULL, 0, RV_OK), first);
}

static void rows_come_in_their_order(void **state) {
    (void)state;
    assert_string_equal(exec_select("", "contact", "age", 0, RV_OK), "c;a;e;b");
    assert_string_equal(exec_select("", "contact", "age desc", 0, RV_OK), "e;a;c;b");
    assert_string_equal(exec_select("", "contact", "ltv desc", 2, RV_OK), "e;a");
    assert_string_equal(exec_select("", "contact", "country desc", 3, RV_OK), "e;c;a");
    assert_string_equal(exec_select("", "contact", "weight, contact desc", 1, RV_OK), "c");
    assert_string_equal(exec_select("", "contact, age", "consents desc, age desc", 0, RV_OK),
                        "a,30;c,-7;e,9007199254740993;b,-");
    assert_string_equal(exec_select("age > 1000000", "contact", NULL, 10, RV_OK), "e");
}

static void the_ends_of_a_column_decide_no_more_than_they_should(void **state) {
    (void)state;
    for (uint32_t i = 0; i < 5; i++) {
        rows[i].dead = false;
        rows[i].values[AGE] = an_int(5 + i);
        rows[i].values[LTV] = a_decimal(100 * (5 + i));
    }
    static const struct {
        const char *test, *in;
    } cases[] = {
        {"%s < 5", ""},
        {"%s < 6", "a"},
        {"%s < 10", "a;b;c;d;e"},
        {"%s < 9", "a;b;c;d"},
        {"%s <= 4", ""},
        {"%s <= 5", "a"},
        {"%s <= 9", "a;b;c;d;e"},
        {"%s <= 8", "a;b;c;d"},
        {"%s > 9", ""},
        {"%s > 8", "e"},
        {"%s > 4", "a;b;c;d;e"},
        {"%s > 5", "b;c;d;e"},
        {"%s >= 10", ""},
        {"%s >= 9", "e"},
        {"%s >= 5", "a;b;c;d;e"},
        {"%s >= 6", "b;c;d;e"},
        {"%s = 4", ""},
        {"%s = 5", "a"},
        {"%s = 9", "e"},
        {"%s = 10", ""},
        {"%s != 4", "a;b;c;d;e"},
        {"%s != 5", "b;c;d;e"},
        {"%s != 9", "a;b;c;d"},
        {"%s != 5.5", "a;b;c;d;e"},
        {"5 < %s", "b;c;d;e"},
        {"5 <= %s", "a;b;c;d;e"},
        {"9 > %s", "a;b;c;d"},
        {"9 >= %s", "a;b;c;d;e"},
        {"%s between 5 and 9", "a;b;c;d;e"},
        {"%s between 6 and 9", "b;c;d;e"},
        {"not (%s >= 6)", "a"},
        {"not (%s != 9)", "e"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        char text[64];
        snprintf(text, sizeof text, cases[i].test, "age");
        expect_in(text, cases[i].in);
        snprintf(text, sizeof text, cases[i].test, "ltv");
        expect_in(text, cases[i].in);
    }
}

#define ROW_TEST(name)                                                                                                 \
    {#name, name, begin, end, NULL}, {                                                                                 \
#name " in chunks of 2", name, begin, end, (void *)1                                                           \
    }

int main(void) {
    const struct CMUnitTest tests[] = {
        ROW_TEST(attributes_are_read_as_they_are),
        ROW_TEST(a_test_with_a_missing_operand_is_false),
        ROW_TEST(numbers_compare_exactly_across_kinds),
        ROW_TEST(arithmetic_is_exact_and_missing_spreads),
        ROW_TEST(arithmetic_that_overflows_fails_the_request),
        ROW_TEST(rounding_goes_where_it_should),
        ROW_TEST(text_is_tested_bytewise),
        ROW_TEST(times_and_dates_have_parts),
        ROW_TEST(buckets_count_the_edges_reached),
        ROW_TEST(companies_are_joined_by_row),
        ROW_TEST(few_rows_ask_their_companies_only),
        ROW_TEST(answers_of_companies_reach_their_contacts),
        ROW_TEST(the_ends_of_a_column_decide_no_more_than_they_should),
        ROW_TEST(split_depends_on_the_key_only),
        ROW_TEST(rows_come_in_their_order),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
