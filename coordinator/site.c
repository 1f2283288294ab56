/* site.c: lock, pid, cluster and endpoints files. The lock is a flock that dies with the process; the number in the
 * file is only for the message. No threads. */
#include "site.h"
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

static rv_status_t fail_errno(rv_error_t *err, const char *what, const char *path) {
    return rv_fail_as(err, RV_UNAVAILABLE, RV_REASON_NONE, "cannot %s %s: %s", what, path, strerror(errno));
}

static rv_status_t join(const char *dir, const char *name, char path[PATH_MAX], rv_error_t *err) {
    int n = snprintf(path, PATH_MAX, "%s/%s", dir, name);
    return n > 0 && n < PATH_MAX ? RV_OK : rv_fail(err, RV_REASON_FIELD, "the path %.200s is too long", dir);
}

static rv_status_t in_use(int fd, const char *dir, rv_error_t *err) {
    char text[32] = "";
    ssize_t n = pread(fd, text, sizeof text - 1, 0);
    text[n > 0 ? strspn(text, "0123456789") : 0] = 0;
    return rv_fail(err, RV_REASON_FOREIGN, "%.300s is in use by process %s", dir, text[0] ? text : "(unknown)");
}

static bool write_all(int fd, const char *text) {
    size_t n = strlen(text);
    while (n) {
        ssize_t written = write(fd, text, n);
        if (written < 0 && errno == EINTR)
            continue;
        if (written <= 0)
            return false;
        text += written;
        n -= (size_t)written;
    }
    return true;
}

/* Over what is there, which keeps its room when the disk is full. */
static bool write_over(int fd, const char *text) {
    return write_all(fd, text) && ftruncate(fd, (off_t)strlen(text)) == 0;
}

static rv_status_t write_pid(const char *dir, int lock, rv_error_t *err) {
    char path[PATH_MAX], text[32];
    snprintf(text, sizeof text, "%ld\n", (long)getpid());
    if (!write_over(lock, text))
        return fail_errno(err, "write the lock in", dir);
    rv_status_t status = join(dir, "pid", path, err);
    if (status != RV_OK)
        return status;
    int fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
    if (fd < 0)
        return fail_errno(err, "write", path);
    bool ok = write_over(fd, text);
    close(fd);
    return ok ? RV_OK : fail_errno(err, "write", path);
}

rv_status_t rvc_site_lock(const char *dir, int *ret_lock, rv_error_t *err) {
    char path[PATH_MAX];
    rv_status_t status = join(dir, "lock", path, err);
    if (status != RV_OK)
        return status;
    if (mkdir(dir, 0700) != 0 && errno != EEXIST)
        return fail_errno(err, "make the directory", dir);
    int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    if (fd < 0)
        return fail_errno(err, "open", path);
    if (flock(fd, LOCK_EX | LOCK_NB) != 0)
        status = errno == EWOULDBLOCK ? in_use(fd, dir, err) : fail_errno(err, "lock", path);
    if (status == RV_OK)
        status = write_pid(dir, fd, err);
    if (status != RV_OK) {
        close(fd);
        return status;
    }
    *ret_lock = fd;
    return RV_OK;
}

void rvc_site_unlock(int *lock) {
    if (*lock >= 0)
        close(*lock);
    *lock = -1;
}

static rv_status_t overwrite(const char *path, const char *text, rv_error_t *err) {
    int fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
    if (fd < 0)
        return fail_errno(err, "write", path);
    rv_status_t status = write_over(fd, text) ? RV_OK : fail_errno(err, "write", path);
    close(fd);
    return status;
}

/* A file of the directory, whole or not at all. */
static rv_status_t write_file(const char *dir, const char *name, const char *text, rv_error_t *err) {
    char path[PATH_MAX], beside_name[32], beside[PATH_MAX];
    snprintf(beside_name, sizeof beside_name, "%s.new", name);
    rv_status_t status = join(dir, name, path, err);
    if (status == RV_OK)
        status = join(dir, beside_name, beside, err);
    if (status != RV_OK)
        return status;
    int fd = open(beside, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    if (fd < 0 && (errno == ENOSPC || errno == EDQUOT))
        return overwrite(path, text, err);
    if (fd < 0)
        return fail_errno(err, "write", beside);
    bool ok = write_all(fd, text) && fsync(fd) == 0 && rename(beside, path) == 0;
    int saved = errno;
    close(fd);
    if (ok)
        return RV_OK;
    unlink(beside);
    if (saved == ENOSPC || saved == EDQUOT) /* reading shall be possible: whoever reads half of it reads it again */
        return overwrite(path, text, err);
    errno = saved;
    return fail_errno(err, "write", path);
}

rv_status_t rvc_site_identify(const char *dir, const char *cluster_id, rv_error_t *err) {
    char text[40];
    snprintf(text, sizeof text, "%.32s\n", cluster_id);
    return write_file(dir, "cluster", text, err);
}

rv_status_t rvc_site_publish(const char *dir, const char *clients, const char *data, const char *control,
                             rv_error_t *err) {
    char text[1024];
    int n = snprintf(text, sizeof text, "%s\n%s\n%s\n", clients, data, control);
    if (n < 0 || (size_t)n >= sizeof text)
        return rv_fail(err, RV_REASON_FIELD, "the endpoints are too long");
    return write_file(dir, "endpoints", text, err);
}
