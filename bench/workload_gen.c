/* workload_gen: writes companies.csv, contacts.csv and events.csv for the segmentation benchmark.
 *
 *   workload_gen OUT_DIR CONTACTS [SEED [EVENTS_PER_CONTACT]]
 *
 * Deterministic: the same arguments give the same bytes, whatever the compiler, so every random draw is a statement of
 * its own. Events come in time order, as a log does, so neighbouring lines belong to unrelated contacts. A contact
 * engages at its own rate from its sign-up until it drops out (some never engage, some never drop out); e-mails keep
 * being sent to it until it hard-bounces or unsubscribes. "Now" is 2026-11-01T00:00:00Z.
 *
 * One thread; all events are held in memory (24 bytes each) until they are sorted. Any failure ends the program with a
 * message and status 1.
 */
#include <math.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define NOW 1793491200u /* 2026-11-01T00:00:00Z */
#define DAY 86400u
#define SPAN_DAYS 1460u /* sign-ups reach four years back */
#define TOPICS 500u
#define N(a) ((uint32_t)(sizeof(a) / sizeof((a)[0])))

static uint64_t rng_state;

static uint64_t rng_next(void) {
    uint64_t z = (rng_state += 0x9e3779b97f4a7c15ull);
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9ull;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebull;
    return z ^ (z >> 31);
}

static double uniform(void) {
    return (double)(rng_next() >> 11) * 0x1.0p-53;
}

static uint32_t below(uint32_t n) {
    return (uint32_t)(uniform() * n);
}

static double exponential(double mean) {
    return -mean * log(1.0 - uniform());
}

static double normal(void) {
    double radius = uniform(), angle = uniform(); /* in this order: the bytes of the workload depend on it */
    return sqrt(-2 * log(1.0 - radius)) * cos(6.283185307179586 * angle);
}

/* An index in 0..n-1, skewed to the small ones. */
static uint32_t skewed(uint32_t n, double power) {
    return (uint32_t)(n * pow(uniform(), power));
}

static const char *const COUNTRIES[] = {"US", "DE", "GB", "FR", "CN", "JP", "BR", "IN", "ES", "IT",
                                        "CA", "AU", "MX", "NL", "KR", "TW", "MY", "PL", "SE", "CH",
                                        "AT", "BE", "DK", "NO", "FI", "PT", "IE", "CZ", "SG", "ID",
                                        "TH", "VN", "PH", "TR", "ZA", "AR", "CL", "CO", "PE", "NZ"};
static const char *const LANGUAGES[] = {"en", "de", "fr", "zh", "ja", "pt", "es", "it", "nl", "ko", "ms", "pl", "sv"};
static const char *const DEPARTMENTS[] = {"marketing", "sales",   "engineering", "finance", "operations",
                                          "hr",        "support", "legal",       "it",      "product"};
static const char *const SENIORITIES[] = {"junior", "senior", "manager", "director", "vp", "c_level"};
static const char *const STAGES[] = {"subscriber",  "lead",     "mql",        "sql",
                                     "opportunity", "customer", "evangelist", "former"};
static const char *const SOURCES[] = {"organic", "paid_search", "social", "referral",
                                      "event",   "partner",     "store",  "import"};
static const char *const PERSONAS[] = {"gamer", "parent", "student", "professional", "it_admin", "founder"};
static const char *const OPPORTUNITIES[] = {"", "discovery", "proposal", "negotiation", "won", "lost"};
static const char *const INDUSTRIES[] = {"software", "manufacturing", "retail", "real_estate", "automotive", "food",
                                         "travel",   "finance",       "health", "education",   "apparel",    "energy"};
static const char *const REGIONS[] = {"emea", "apac", "namer", "latam"};

