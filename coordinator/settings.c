/* settings.c: the table and its reader. Defaults are texts that are read like given ones, so that table and program
 * cannot differ. No state. */
#include "settings.h"
#include "reveille/limits.h"
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#ifdef RV_TINY
#define DEFAULT_CHUNK "2"
#else
#define DEFAULT_CHUNK "65536"
#endif

const rvc_setting_t rvc_settings[] = {
    {"data", "text", NULL, 0, 0, "directory of the coordinator's data; made when it is missing"},
    {"endpoint", "text", "tcp://127.0.0.1:7600", 0, 0, "where clients connect"},
    {"data-endpoint", "text", "tcp://127.0.0.1:*", 0, 0, "where workers serve requests; * is any free port"},
    {"control-endpoint", "text", "tcp://127.0.0.1:*", 0, 0, "where workers register and ping"},
    {"workers", "number", "1", 1, RV_MAX_WORKERS,
     "workers that a new cluster waits for before its partitions are placed"},
    {"partitions", "number", "64", 1, RV_MAX_PARTITIONS, "partitions of a new cluster; an existing one keeps its own"},
    {"chunk-rows", "number", DEFAULT_CHUNK, 2, 65536, "rows of a chunk of a new cluster, a power of two"},
    {"log-level", "text", "info", 0, 0, "debug, info, warn or error"},
    {"help", "flag", "", 0, 0, "print this"},
    {"version", "flag", "", 0, 0, "print the version"},
    {0},
};

static rv_status_t fail(const rvc_setting_t *setting, rv_error_t *err, const char *value, const char *expected) {
    rv_fail(err, RV_REASON_FIELD, "--%s: '%.64s' where %s is expected", setting->name, value, expected);
    if (err)
        snprintf(err->field, sizeof err->field, "%s", setting->name);
    return RV_INVALID_ARGUMENT;
}

static rv_status_t read_number(const rvc_setting_t *setting, const char *value, uint32_t *ret, rv_error_t *err) {
    char expected[64];
    snprintf(expected, sizeof expected, "a number from %u to %u", setting->least, setting->greatest);
    size_t n = strlen(value);
    if (n == 0 || n > 9 || strspn(value, "0123456789") != n)
        return fail(setting, err, value, expected);
    unsigned long number = strtoul(value, NULL, 10);
    if (number < setting->least || number > setting->greatest)
        return fail(setting, err, value, expected);
    *ret = (uint32_t)number;
    return RV_OK;
}

static rv_status_t set(rvc_settings_t *settings, const rvc_setting_t *setting, const char *value, rv_error_t *err) {
    static const char *const LEVELS[] = {"debug", "info", "warn", "error"};
    struct {
        const char *name;
        const char **text;
        uint32_t *number;
        bool *flag;
    } targets[] = {{"data", &settings->data_dir, NULL, NULL},
                   {"endpoint", &settings->endpoint, NULL, NULL},
                   {"data-endpoint", &settings->data_endpoint, NULL, NULL},
                   {"control-endpoint", &settings->control_endpoint, NULL, NULL},
                   {"workers", NULL, &settings->workers, NULL},
                   {"partitions", NULL, &settings->partitions, NULL},
                   {"chunk-rows", NULL, &settings->chunk_rows, NULL},
                   {"help", NULL, NULL, &settings->help},
                   {"version", NULL, NULL, &settings->version}};
    for (size_t i = 0; i < sizeof targets / sizeof *targets; i++) {
        if (strcmp(targets[i].name, setting->name) != 0)
            continue;
        if (targets[i].number)
            return read_number(setting, value, targets[i].number, err);
        if (targets[i].text)
            *targets[i].text = value;
        else
            *targets[i].flag = value[0] != 0;
        return RV_OK;
    }
    for (int i = 0; i < 4; i++)
        if (strcmp(LEVELS[i], value) == 0) {
            settings->log_level = (rv_log_level_t)i;
            return RV_OK;
        }
    return fail(setting, err, value, "debug, info, warn or error");
}

static const rvc_setting_t *find(const char *name, size_t n) {
    for (const rvc_setting_t *setting = rvc_settings; setting->name; setting++)
        if (strlen(setting->name) == n && memcmp(setting->name, name, n) == 0)
            return setting;
    return NULL;
}

/* Reads argv[*i] and, if it needs one, its value behind. */
static rv_status_t read_one(int argc, char **argv, int *i, rvc_settings_t *settings, rv_error_t *err) {
    const char *word = argv[*i];
    if (strncmp(word, "--", 2) != 0)
        return rv_fail(err, RV_REASON_FIELD, "'%.64s' is not a setting: see --help", word);
    const char *equals = strchr(word, '=');
    size_t n = equals ? (size_t)(equals - word - 2) : strlen(word + 2);
    const rvc_setting_t *setting = find(word + 2, n);
    if (!setting)
        return rv_fail(err, RV_REASON_FIELD, "there is no setting '%.64s': see --help", word);
    if (strcmp(setting->kind, "flag") == 0)
        return set(settings, setting, "1", err);
    if (!equals && *i + 1 >= argc)
        return rv_fail(err, RV_REASON_FIELD, "--%s needs a value", setting->name);
    return set(settings, setting, equals ? equals + 1 : argv[++*i], err);
}

rv_status_t rvc_settings_parse(int argc, char **argv, rvc_settings_t *ret, rv_error_t *err) {
    rvc_settings_t settings = {0};
    rv_status_t status = RV_OK;
    for (const rvc_setting_t *setting = rvc_settings; status == RV_OK && setting->name; setting++)
        if (setting->value_default)
            status = set(&settings, setting, setting->value_default, err);
    for (int i = 1; status == RV_OK && i < argc; i++)
        status = read_one(argc, argv, &i, &settings, err);
    if (status == RV_OK && !settings.data_dir && !settings.help && !settings.version)
        status = rv_fail(err, RV_REASON_FIELD, "--data DIR is needed: see --help");
    if (status == RV_OK && (settings.chunk_rows & (settings.chunk_rows - 1)))
        status = rv_fail(err, RV_REASON_FIELD, "--chunk-rows: %u is not a power of two", settings.chunk_rows);
    if (status == RV_OK)
        *ret = settings;
    return status;
}

void rvc_settings_usage(const char *program) {
    printf("usage: %s --data DIR [SETTING ...]\n\n", program);
    for (const rvc_setting_t *setting = rvc_settings; setting->name; setting++)
        printf("  --%-18s %s%s%s%s\n", setting->name, setting->doc,
               setting->value_default && *setting->value_default ? " (" : "",
               setting->value_default ? setting->value_default : "",
               setting->value_default && *setting->value_default ? ")" : "");
}
