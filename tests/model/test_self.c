// test_self.c - the model's own test: `test_self [DIRECTORY [SEEDS [FIRST_SEED]]]`; exits 1 when anything failed.
//
// Structure: golden files accept.txt and reject.txt in DIRECTORY; hand-computed values and answers (self_*.c);
// generated worlds with identities that must hold whatever the data (self_random.c). `test_self - 1 SEED print` prints
// that case.
#include "gen.h"
#include "self.h"

#include <stdlib.h>
#include <string.h>

static rvm_text_kind_t kind_of(char letter) {
    switch (letter) {
    case 'Y':
        return RVM_TEXT_FIELDS;
    case 'O':
        return RVM_TEXT_ORDER;
    case 'C':
        return RVM_TEXT_COMPUTE;
    case 'S':
        return RVM_TEXT_STEPS;
    case 'T':
        return RVM_TEXT_TYPES;
    case 'W':
        return RVM_TEXT_WINDOW;
    default:
        return RVM_TEXT_FILTER;
    }
}

static int golden(const char *directory, const char *name, bool accept) {
    char path[1024], line[8192];
    int failures = 0, lines = 0;
    snprintf(path, sizeof path, "%s/%s", directory, name);
    FILE *file = fopen(path, "r");
    if (file == NULL) {
        fprintf(stderr, "cannot open %s\n", name);
        return 1;
    }
    while (fgets(line, sizeof line, file) != NULL) {
        line[strcspn(line, "\n")] = 0;
        if (line[0] == '#' || line[0] == 0) {
            continue;
        }
        rvm_error_t error;
        rvm_status_t status = rvm_parse_only(kind_of(line[0]), line + (line[1] == '\t' ? 2 : 1), &error);
        lines++;
        if (status != (accept ? RVM_OK : RVM_SYNTAX)) {
            fprintf(stderr, "%s: %s: %s %s\n", name, line, rvm_status_name(status), error.text);
            failures++;
        }
    }
    fclose(file);
    if (lines == 0) {
        fprintf(stderr, "%s is empty\n", name);
        return 1;
    }
    return failures;
}

// What is opened `depth` times around x.
static const char *nest(rvm_arena_t *arena, const char *opening, const char *closing, int depth) {
    const char *text = "x";
    for (int i = 0; i < depth; i++) {
        text = rvm_format(arena, "%s%s%s", opening, text, closing);
    }
    return text;
}

// 64 levels are accepted, 65 are not, whatever nests; 64 KiB are, one byte more is not.
static int limits(void) {
    static const char *const opening[] = {"(", "not ", "- ", "abs("}, *const closing[] = {")", "", "", ")"};
    rvm_arena_t *arena = rvm_arena_new();
    rvm_error_t error;
    int failures = 0;
    for (int shape = 0; shape < 4; shape++) {
        for (int depth = 64; depth <= 65; depth++) {
            const char *text = nest(arena, opening[shape], closing[shape], depth);
            if ((rvm_parse_only(RVM_TEXT_FILTER, text, &error) == RVM_OK) != (depth == 64)) {
                fprintf(stderr, "nesting of %d '%s' is not treated as it should\n", depth, opening[shape]);
                failures++;
            }
        }
    }
    for (int length = 65536; length <= 65537; length++) {
        const char *text = rvm_format(arena, "%*s", length, "x");
        failures += (rvm_parse_only(RVM_TEXT_FILTER, text, &error) == RVM_OK) != (length == 65536);
    }
    rvm_arena_destroy(&arena);
    return failures;
}

int main(int argc, char **argv) {
    const char *directory = argc > 1 ? argv[1] : "tests/model";
    int seeds = argc > 2 ? (int)strtol(argv[2], NULL, 10) : 500;
    uint64_t first = argc > 3 ? strtoull(argv[3], NULL, 10) : 1;
    if (argc > 4) {
        rvm_case_t *one = rvm_case_new(first, NULL);
        rvm_case_print(stdout, one);
        rvm_case_destroy(&one);
        return 0;
    }
    int failures = golden(directory, "accept.txt", true) + golden(directory, "reject.txt", false) + limits();
    failures += rvm_self_values() + rvm_self_cases() + rvm_self_requests();
    failures += rvm_self_random(first, seeds);
    printf("model: %d failures, %d generated worlds from seed %llu\n", failures, seeds, (unsigned long long)first);
    return failures == 0 ? 0 : 1;
}