enum type {
    EMAIL_SENT,
    EMAIL_OPEN,
    EMAIL_CLICK,
    BOUNCE_HARD,
    BOUNCE_SOFT,
    UNSUBSCRIBE,
    COMPLAINT,
    PAGE_VIEW,
    SEARCH,
    DOWNLOAD,
    FORM_SUBMIT,
    CART_ADD,
    PURCHASE,
    STORE_VISIT,
    SMS_CLICK,
    SOCIAL,
    SALES_CALL,
    NPS,
    TYPES
};
static const char *const TYPE_NAMES[TYPES] = {"email_sent",  "email_open", "email_click", "bounce_hard", "bounce_soft",
                                              "unsubscribe", "complaint",  "page_view",   "search",      "download",
                                              "form_submit", "cart_add",   "purchase",    "store_visit", "sms_click",
                                              "social",      "sales_call", "nps"};
enum channel { EMAIL, WEB, STORE, MOBILE, SOCIAL_CHANNEL, PHONE };
static const char *const CHANNEL_NAMES[] = {"email", "web", "store", "mobile", "social", "phone"};

struct event {
    uint32_t at, contact;
    uint16_t topic;
    uint8_t type, channel;
    float value;
};
static struct event *events;
static size_t n_events, cap_events;

static void die(const char *what) {
    perror(what);
    exit(1);
}

static void add(uint32_t contact, double at, enum type type, enum channel channel, uint32_t topic, double value) {
    if (at >= NOW)
        return;
    if (n_events == cap_events) {
        cap_events = cap_events ? cap_events * 2 : 1 << 20;
        events = realloc(events, cap_events * sizeof *events);
        if (!events)
            die("realloc");
    }
    events[n_events++] =
        (struct event){(uint32_t)at, contact, (uint16_t)topic, (uint8_t)type, (uint8_t)channel, (float)value};
}

/* Stable radix sort by time. */
static void sort_by_time(void) {
    struct event *spare = malloc(n_events * sizeof *spare + 1);
    if (!spare)
        die("malloc");
    for (int shift = 0; shift < 32; shift += 11) {
        size_t count[2049] = {0};
        for (size_t i = 0; i < n_events; i++)
            count[((events[i].at >> shift) & 2047) + 1]++;
        for (int b = 0; b < 2048; b++)
            count[b + 1] += count[b];
        for (size_t i = 0; i < n_events; i++)
            spare[count[(events[i].at >> shift) & 2047]++] = events[i];
        struct event *t = events;
        events = spare;
        spare = t;
    }
    free(spare);
}

static FILE *create(const char *dir, const char *name) {
    char path[4096];
    snprintf(path, sizeof path, "%s/%s", dir, name);
    FILE *f = fopen(path, "w");
    if (!f)
        die(path);
    setvbuf(f, NULL, _IOFBF, 1 << 20);
    return f;
}

/* A full disk must not leave a short file that looks whole. */
static void finish(FILE *f, const char *name) {
    if (ferror(f) || fclose(f))
        die(name);
}

static void put_time(char out[24], uint32_t at) {
    static uint32_t day = 0;
    static char date[12];
    if (at / DAY != day) {
        day = at / DAY;
        time_t t = (time_t)day * DAY;
        struct tm tm;
        gmtime_r(&t, &tm);
        strftime(date, sizeof date, "%Y-%m-%d", &tm);
    }
    uint32_t s = at % DAY;
    memcpy(out, date, 10);
    snprintf(out + 10, 14, "T%02u:%02u:%02uZ", s / 3600 % 24, s / 60 % 60, s % 60);
}

static void write_companies(const char *dir, uint32_t n) {
    FILE *f = create(dir, "companies.csv");
    fprintf(f, "company,name,industry,region,employees,website\n");
    for (uint32_t i = 0; i < n; i++) {
        uint32_t employees = (uint32_t)exp(2 + 2.2 * fabs(normal()));
        const char *region = REGIONS[below(N(REGIONS))];
        const char *industry = INDUSTRIES[skewed(N(INDUSTRIES), 1.5)];
        fprintf(f, "co%07u,Company %u,%s,%s,%u,https://co%u.example\n", i, i, industry, region, employees, i);
    }
    finish(f, "companies.csv");
}

