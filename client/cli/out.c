/* out.c: a buffer that grows in memory or empties into a descriptor. After a failure everything further is dropped, and
 * the flush names the failure. */
#include "out.h"
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define BUFFER (256u << 10)

struct rv_out {
    int fd, problem; /* problem: errno of the first failure */
    char *p;
    size_t n, cap;
};

rv_out_t *rv_out_new(int fd) {
    rv_out_t *out = calloc(1, sizeof *out);
    if (!out)
        return NULL;
    out->fd = fd;
    out->cap = fd < 0 ? 1024 : BUFFER;
    out->p = malloc(out->cap);
    if (!out->p) {
        free(out);
        return NULL;
    }
    return out;
}

void rv_out_destroy(rv_out_t **out) {
    if (!*out)
        return;
    free((*out)->p);
    free(*out);
    *out = NULL;
}

static void drain(rv_out_t *out, const char *p, size_t n) {
    while (n > 0 && !out->problem) {
        ssize_t done = write(out->fd, p, n);
        if (done < 0 && errno != EINTR)
            out->problem = errno;
        if (done <= 0)
            continue;
        p += done;
        n -= (size_t)done;
    }
}

static bool grow(rv_out_t *out, size_t n) {
    size_t cap = out->cap;
    while (cap - out->n < n)
        cap *= 2;
    char *p = realloc(out->p, cap);
    if (!p) {
        out->problem = ENOMEM;
        return false;
    }
    out->p = p;
    out->cap = cap;
    return true;
}

void rv_out_write(rv_out_t *out, const void *bytes, size_t n) {
    if (out->problem || n == 0)
        return;
    if (out->cap - out->n < n) {
        if (out->fd >= 0) {
            drain(out, out->p, out->n);
            out->n = 0;
        } else if (!grow(out, n))
            return;
        if (out->cap < n) {
            drain(out, bytes, n);
            return;
        }
    }
    memcpy(out->p + out->n, bytes, n);
    out->n += n;
}

void rv_out_text(rv_out_t *out, const char *text) {
    rv_out_write(out, text, strlen(text));
}

void rv_out_char(rv_out_t *out, char c) {
    rv_out_write(out, &c, 1);
}

void rv_out_fill(rv_out_t *out, char c, size_t n) {
    while (n-- > 0)
        rv_out_write(out, &c, 1);
}

void rv_out_printf(rv_out_t *out, const char *format, ...) {
    char small[512];
    va_list args;
    va_start(args, format);
    int n = vsnprintf(small, sizeof small, format, args);
    va_end(args);
    if (n < 0 || (size_t)n < sizeof small) {
        rv_out_write(out, small, n < 0 ? 0 : (size_t)n);
        return;
    }
    char *large = malloc((size_t)n + 1);
    if (!large) {
        out->problem = ENOMEM;
        return;
    }
    va_start(args, format);
    vsnprintf(large, (size_t)n + 1, format, args);
    va_end(args);
    rv_out_write(out, large, (size_t)n);
    free(large);
}

const char *rv_out_bytes(const rv_out_t *out, size_t *ret_n) {
    *ret_n = out->n;
    return out->p;
}

void rv_out_reset(rv_out_t *out) {
    out->n = 0;
}

rv_status_t rv_out_flush(rv_out_t *out, rv_error_t *err) {
    if (out->fd >= 0) {
        drain(out, out->p, out->n);
        out->n = 0;
    }
    int problem = out->problem;
    out->problem = 0;
    if (problem == ENOMEM)
        return rv_fail_memory(err, "output");
    if (problem)
        return rv_fail_as(err, RV_UNKNOWN, RV_REASON_NONE, "the output cannot be written: %s", strerror(problem));
    return RV_OK;
}
