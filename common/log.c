/* log.c: one write(2) a line, so that lines of several threads do not mix. The level is the only state. */
#include "reveille/log.h"
#include "reveille/civil.h"
#include "reveille/clock.h"
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

static _Atomic int least_level = RV_LOG_INFO;

void rv_log_level(rv_log_level_t least) {
    atomic_store(&least_level, (int)least);
}

void rv_log(rv_log_level_t level, const char *id, const char *format, ...) {
    static const char *const NAMES[] = {"debug", "info", "warn", "error"};
    if ((int)level < atomic_load(&least_level))
        return;
    char line[1024], when[32];
    rv_time_format(rv_wall_ms(), when);
    int n = snprintf(line, sizeof line, "%s %s %s ", when, NAMES[level], id);
    if (n < 0 || (size_t)n >= sizeof line - 2)
        return;
    size_t used = (size_t)n;
    va_list args;
    va_start(args, format);
    n = vsnprintf(line + used, sizeof line - used - 1, format, args);
    va_end(args);
    if (n > 0)
        used += (size_t)n < sizeof line - used - 1 ? (size_t)n : sizeof line - used - 2;
    for (size_t i = 0; i < used; i++)
        if (line[i] == '\n')
            line[i] = ' ';
    line[used++] = '\n';
    ssize_t written = write(STDERR_FILENO, line, used);
    (void)written; /* a log that cannot be written has nowhere to complain */
}
