/* source.c: plain descriptors. The fingerprint is XXH3 over what distinguishes one content from another without reading
 * it all. A file larger than half of the memory cannot stay in the page cache: what was read of it is let go behind, so
 * that it takes its own pages again and none of the daemons' (16 GB on a machine of 24: a fifth of the time to read).
 */
#include "source.h"
#include "reveille/hash.h"
#include "reveille/uuid.h"
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define SAMPLE (64u << 10)
#define BEHIND (8u << 20) /* bytes that are let go at once */

struct rv_source {
    int fd;
    char *path;
    bool file;
    uint64_t size;
    bool passes; /* through the page cache */
    uint64_t at, let_go;
    uint8_t fingerprint[16];
};

static rv_status_t unreadable(const char *path, int problem, rv_error_t *err) {
    return rv_fail(err, RV_REASON_FIELD, "%s cannot be read: %s", path, strerror(problem));
}

/* Reads up to n bytes at an offset; what is there. */
static size_t sample(int fd, char *buffer, size_t n, uint64_t offset) {
    size_t have = 0;
    while (have < n) {
        ssize_t got = pread(fd, buffer + have, n - have, (off_t)(offset + have));
        if (got <= 0)
            break;
        have += (size_t)got;
    }
    return have;
}

static bool take_fingerprint(rv_source_t *source, const struct stat *info, const void *options, size_t n) {
    uint64_t facts[4] = {source->size, (uint64_t)info->st_mtim.tv_sec, (uint64_t)info->st_mtim.tv_nsec,
                         n ? rv_hash(options, n) : 0};
    char *bytes = malloc(sizeof facts + 2 * SAMPLE);
    if (!bytes)
        return false;
    memcpy(bytes, facts, sizeof facts);
    size_t used = sizeof facts;
    used += sample(source->fd, bytes + used, SAMPLE, 0);
    used += sample(source->fd, bytes + used, SAMPLE, source->size > SAMPLE ? source->size - SAMPLE : 0);
    uint64_t hash = rv_hash(bytes, used);
    memcpy(source->fingerprint, &hash, 8);
    memcpy(source->fingerprint + 8, &facts[0], 8);
    free(bytes);
    return true;
}

static uint64_t memory_bytes(void) {
    long pages = sysconf(_SC_PHYS_PAGES), bytes = sysconf(_SC_PAGESIZE);
    return pages > 0 && bytes > 0 ? (uint64_t)pages * (uint64_t)bytes : UINT64_MAX;
}

rv_status_t rv_source_open(const char *path, const void *options, size_t n, rv_source_t **ret, rv_error_t *err) {
    struct stat info;
    rv_source_t *source = calloc(1, sizeof *source);
    if (!source || !(source->path = strdup(path))) {
        free(source);
        return rv_fail_memory(err, "a file");
    }
    source->fd = strcmp(path, "-") == 0 ? STDIN_FILENO : open(path, O_RDONLY | O_CLOEXEC);
    if (source->fd < 0 || fstat(source->fd, &info) != 0) {
        rv_status_t status = unreadable(path, errno, err);
        rv_source_close(&source);
        return status;
    }
    if (S_ISDIR(info.st_mode)) {
        rv_source_close(&source);
        return rv_fail(err, RV_REASON_FIELD, "%s is a directory", path);
    }
    source->file = S_ISREG(info.st_mode) && source->fd != STDIN_FILENO;
    source->size = source->file ? (uint64_t)info.st_size : 0;
    source->passes = source->size > memory_bytes() / 2;
    rv_uuid7(source->fingerprint);
    if (source->file && !take_fingerprint(source, &info, options, n)) {
        rv_source_close(&source);
        return rv_fail_memory(err, "a file");
    }
    *ret = source;
    return RV_OK;
}

void rv_source_close(rv_source_t **source) {
    if (!*source)
        return;
    if ((*source)->fd > STDIN_FILENO)
        close((*source)->fd);
    free((*source)->path);
    free(*source);
    *source = NULL;
}

/* A hint: pages that somebody else maps or writes stay. */
static void let_go(rv_source_t *source) {
    if (source->at - source->let_go >= BEHIND) {
        posix_fadvise(source->fd, (off_t)source->let_go, (off_t)(source->at - source->let_go), POSIX_FADV_DONTNEED);
        source->let_go = source->at;
    }
}

long rv_source_read(void *context, char *buffer, size_t n) {
    rv_source_t *source = context;
    ssize_t got;
    while ((got = read(source->fd, buffer, n)) < 0)
        if (errno != EINTR)
            return -errno;
    source->at += (uint64_t)got;
    if (source->passes)
        let_go(source);
    return (long)got;
}

const uint8_t *rv_source_fingerprint(const rv_source_t *source) {
    return source->fingerprint;
}

bool rv_source_resumable(const rv_source_t *source) {
    return source->file;
}

uint64_t rv_source_size(const rv_source_t *source) {
    return source->size;
}

rv_status_t rv_source_seek(rv_source_t *source, uint64_t offset, uint64_t *ret_line, rv_error_t *err) {
    enum { STEP = 1 << 20 };
    char *buffer = malloc(STEP);
    uint64_t line = 1, at = 0;
    if (!buffer)
        return rv_fail_memory(err, "a file");
    while (at < offset) {
        size_t want = offset - at < STEP ? (size_t)(offset - at) : STEP;
        size_t got = sample(source->fd, buffer, want, at);
        for (const char *p = buffer; got && (p = memchr(p, '\n', (size_t)(buffer + got - p))); p++)
            line++;
        at += got;
        if (got < want)
            break;
    }
    free(buffer);
    if (at < offset || lseek(source->fd, (off_t)offset, SEEK_SET) < 0)
        return rv_fail(err, RV_REASON_FIELD, "%s is shorter than it was when its import began", source->path);
    source->at = source->let_go = offset;
    *ret_line = line;
    return RV_OK;
}