static void write_contact(FILE *f, uint32_t i, uint32_t companies, uint32_t signup, uint32_t stage) {
    uint32_t language = skewed(N(LANGUAGES), 2.0), country = skewed(N(COUNTRIES), 2.0);
    uint32_t last = below(20000), first = below(5000);
    fprintf(f, "c%08u,user%u@mail%u.example,First%u,Last%u,%s,%s,", i, i, i % 997, first, last, COUNTRIES[country],
            LANGUAGES[language]);
    if (uniform() < 0.7)
        fprintf(f, "co%07u", skewed(companies, 1.3));
    const char *opportunity = stage >= 3 ? OPPORTUNITIES[below(N(OPPORTUNITIES))] : "";
    const char *persona = PERSONAS[below(N(PERSONAS))], *source = SOURCES[below(N(SOURCES))];
    const char *seniority = SENIORITIES[skewed(N(SENIORITIES), 1.7)], *department = DEPARTMENTS[below(N(DEPARTMENTS))];
    fprintf(f, ",%s,%s,%s,%s,%s,%s,", department, seniority, STAGES[stage], source, persona, opportunity);
    if (stage >= 2)
        fprintf(f, "rep%03u", skewed(500, 1.5));
    fprintf(f, ",");
    if (uniform() < 0.8)
        fprintf(f, "%u", 18 + (uint32_t)(60 * pow(uniform(), 1.3)));
    uint32_t tier = below(4);
    bool sms = uniform() < 0.35, email = uniform() < 0.85;
    char when[24];
    put_time(when, signup);
    fprintf(f, ",%s,%d,%d,%u\n", when, email, sms, tier);
}

/* What makes one contact behave as it does. */
struct person {
    uint32_t number;
    uint32_t favourite[3]; /* topics */
    double signup, dropout;
    double intensity; /* mean about 1 */
    bool never;       /* engages never */
};

static uint32_t pick_topic(const struct person *p, double loyalty) {
    return uniform() < loyalty ? p->favourite[below(3)] : skewed(TOPICS, 2.0);
}

/* What follows an e-mail that arrived. */
static void answer_email(const struct person *p, double sent, uint32_t topic) {
    double opened = sent + exponential(6 * 3600.0);
    add(p->number, opened, EMAIL_OPEN, EMAIL, topic, 0);
    if (uniform() < 0.22) {
        add(p->number, opened + 20, EMAIL_CLICK, EMAIL, topic, 0);
        add(p->number, opened + 22, PAGE_VIEW, WEB, topic, 0);
    }
}

/* E-mails: at 83 events a contact about one in 9 days. Returns the instant of a hard bounce, or NOW. */
static double send_emails(const struct person *p, double per_contact) {
    double gap = 9.0 * DAY * 83 / per_contact;
    for (double t = p->signup + exponential(gap); t < NOW; t += exponential(gap * (t > p->dropout ? 2.2 : 1.0))) {
        uint32_t topic = pick_topic(p, 0.5);
        add(p->number, t, EMAIL_SENT, EMAIL, topic, 0);
        double u = uniform();
        if (u < 0.0012) {
            add(p->number, t + 5, BOUNCE_HARD, EMAIL, topic, 0);
            exponential(gap); /* the loop's last draw, kept so that the bytes stay what they were */
            return t;
        }
        if (u < 0.018) {
            add(p->number, t + 30, BOUNCE_SOFT, EMAIL, topic, 0);
        } else if (u < 0.0198) {
            add(p->number, t + 900, u < 0.0195 ? UNSUBSCRIBE : COMPLAINT, EMAIL, topic, 0);
            exponential(gap);
            return NOW;
        } else if (!p->never && t < p->dropout && u < 0.25 + 0.1 * (p->intensity > 1)) {
            answer_email(p, t, topic);
        }
    }
    return NOW;
}

static double price(void) {
    return floor(100 * exp(3.2 + normal())) / 100;
}

