// test_model.c - random cases through the real engine and the model: every answer must be the same.
//
//   test_model [--cases N] [--seed S] [--only SEED] [--print] [--threads] [--processes P] [--texts DIRECTORY]
//
// A case is a schema, data and a request that both answer; what both refuse is counted apart. Each process takes every
// P-th seed until it has its share of the cases. --only runs one seed, --print shows all of it, --threads has a second
// thread in every world that flushes, merges and compacts. Failure: a process that finds five mismatches gives up, one
// that dies is a mismatch.
#include "trial.h"

#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

enum { MAX_PROCESSES = 64 };

// ---- processes ----------------------------------------------------------------------------------------------------

// A directory in memory where there is one.
static bool make_directory(char *path, size_t room) {
    const char *base = access("/dev/shm", W_OK) == 0 ? "/dev/shm" : getenv("TMPDIR");
    snprintf(path, room, "%s/rv-model-XXXXXX", base != NULL ? base : "/tmp");
    return mkdtemp(path) != NULL;
}

static int work(const rvm_settings_t *settings, int process, rvm_tally_t *tally) {
    char dir[200];
    long cases = settings->cases / settings->processes;
    if (!make_directory(dir, sizeof dir)) {
        perror("no directory for the data");
        return 1;
    }
    for (uint64_t k = (uint64_t)process; tally->cases < cases && tally->mismatches < RVM_MAX_MISMATCHES;
         k += (uint64_t)settings->processes) {
        rvm_trial_run(settings->seed + k, settings, dir, tally);
        if (settings->only) {
            break;
        }
    }
    rmdir(dir);
    tally->finished = true;
    return tally->mismatches == 0 ? 0 : 1;
}

static int run(const rvm_settings_t *settings) {
    rvm_tally_t *tallies =
        mmap(NULL, MAX_PROCESSES * sizeof *tallies, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    pid_t pids[MAX_PROCESSES];
    rvm_tally_t all = {0};
    if (tallies == MAP_FAILED) {
        return 1;
    }
    for (int i = 0; i < settings->processes; i++) {
        pids[i] = settings->processes == 1 ? 0 : fork();
        if (pids[i] == 0) {
            int code = work(settings, i, &tallies[i]);
            fflush(stdout);
            if (settings->processes > 1) {
                exit(code); // and see to leaks, where that is built in
            }
        }
    }
    for (int i = 0; i < settings->processes; i++) {
        int status = 0;
        if (settings->processes > 1) {
            waitpid(pids[i], &status, 0);
        }
        if (!tallies[i].finished || !WIFEXITED(status) || WEXITSTATUS(status) > 1) {
            printf("\nMISMATCH seed %llu: the process ended (status %d)\n", (unsigned long long)tallies[i].seed,
                   status);
            all.mismatches++;
        }
        all.cases += tallies[i].cases;
        all.mismatches += tallies[i].mismatches;
        all.overflows += tallies[i].overflows;
        all.answered += tallies[i].answered;
        all.refused += tallies[i].refused;
        all.spoilt += tallies[i].spoilt;
        all.other_places += tallies[i].other_places;
        all.worlds += tallies[i].worlds;
        all.threads += tallies[i].threads;
    }
    munmap(tallies, MAX_PROCESSES * sizeof *tallies);
    printf("model: %ld worlds from seed %llu, %ld with a second thread\n"
           "       %ld texts spoilt; %ld requests refused, %ld of them at another place\n"
           "       %ld overflows, %ld of them answered by the engine\n",
           all.worlds, (unsigned long long)settings->seed, all.threads, all.spoilt, all.refused, all.other_places,
           all.overflows, all.answered);
    printf("%ld passed, %ld failed\n", all.cases, all.mismatches);
    return all.mismatches == 0 && all.cases > 0 ? 0 : 1;
}

int main(int argc, char **argv) {
    rvm_settings_t settings = {.cases = 10000, .seed = 1, .processes = 2};
    for (int i = 1; i < argc; i++) {
        bool more = i + 1 < argc;
        if (strcmp(argv[i], "--cases") == 0 && more) {
            settings.cases = strtol(argv[++i], NULL, 10);
        } else if (strcmp(argv[i], "--seed") == 0 && more) {
            settings.seed = strtoull(argv[++i], NULL, 10);
        } else if (strcmp(argv[i], "--only") == 0 && more) {
            settings.seed = strtoull(argv[++i], NULL, 10);
            settings.only = true;
            settings.processes = 1;
        } else if (strcmp(argv[i], "--processes") == 0 && more) {
            settings.processes = (int)strtol(argv[++i], NULL, 10);
        } else if (strcmp(argv[i], "--texts") == 0 && more) {
            settings.texts = argv[++i];
        } else if (strcmp(argv[i], "--print") == 0) {
            settings.print = true;
        } else if (strcmp(argv[i], "--threads") == 0) {
            settings.threads = true;
        } else {
            fprintf(stderr, "unknown argument '%s'\n", argv[i]);
            return 2;
        }
    }
    if (settings.processes < 1 || settings.processes > MAX_PROCESSES) {
        fputs("--processes: 1 to 64\n", stderr);
        return 2;
    }
    return run(&settings);
}
