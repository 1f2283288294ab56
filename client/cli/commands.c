/* commands.c: the table of commands: names, arguments, options, help. Rows without a function are verbs of later
 * versions. */
#include "commands.h"
#include "reveille/limits.h"

#define OPTIONS(table) (table), sizeof(table) / sizeof((table)[0])
#define NO_OPTIONS NULL, 0

static const rv_option_t UP[] = {
    {"data", RV_OPT_TEXT, false, "DIR", "where the cluster lives (./reveille-data)", 0, 0},
    {"workers", RV_OPT_NUMBER, false, "N", "worker processes (2; on existing data: as before)", 1, RV_MAX_WORKERS},
    {"partitions", RV_OPT_NUMBER, false, "P", "partitions, fixed when the cluster is created (64)", 1,
     RV_MAX_PARTITIONS},
    {"replicas", RV_OPT_NUMBER, false, "R", "copies of each partition; only 1 so far", 1, 64},
    {"chunk-rows", RV_OPT_NUMBER, false, "C", "rows of a chunk, a power of two, fixed at creation (65536)", 2, 65536},
    {"threads", RV_OPT_NUMBER, false, "T", "query threads of each worker (default: the processors divided among them)",
     1, 256},
    {"detach", RV_OPT_FLAG, false, NULL, "return when the cluster is ready", 0, 0},
};
static const rv_option_t DOWN[] = {
    {"data", RV_OPT_TEXT, false, "DIR", "where the cluster lives (./reveille-data)", 0, 0},
    {"force", RV_OPT_FLAG, false, NULL, "kill what does not stop within 30 seconds", 0, 0},
};
static const rv_option_t APPLY[] = {
    {"force", RV_OPT_FLAG, false, NULL, "allow removals, naming the segments and scores that break", 0, 0},
};
static const rv_option_t IMPORT[] = {
    {"map", RV_OPT_TEXT, true, "NAME=COLUMN", "take NAME of the schema from COLUMN of the file", 0, 0},
    {"ignore", RV_OPT_TEXT, true, "COLUMN", "leave a column of the file out", 0, 0},
    {"rejects", RV_OPT_TEXT, false, "FILE",
     "write rows that were not taken here, with line and reason; without it they make the exit status 1", 0, 0},
    {"tz", RV_OPT_TEXT, false, "ZONE", "zone of times without an offset; only UTC so far", 0, 0},
    {"input", RV_OPT_TEXT, false, "KIND", "csv or ndjson (by the file's name, otherwise csv)", 0, 0},
    {"empty-unsets", RV_OPT_FLAG, false, NULL, "an empty cell takes the value away", 0, 0},
    {"name", RV_OPT_TEXT, false, "NAME", "name of the import (the file's name)", 0, 0},
};
static const rv_option_t IMPORT_EVENTS[] = {
    {"map", RV_OPT_TEXT, true, "NAME=COLUMN", "take NAME of the schema from COLUMN of the file", 0, 0},
    {"ignore", RV_OPT_TEXT, true, "COLUMN", "leave a column of the file out", 0, 0},
    {"rejects", RV_OPT_TEXT, false, "FILE",
     "write rows that were not taken here, with line and reason; without it they make the exit status 1", 0, 0},
    {"tz", RV_OPT_TEXT, false, "ZONE", "zone of times without an offset; only UTC so far", 0, 0},
    {"input", RV_OPT_TEXT, false, "KIND", "csv or ndjson (by the file's name, otherwise csv)", 0, 0},
    {"require-id", RV_OPT_FLAG, false, NULL, "refuse events without an id", 0, 0},
    {"name", RV_OPT_TEXT, false, "NAME", "name of the import (the file's name)", 0, 0},
};
static const rv_option_t EVENTS_DELETE[] = {
    {"source", RV_OPT_TEXT, false, "SOURCE", "all events of this source", 0, 0},
    {"import", RV_OPT_NUMBER, false, "N", "all events that this import brought first", 1, UINT64_MAX},
    {"file", RV_OPT_TEXT, false, "FILE", "CSV of identities: contact, type, at, source, id", 0, 0},
};
static const rv_option_t SELECT[] = {
    {"fields", RV_OPT_TEXT, false, "A,EXPR,...", "what to show (the key)", 0, 0},
    {"order-by", RV_OPT_TEXT, false, "'EXPR [desc]'", "order; ties by key", 0, 0},
    {"limit", RV_OPT_NUMBER, false, "N", "at most so many rows, from 1 on (all)", 1, UINT64_MAX},
};
static const rv_option_t AGGREGATE[] = {
    {"by", RV_OPT_TEXT, false, "'EXPR,...'", "groups (one)", 0, 0},
    {"compute", RV_OPT_TEXT, false, "'count,...'", "count, sum, avg, min, max, distinct, quantile(EXPR, 0.9)", 0, 0},
};
static const rv_option_t FUNNEL[] = {
    {"steps", RV_OPT_TEXT, false, "'A then B'", "the steps, each with an optional where", 0, 0},
    {"in", RV_OPT_TEXT, false, "DURATION", "time from the first step to the last", 0, 0},
    {"window", RV_OPT_TEXT, false, "WINDOW", "when the first step happens: 'within 365 days'", 0, 0},
};
static const rv_option_t RETENTION[] = {
    {"start", RV_OPT_TEXT, false, "TIME_EXPR", "when a contact begins", 0, 0},
    {"cohort", RV_OPT_TEXT, false, "DURATION", "length of a cohort, from multiples of it since 1970-01-01", 0, 0},
    {"event", RV_OPT_TEXT, false, "TYPES", "events that count as coming back", 0, 0},
    {"period", RV_OPT_TEXT, false, "DURATION", "length of a period", 0, 0},
    {"periods", RV_OPT_NUMBER, false, "N", "number of periods", 1, RV_MAX_PERIODS},
};
static const rv_option_t OVERLAP[] = {
    {"segment", RV_OPT_TEXT, true, "NAME=FILTER", "one of the filters; at least two", 0, 0},
};
static const rv_option_t GET[] = {
    {"explain", RV_OPT_FLAG, false, NULL, "how the answer was made: tables on stderr, or a member of the JSON document",
     0, 0},
};
static const rv_option_t WAIT[] = {
    {"wait", RV_OPT_FLAG, false, NULL, "return when it is done", 0, 0},
};

