/* Settings: one table, read strictly; and the directory that only one process may use. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "../../coordinator/settings.h"
#include "../../coordinator/site.h"

static rv_status_t parse(rvc_settings_t *settings, rv_error_t *err, size_t n, const char *const *words) {
    char *argv[16] = {(char *)(uintptr_t) "reveille-coordinator"};
    for (size_t i = 0; i < n; i++)
        argv[i + 1] = (char *)(uintptr_t)words[i];
    return rvc_settings_parse((int)n + 1, argv, settings, err);
}

static void defaults_are_those_of_the_table(void **state) {
    (void)state;
    rvc_settings_t settings;
    const char *const words[] = {"--data", "d", "--partitions=7", "--chunk-rows", "16"};
    assert_int_equal(parse(&settings, NULL, 5, words), RV_OK);
    assert_string_equal(settings.data_dir, "d");
    assert_string_equal(settings.endpoint, "tcp://127.0.0.1:7600");
    assert_int_equal(settings.partitions, 7);
    assert_int_equal(settings.chunk_rows, 16);
    assert_int_equal(settings.workers, 1);
    assert_int_equal(settings.log_level, RV_LOG_INFO);
    assert_false(settings.help);
    for (const rvc_setting_t *setting = rvc_settings; setting->name; setting++)
        assert_true(setting->doc && *setting->doc);
}

static void anything_else_is_an_error(void **state) {
    (void)state;
    const struct {
        size_t n;
        const char *words[4];
    } cases[] = {{0, {0}},
                 {1, {"--data"}},
                 {3, {"--data", "d", "--nonsense"}},
                 {3, {"--data", "d", "extra"}},
                 {4, {"--data", "d", "--workers", "0"}},
                 {4, {"--data", "d", "--workers", "x"}},
                 {4, {"--data", "d", "--workers", "99999999999"}},
                 {4, {"--data", "d", "--partitions", "-1"}},
                 {4, {"--data", "d", "--chunk-rows", "3"}},
                 {4, {"--data", "d", "--log-level", "loud"}}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        rvc_settings_t settings;
        rv_error_t err = {0};
        assert_int_equal(parse(&settings, &err, cases[i].n, cases[i].words), RV_INVALID_ARGUMENT);
        assert_true(err.message[0] != 0);
    }
}

static void a_directory_is_used_by_one_process(void **state) {
    (void)state;
    char dir[] = "/tmp/rvc-site-XXXXXX", path[64], line[64];
    int lock = -1, second = -1;
    rv_error_t err = {0};
    assert_non_null(mkdtemp(dir));
    assert_int_equal(rvc_site_lock(dir, &lock, &err), RV_OK);
    assert_int_equal(rvc_site_lock(dir, &second, &err), RV_FAILED_PRECONDITION);
    assert_int_equal(err.reason, RV_REASON_FOREIGN);
    snprintf(line, sizeof line, "in use by process %ld", (long)getpid());
    assert_non_null(strstr(err.message, line));
    assert_int_equal(rvc_site_publish(dir, "tcp://a:1", "tcp://b:2", "tcp://c:3", &err), RV_OK);
    snprintf(path, sizeof path, "%s/endpoints", dir);
    FILE *file = fopen(path, "r");
    assert_non_null(file);
    assert_string_equal(fgets(line, sizeof line, file), "tcp://a:1\n");
    assert_string_equal(fgets(line, sizeof line, file), "tcp://b:2\n");
    assert_string_equal(fgets(line, sizeof line, file), "tcp://c:3\n");
    fclose(file);
    assert_int_equal(rvc_site_identify(dir, "00112233445566778899aabbccddeeff", &err), RV_OK);
    snprintf(path, sizeof path, "%s/cluster", dir);
    file = fopen(path, "r");
    assert_non_null(file);
    assert_string_equal(fgets(line, sizeof line, file), "00112233445566778899aabbccddeeff\n");
    fclose(file);
    rvc_site_unlock(&lock);
    assert_int_equal(lock, -1);
    assert_int_equal(rvc_site_lock(dir, &second, &err), RV_OK);
    rvc_site_unlock(&second);
    const char *const names[] = {"lock", "pid", "endpoints", "cluster"};
    for (size_t i = 0; i < 4; i++) {
        snprintf(path, sizeof path, "%s/%s", dir, names[i]);
        unlink(path);
    }
    rmdir(dir);
    assert_int_not_equal(rvc_site_lock("/nonexistent/place", &lock, &err), RV_OK);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(defaults_are_those_of_the_table),
        cmocka_unit_test(anything_else_is_an_error),
        cmocka_unit_test(a_directory_is_used_by_one_process),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
