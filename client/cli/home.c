/* home.c: a few lines of name=value, written beside and renamed. Unknown names are refused: they are of a later
 * version. No state. */
#include "home.h"
#include "reveille/limits.h"
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#define FIRST_LINE "reveille 1"

static rv_status_t no_access(const char *path, rv_error_t *err) {
    return rv_fail_as(err, RV_FAILED_PRECONDITION, RV_REASON_NONE, "%s: %s", path, strerror(errno));
}

/* Whether the directory holds anything at all. */
static rv_status_t is_empty(const char *data, bool *ret, rv_error_t *err) {
    DIR *dir = opendir(data);
    *ret = true;
    if (!dir)
        return errno == ENOENT ? RV_OK : no_access(data, err);
    for (struct dirent *entry; *ret && (entry = readdir(dir));)
        *ret = strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0 ||
               strcmp(entry->d_name, ".lock") == 0 ||
               strcmp(entry->d_name, "reveille.new") == 0; /* what an `up` killed at its beginning leaves */
    closedir(dir);
    return RV_OK;
}

static bool whole_number(const char *text, uint32_t least, uint32_t most, uint32_t *ret) {
    char *end;
    unsigned long value = strtoul(text, &end, 10);
    if (end == text || *end || text[0] == '-' || value < least || value > most)
        return false;
    *ret = (uint32_t)value;
    return true;
}

static bool take_line(rv_home_t *home, char *line) {
    char *equals = strchr(line, '=');
    if (!equals)
        return false;
    *equals++ = 0;
    if (strcmp(line, "endpoint") == 0)
        return snprintf(home->endpoint, sizeof home->endpoint, "%s", equals) < (int)sizeof home->endpoint;
    if (strcmp(line, "workers") == 0)
        return whole_number(equals, 1, RV_MAX_WORKERS, &home->workers);
    if (strcmp(line, "partitions") == 0)
        return whole_number(equals, 1, RV_MAX_PARTITIONS, &home->partitions);
    return strcmp(line, "chunk_rows") == 0 && whole_number(equals, 2, 65536, &home->chunk_rows);
}

rv_status_t rv_home_read(const char *data, rv_home_t *ret, bool *ret_found, rv_error_t *err) {
    char path[4096], line[512];
    rv_home_t home = {0};
    bool empty, good = true;
    snprintf(path, sizeof path, "%s/reveille", data);
    FILE *file = fopen(path, "re");
    if (!file) {
        if (errno != ENOENT && errno != ENOTDIR)
            return no_access(path, err);
        rv_status_t status = is_empty(data, &empty, err);
        if (status == RV_OK && !empty)
            status = rv_fail(err, RV_REASON_FOREIGN,
                             "%s holds something else than a cluster; give --data a new or empty directory", data);
        *ret_found = false;
        return status;
    }
    for (size_t i = 0; good && fgets(line, sizeof line, file); i++) {
        line[strcspn(line, "\n")] = 0;
        good = i == 0 ? strcmp(line, FIRST_LINE) == 0 : take_line(&home, line);
    }
    fclose(file);
    if (!good || !home.workers || !home.partitions || !home.chunk_rows || !home.endpoint[0])
        return rv_fail(err, RV_REASON_FOREIGN, "%s is not the file of a cluster that this version knows", path);
    *ret = home;
    *ret_found = true;
    return RV_OK;
}

/* Makes a directory with all its parents. */
static rv_status_t make_directory(const char *path, rv_error_t *err) {
    char part[4096];
    if (snprintf(part, sizeof part, "%s", path) >= (int)sizeof part)
        return rv_fail(err, RV_REASON_FIELD, "the path is too long");
    for (char *p = part + 1; *p; p++)
        if (*p == '/') {
            *p = 0;
            if (mkdir(part, 0777) != 0 && errno != EEXIST)
                return no_access(part, err);
            *p = '/';
        }
    return mkdir(part, 0700) == 0 || errno == EEXIST ? RV_OK : no_access(part, err);
}

rv_status_t rv_home_lock(const char *data, int *ret_fd, rv_error_t *err) {
    char path[4096];
    rv_status_t status = make_directory(data, err);
    if (status != RV_OK)
        return status;
    snprintf(path, sizeof path, "%s/.lock", data);
    int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    if (fd < 0)
        return no_access(path, err);
    if (flock(fd, LOCK_EX | LOCK_NB) != 0) {
        close(fd);
        return rv_fail(err, RV_REASON_FOREIGN, "another `reveille up` or `down` is working on %s", data);
    }
    *ret_fd = fd;
    return RV_OK;
}

rv_status_t rv_home_write(const char *data, const rv_home_t *home, rv_error_t *err) {
    char path[4096], beside[4104];
    snprintf(path, sizeof path, "%s/reveille", data);
    snprintf(beside, sizeof beside, "%s.new", path);
    FILE *file = fopen(beside, "we");
    if (!file)
        return no_access(beside, err);
    bool good = fprintf(file, FIRST_LINE "\nendpoint=%s\nworkers=%u\npartitions=%u\nchunk_rows=%u\n", home->endpoint,
                        home->workers, home->partitions, home->chunk_rows) > 0;
    good = good && fflush(file) == 0 && fsync(fileno(file)) == 0;
    good = fclose(file) == 0 && good;
    if (!good || rename(beside, path) != 0)
        return no_access(path, err);
    int fd = open(data, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0 || fsync(fd) != 0) {
        rv_status_t status = no_access(data, err);
        if (fd >= 0)
            close(fd);
        return status;
    }
    close(fd);
    return RV_OK;
}

void rv_home_cluster_id(const char *data, char out[33]) {
    char path[4096];
    snprintf(path, sizeof path, "%s/coordinator/cluster", data);
    FILE *file = fopen(path, "re");
    if (!file || fscanf(file, "%32[0-9a-f]", out) != 1 || strlen(out) != 32)
        out[0] = 0;
    if (file)
        fclose(file);
}

bool rv_endpoint_is_local(const char *endpoint) {
    if (strncmp(endpoint, "ipc://", 6) == 0)
        return true;
    if (strncmp(endpoint, "tcp://", 6) != 0)
        return false;
    const char *host = endpoint + 6, *colon = strrchr(host, ':');
    size_t n = colon ? (size_t)(colon - host) : strlen(host);
    if ((n == 9 && memcmp(host, "localhost", 9) == 0) || (n == 5 && memcmp(host, "[::1]", 5) == 0))
        return true;
    return n > 4 && memcmp(host, "127.", 4) == 0 && strspn(host, "0123456789.") >= n;
}