const rv_command_t RV_COMMANDS[] = {
    {"up", "[--data DIR] [--workers N] [--partitions P] [--detach]", "a whole cluster on this machine",
     "  reveille up --detach\n  reveille up --data /srv/reveille --workers 4\n", OPTIONS(UP), false, 0, 0, rv_run_up},
    {"down", "[--data DIR]", "stops what `up` started", "  reveille down --data /srv/reveille\n", OPTIONS(DOWN), false,
     0, 0, rv_run_down},
    {"schema apply", "FILE.yaml", "makes a schema the current one", "  reveille schema apply schema.yaml\n",
     OPTIONS(APPLY), false, 1, 1, rv_run_schema_apply},
    {"schema show", "", "the current schema, as YAML", "  reveille schema show > schema.yaml\n", NO_OPTIONS, false, 0,
     0, rv_run_schema_show},
    {"schema infer", "FILE.csv", "guesses a schema from a file", "  reveille schema infer contacts.csv > schema.yaml\n",
     NO_OPTIONS, false, 1, 1, rv_run_schema_infer},
    {"import contacts", "FILE...", "brings contacts in; '-' is stdin",
     "  reveille import contacts contacts.csv --rejects rejects.csv\n  reveille import contacts crm.csv --map "
     "contact=CustomerNo "
     "--ignore Fax\n",
     OPTIONS(IMPORT), false, 1, 4096, rv_run_import_contacts},
    {"import companies", "FILE...", "brings companies in; '-' is stdin", "  reveille import companies companies.csv\n",
     OPTIONS(IMPORT), false, 1, 4096, rv_run_import_companies},
    {"import events", "FILE...", "brings events in; '-' is stdin; the same file again goes on where it stopped",
     "  reveille import events 2026-*.csv --rejects rejects.csv\n  zcat log.ndjson.gz | reveille import events - "
     "--input ndjson\n",
     OPTIONS(IMPORT_EVENTS), false, 1, 4096, rv_run_import_events},
    {"import undo", "ID", "removes the events that an import brought first", "  reveille import undo 7\n", NO_OPTIONS,
     false, 1, 1, rv_run_import_undo},
    {"import list", "", "imports, newest first", "  reveille import list\n", NO_OPTIONS, false, 0, 0,
     rv_run_import_list},
    {"events delete", "--source S | --import N | --file FILE.csv", "removes events",
     "  reveille events delete --source shop-test\n  reveille events delete --file wrong.csv\n", OPTIONS(EVENTS_DELETE),
     false, 0, 0, rv_run_events_delete},
    {"count", "[FILTER]", "how many contacts a filter selects",
     "  reveille count \"country in ('DE', 'FR') and not exists(engaged within 180 days)\"\n"
     "  reveille count 'country in $c' --param \"c=('DE','FR')\" --as-of 2026-11-01\n",
     NO_OPTIONS, true, 0, 1, rv_run_count},
    {"select", "[FILTER]", "which contacts a filter selects",
     "  reveille select 'exists(purchase)' --fields 'contact, recency(purchase)' --order-by 'score(engagement) desc' "
     "--limit 10\n",
     OPTIONS(SELECT), true, 0, 1, rv_run_select},
    {"aggregate", "[FILTER]", "groups of contacts and measures over them",
     "  reveille aggregate --by 'country, bucket(recency(engaged), 30 days, 90 days)' --compute 'count, avg(age)'\n",
     OPTIONS(AGGREGATE), true, 0, 1, rv_run_aggregate},
    {"funnel", "[FILTER] --steps 'A then B' --in DURATION", "how many contacts reach each step",
     "  reveille funnel --steps 'email_click then cart_add then purchase' --in '14 days' --window 'within 365 days'\n",
     OPTIONS(FUNNEL), true, 0, 1, rv_run_funnel},
    {"retention", "[FILTER] --start EXPR --cohort D --event TYPES --period D --periods N",
     "cohorts, and who of them came back",
     "  reveille retention --start signed_up_at --cohort '30 days' --event engaged --period '30 days' --periods 12\n",
     OPTIONS(RETENTION), true, 0, 1, rv_run_retention},
    {"overlap", "--segment NAME=FILTER ...", "sizes of filters and of what they share",
     "  reveille overlap --segment \"a=country = 'DE'\" --segment 'b=exists(purchase)'\n", OPTIONS(OVERLAP), true, 0, 0,
     rv_run_overlap},
    {"contact get", "KEY", "one contact with its attributes", "  reveille contact get c00000123\n", OPTIONS(GET), false,
     1, 1, rv_run_contact_get},
    {"contact timeline", "KEY", "the events of one contact, oldest first", "  reveille contact timeline c00000123\n",
     NO_OPTIONS, true, 1, 1, rv_run_contact_timeline},
    {"contact delete", "KEY...", "erases contacts with their history", "  reveille contact delete c00000123 --wait\n",
     OPTIONS(WAIT), false, 1, 4096, rv_run_contact_delete},
    {"segment save", "NAME FILTER", "saves a filter under a name",
     "  reveille segment save sleepers 'not exists(engaged within 180 days)'\n", NO_OPTIONS, false, 2, 2,
     rv_run_segment_save},
    {"segment list", "", "saved filters", "  reveille segment list\n", NO_OPTIONS, false, 0, 0, rv_run_segment_list},
    {"segment show", "NAME", "the filter of a segment", "  reveille segment show sleepers\n", NO_OPTIONS, false, 1, 1,
     rv_run_segment_show},
    {"segment delete", "NAME", "forgets a segment", "  reveille segment delete sleepers\n", NO_OPTIONS, false, 1, 1,
     rv_run_segment_delete},
    {"score define", "FILE.yaml", "defines score models, or new versions of them",
     "  reveille score define scores.yaml\n", NO_OPTIONS, false, 1, 1, rv_run_score_define},
    {"score list", "", "score models", "  reveille score list\n", NO_OPTIONS, false, 0, 0, rv_run_score_list},
    {"cluster status", "", "workers, partitions and what they hold", "  reveille cluster status --format json\n",
     NO_OPTIONS, false, 0, 0, rv_run_cluster_status},
    {"cluster compact", "", "merges what is stored and gives space back", "  reveille cluster compact --wait\n",
     OPTIONS(WAIT), false, 0, 0, rv_run_cluster_compact},
#define LATER(name)                                                                                                    \
    { name, "", "", "", NO_OPTIONS, false, 0, 0, NULL }
    LATER("diff"),
    LATER("explain"),
    LATER("watch"),
    LATER("forecast"),
    LATER("contact export"),
    LATER("contact merge"),
    LATER("dormancy report"),
    LATER("reactivate plan"),
    LATER("reactivate measure"),
    LATER("model fit"),
    LATER("model show"),
    LATER("bounce-risk"),
    LATER("cluster add"),
    LATER("cluster drain"),
    LATER("cluster remove"),
    LATER("cluster rebalance"),
    LATER("cluster verify"),
    LATER("backup"),
    LATER("restore"),
    LATER("shell"),
};
const size_t RV_COMMANDS_N = sizeof RV_COMMANDS / sizeof RV_COMMANDS[0];