/* One thing that a contact does of its own accord. */
static void act(const struct person *p, double t) {
    uint32_t i = p->number, topic = pick_topic(p, 0.6);
    double u = uniform();
    enum channel surf = uniform() < 0.3 ? MOBILE : WEB;
    if (u < 0.55) {
        add(i, t, PAGE_VIEW, surf, topic, 0);
    } else if (u < 0.63) {
        add(i, t, SEARCH, WEB, topic, 0);
    } else if (u < 0.68) {
        add(i, t, DOWNLOAD, WEB, topic, 0);
    } else if (u < 0.70) {
        add(i, t, FORM_SUBMIT, WEB, topic, 0);
    } else if (u < 0.78) {
        add(i, t, CART_ADD, surf, topic, 0);
        if (uniform() < 0.35)
            add(i, t + 600, PURCHASE, surf, topic, price());
    } else if (u < 0.84) {
        double value = price();
        add(i, t, PURCHASE, uniform() < 0.5 ? STORE : WEB, topic, value);
    } else if (u < 0.89) {
        add(i, t, STORE_VISIT, STORE, topic, 0);
    } else if (u < 0.93) {
        add(i, t, SMS_CLICK, MOBILE, topic, 0);
    } else if (u < 0.97) {
        add(i, t, SOCIAL, SOCIAL_CHANNEL, topic, 0);
    } else if (u < 0.99) {
        add(i, t, SALES_CALL, PHONE, topic, 0);
    } else {
        add(i, t, NPS, EMAIL, topic, below(11));
    }
}

static void live(uint32_t number, uint32_t signup, double per_contact) {
    struct person p = {.number = number, .signup = signup};
    for (int k = 0; k < 3; k++)
        p.favourite[k] = skewed(TOPICS, 2.0);
    p.intensity = exp(1.1 * normal() - 0.6);
    p.never = uniform() < 0.22;
    p.dropout = uniform() < 0.35 ? NOW : signup + exponential(300.0 * DAY);
    double gone = send_emails(&p, per_contact);
    double end = p.dropout < gone ? p.dropout : gone;
    if (p.never || NOW - signup < DAY)
        return;
    double gap = 14.0 * DAY / p.intensity * 83 / per_contact;
    for (double t = p.signup + exponential(gap); t < end && t < NOW; t += exponential(gap))
        act(&p, t);
}

static void write_contacts(const char *dir, uint32_t n, uint32_t companies, double per_contact) {
    FILE *f = create(dir, "contacts.csv");
    fprintf(
        f,
        "contact,email,first_name,last_name,country,language,company,department,seniority,lifecycle_stage,lead_source,"
        "persona,opportunity_stage,sales_rep,age,signed_up_at,email_consent,sms_consent,list_price_tier\n");
    for (uint32_t i = 0; i < n; i++) {
        uint32_t signup = NOW - (uint32_t)(SPAN_DAYS * DAY * pow(uniform(), 1.2)) - 1;
        uint32_t stage = skewed(N(STAGES), 1.4);
        write_contact(f, i, companies, signup, stage);
        live(i, signup, per_contact);
    }
    finish(f, "contacts.csv");
}

static void write_events(const char *dir) {
    sort_by_time();
    FILE *f = create(dir, "events.csv");
    fprintf(f, "event,contact,at,type,channel,topic,value\n");
    for (size_t i = 0; i < n_events; i++) {
        const struct event *e = &events[i];
        char when[24], value[32] = "";
        put_time(when, e->at);
        if (e->type == PURCHASE || e->type == NPS)
            snprintf(value, sizeof value, "%.*f", e->type == PURCHASE ? 2 : 0, (double)e->value);
        fprintf(f, "e%zu,c%08u,%s,%s,%s,topic%03u,%s\n", i, e->contact, when, TYPE_NAMES[e->type],
                CHANNEL_NAMES[e->channel], e->topic, value);
    }
    finish(f, "events.csv");
}

int main(int argc, char **argv) {
    if (argc < 3) {
        fprintf(stderr, "usage: workload_gen OUT_DIR CONTACTS [SEED [EVENTS_PER_CONTACT]]\n");
        return 2;
    }
    uint32_t n = (uint32_t)strtoul(argv[2], NULL, 10), companies = n / 40 + 1;
    rng_state = argc > 3 ? strtoull(argv[3], NULL, 10) : 1;
    double per_contact = argc > 4 ? strtod(argv[4], NULL) : 20;
    write_companies(argv[1], companies);
    write_contacts(argv[1], n, companies, per_contact);
    write_events(argv[1]);
    fprintf(stderr, "%u companies, %u contacts, %zu events\n", companies, n, n_events);
    free(events);
    return 0;
}
