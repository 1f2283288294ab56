/* copy.c: data directories: their lock, and the exchange of data.mdb for a compact copy.
 *
 * A copy is built in DIR/compact, synced, and renamed over DIR/data.mdb. Killed before the rename, the old file is
 * whole and the next open removes the copy; killed after it, the new one is. The copy's lock file of LMDB takes the
 * place of the old one before the rename: readers of the old file keep theirs, so the two never share a table of
 * readers, and no new file needs room. A lack of space is told before the rename only; after it the outcome is unknown.
 * A directory is locked by flock on itself.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "env.h"
#include "reveille/fault.h"

#define PATH 4096

static rv_status_t cannot(rv_error_t *err, const char *what, const char *path) {
    rv_reason_t reason = errno == ENOSPC || errno == EDQUOT ? RV_REASON_QUOTA : RV_REASON_FOREIGN;
    return rv_fail(err, reason, "cannot %s %.300s: %s", what, path, strerror(errno));
}

rv_status_t rvw_sync_path(const char *path, rv_error_t *err) {
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0 || fsync(fd) != 0) {
        rv_reason_t reason = errno == ENOSPC || errno == EDQUOT ? RV_REASON_QUOTA : RV_REASON_OUTCOME_UNKNOWN;
        rv_status_t status = rv_fail(err, reason, "cannot sync %.300s: %s", path, strerror(errno));
        if (fd >= 0) {
            close(fd);
        }
        return status;
    }
    close(fd);
    return RV_OK;
}

rv_status_t rvw_lock_dir(const char *dir, int *ret_fd, rv_error_t *err) {
    int fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0) {
        return errno == ENOENT ? rv_fail(err, RV_REASON_MISSING, "there is no directory %.300s", dir)
                               : cannot(err, "open the directory", dir);
    }
    if (flock(fd, LOCK_EX | LOCK_NB) != 0) {
        rv_status_t status = errno == EWOULDBLOCK ? rv_fail(err, RV_REASON_FOREIGN, "%.300s is in use already", dir)
                                                  : cannot(err, "lock the directory", dir);
        close(fd);
        return status;
    }
    *ret_fd = fd;
    return RV_OK;
}

rv_status_t rvw_copy_drop(const char *dir, rv_error_t *err) {
    static const char *const files[] = {"/compact/data.mdb", "/compact/lock.mdb", "/compact"};
    char path[PATH];
    for (size_t k = 0; k < sizeof files / sizeof *files; k++) {
        if (snprintf(path, sizeof path, "%s%s", dir, files[k]) >= PATH) {
            return rv_fail(err, RV_REASON_LIMIT, "the path of a data directory is longer than 4,000 bytes");
        }
        if (remove(path) != 0 && errno != ENOENT) {
            return cannot(err, "remove", path);
        }
    }
    return RV_OK;
}

rv_status_t rvw_copy_begin(const char *dir, rv_error_t *err) {
    char path[PATH];
    rv_status_t status = rvw_copy_drop(dir, err);
    if (status) {
        return status;
    }
    snprintf(path, sizeof path, "%s/compact", dir);
    return mkdir(path, 0700) == 0 ? RV_OK : cannot(err, "make the directory", path);
}

rv_status_t rvw_copy_end(const char *dir, rv_error_t *err) {
    char from[PATH], to[PATH], lock[PATH], new_lock[PATH];
    if (snprintf(from, sizeof from, "%s/compact/data.mdb", dir) >= PATH) {
        return rv_fail(err, RV_REASON_LIMIT, "the path of a data directory is longer than 4,000 bytes");
    }
    snprintf(to, sizeof to, "%s/data.mdb", dir);
    snprintf(lock, sizeof lock, "%s/lock.mdb", dir);
    snprintf(new_lock, sizeof new_lock, "%s/compact/lock.mdb", dir);
    rv_status_t status = rvw_sync_path(from, err);
    if (status) {
        return status;
    }
    if (RV_FAULT("compact-before-rename")) {
        return rv_fail(err, RV_REASON_QUOTA, "fault point compact-before-rename");
    }
    if (rename(new_lock, lock) != 0) {
        return cannot(err, "rename", new_lock);
    }
    if (rename(from, to) != 0) {
        return cannot(err, "rename", from);
    }
    if (RV_FAULT("compact-after-rename")) {
        return rv_fail(err, RV_REASON_OUTCOME_UNKNOWN, "fault point compact-after-rename");
    }
    /* What the copy leaves behind is empty, and the next open removes it too. */
    rvw_copy_drop(dir, NULL);
    status = rvw_sync_path(dir, err);
    return status ? rv_fail(err, RV_REASON_OUTCOME_UNKNOWN, "cannot tell whether the copy in %.300s is durable", dir)
                  : RV_OK;
}
