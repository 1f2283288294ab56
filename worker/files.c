/* files.c: see files.h. Threads: the callers see to it that one at a time writes. */
#include "files.h"
#include "reveille/hash.h"
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define SLOT 4096u

static rv_status_t cannot_write(const char *path, int code, rv_error_t *err) {
    bool full = code == ENOSPC || code == EDQUOT;
    return rv_fail(err, full ? RV_REASON_QUOTA : RV_REASON_BUG, "cannot write '%s': %s", path, strerror(code));
}

static rv_status_t sync_dir(const char *dir, rv_error_t *err) {
    int fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0 || fsync(fd) != 0) {
        rv_status_t status = cannot_write(dir, errno, err);
        if (fd >= 0)
            close(fd);
        return status;
    }
    close(fd);
    return RV_OK;
}

static bool write_all(int fd, const void *bytes, size_t n) {
    for (const char *p = bytes; n > 0;) {
        ssize_t got = write(fd, p, n);
        if (got < 0 && errno == EINTR)
            continue;
        if (got <= 0)
            return false;
        p += got;
        n -= (size_t)got;
    }
    return true;
}

rv_status_t rvw_file_write(const char *dir, const char *name, const void *bytes, size_t n, rv_error_t *err) {
    char path[4096], beside[4096];
    snprintf(path, sizeof path, "%s/%s", dir, name);
    snprintf(beside, sizeof beside, "%s/%s.new", dir, name);
    uint64_t sum = rv_hash(bytes, n);
    int fd = open(beside, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    bool done = fd >= 0 && write_all(fd, bytes, n) && write_all(fd, &sum, sizeof sum) && fsync(fd) == 0;
    int saved = errno;
    if (fd >= 0)
        close(fd);
    if (!done || rename(beside, path) != 0)
        return cannot_write(path, done ? errno : saved, err);
    return sync_dir(dir, err);
}

rv_status_t rvw_file_read(const char *dir, const char *name, uint8_t **ret, size_t *ret_n, rv_error_t *err) {
    char path[4096];
    snprintf(path, sizeof path, "%s/%s", dir, name);
    FILE *file = fopen(path, "rbe");
    if (!file)
        return rv_fail(err, errno == ENOENT ? RV_REASON_MISSING : RV_REASON_BUG, "cannot read '%s': %s", path,
                       strerror(errno));
    size_t cap = 1 << 16, n = 0, got;
    uint8_t *bytes = malloc(cap);
    while (bytes && (got = fread(bytes + n, 1, cap - n, file)) > 0) {
        n += got;
        if (n == cap) {
            uint8_t *more = realloc(bytes, cap *= 2);
            if (!more)
                free(bytes);
            bytes = more;
        }
    }
    fclose(file);
    if (!bytes)
        return rv_fail_memory(err, path);
    uint64_t sum;
    if (n < sizeof sum || (memcpy(&sum, bytes + n - sizeof sum, sizeof sum), sum != rv_hash(bytes, n - sizeof sum))) {
        free(bytes);
        return rv_fail(err, RV_REASON_DAMAGED, "'%s' is damaged: its checksum does not hold", path);
    }
    *ret = bytes;
    *ret_n = n - sizeof sum;
    return RV_OK;
}

/* ---- the card ---- */

typedef struct {
    char magic[8];
    rvw_card_t card;
    uint64_t checksum;
} slot_t;
static const char MAGIC[8] = {'R', 'V', 'C', 'A', 'R', 'D', '0', '1'};

static uint64_t sum_of(const slot_t *slot) {
    return rv_hash(slot, offsetof(slot_t, checksum));
}

static bool read_slot(int fd, unsigned which, slot_t *ret) {
    return pread(fd, ret, sizeof *ret, (off_t)(which * SLOT)) == (ssize_t)sizeof *ret &&
           memcmp(ret->magic, MAGIC, sizeof MAGIC) == 0 && ret->checksum == sum_of(ret) &&
           (ret->card.number & 1) == which;
}

rv_status_t rvw_card_read(const char *dir, rvw_card_t *ret, rv_error_t *err) {
    char path[4096];
    slot_t slot[2];
    snprintf(path, sizeof path, "%s/worker", dir);
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return rv_fail(err, errno == ENOENT ? RV_REASON_MISSING : RV_REASON_BUG, "cannot read '%s': %s", path,
                       strerror(errno));
    bool sound[2] = {read_slot(fd, 0, &slot[0]), read_slot(fd, 1, &slot[1])};
    close(fd);
    if (!sound[0] && !sound[1])
        return rv_fail(err, RV_REASON_DAMAGED, "'%s' is damaged: put it back from a copy", path);
    bool odd = sound[1] && (!sound[0] || slot[1].card.number > slot[0].card.number);
    *ret = slot[odd].card;
    if (!sound[0] || !sound[1]) {
        ret->number++;
        ret->incarnation++;
    }
    return RV_OK;
}

/* A new card has both slots, so that later ones find their room. */
static rv_status_t make_card(const char *dir, const slot_t *first, rv_error_t *err) {
    char path[4096], beside[4096], *both = calloc(2, SLOT);
    if (!both)
        return rv_fail_memory(err, "the card of a worker");
    slot_t zero = *first;
    zero.card.number = 0;
    zero.checksum = sum_of(&zero);
    memcpy(both, &zero, sizeof zero);
    memcpy(both + SLOT, first, sizeof *first);
    snprintf(path, sizeof path, "%s/worker", dir);
    snprintf(beside, sizeof beside, "%s/worker.new", dir);
    int fd = open(beside, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    bool done = fd >= 0 && write_all(fd, both, (size_t)2 * SLOT) && fsync(fd) == 0 && rename(beside, path) == 0;
    int saved = errno;
    if (fd >= 0)
        close(fd);
    free(both);
    return done ? sync_dir(dir, err) : cannot_write(path, saved, err);
}

rv_status_t rvw_card_write(const char *dir, rvw_card_t *card, rv_error_t *err) {
    char path[4096];
    slot_t slot;
    memset(&slot, 0, sizeof slot);
    memcpy(slot.magic, MAGIC, sizeof MAGIC);
    slot.card = *card;
    slot.card.number++;
    slot.checksum = sum_of(&slot);
    rv_status_t status = RV_OK;
    if (card->number == 0) {
        status = make_card(dir, &slot, err);
    } else {
        snprintf(path, sizeof path, "%s/worker", dir);
        int fd = open(path, O_WRONLY | O_CLOEXEC);
        off_t at = (off_t)((slot.card.number & 1) * SLOT);
        if (fd < 0 || pwrite(fd, &slot, sizeof slot, at) != (ssize_t)sizeof slot || fdatasync(fd) != 0)
            status = cannot_write(path, errno, err);
        if (fd >= 0)
            close(fd);
    }
    if (status == RV_OK)
        card->number++;
    return status;
}
