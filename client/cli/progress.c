/* progress.c: rate, percent and time left, from the clock and the last call. One thread. */
#include "progress.h"
#include "reveille/clock.h"
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#define TERMINAL_MS 200
#define ELSEWHERE_MS 5000

struct rv_progress {
    const char *name;
    uint64_t size, first_offset;
    int64_t started, file_started, shown;
    bool terminal, line, moved;
};

rv_progress_t *rv_progress_new(void) {
    rv_progress_t *progress = calloc(1, sizeof *progress);
    if (!progress)
        return NULL;
    progress->terminal = isatty(STDERR_FILENO);
    progress->started = progress->shown = rv_mono_ms();
    return progress;
}

void rv_progress_destroy(rv_progress_t **progress) {
    free(*progress);
    *progress = NULL;
}

void rv_progress_file(rv_progress_t *progress, const char *name, uint64_t size) {
    progress->name = name;
    progress->size = size;
    progress->file_started = rv_mono_ms();
    progress->moved = false;
}

void rv_progress_at(rv_progress_t *progress, uint64_t offset, uint64_t rows) {
    int64_t now = rv_mono_ms();
    if (!progress->moved)
        progress->first_offset = offset;
    progress->moved = true;
    if (now - progress->shown < (progress->terminal ? TERMINAL_MS : ELSEWHERE_MS))
        return;
    double seconds = (double)(now - progress->started) / 1000, in_file = (double)(now - progress->file_started) / 1000;
    progress->shown = now;
    fprintf(stderr, "%s%s: %llu rows, %.0f rows/s", progress->terminal ? "\r" : "", progress->name,
            (unsigned long long)rows, seconds > 0 ? (double)rows / seconds : 0.0);
    if (progress->size && offset > progress->first_offset) {
        double rate = (double)(offset - progress->first_offset) / (in_file > 0 ? in_file : 1);
        fprintf(stderr, ", %.0f %%, %.0f s left", 100.0 * (double)offset / (double)progress->size,
                (double)(progress->size - offset) / rate);
    }
    fputs(progress->terminal ? "\033[K" : "\n", stderr);
    progress->line = progress->terminal;
}

void rv_progress_end(rv_progress_t *progress) {
    if (progress->line)
        fputs("\r\033[K", stderr);
    progress->line = false;
}
