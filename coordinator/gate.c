/* gate.c: stands between the kernel and libzmq.
 *
 *   kernel ─▶ recv (here) ─▶ libzmq's decoder ─▶ pipe ─▶ actor
 *               │ follows the frames (zmtp.h)
 *               └─▶ a message past its limits: ECONNABORTED instead of bytes, libzmq drops connection and frames
 *
 * libzmq has no option for this, and nothing behind it can help: an unfinished message is not shown to the actor, a
 * monitor tells nothing of it, and counting the kernel's bytes from outside is late by as much as a peer can send while
 * the actor is busy (an empty frame of 2 bytes costs 64 in libzmq). So this file defines recv and accept4, which
 * libzmq imports from the C library: a program's own definitions come first. They do what they always do, and follow
 * the connections that accept4 let in. What is bounded is therefore exact, and an idle connection costs nothing.
 *
 * Descriptors belong to the process, so the table does too: pages of entries by descriptor, made as descriptors come,
 * never freed. accept4 resets an entry, the I/O thread that reads the connection uses it; a descriptor is accepted
 * again only after it was closed, and the kernel orders the two.
 *
 * Failure: a connection for which there is no entry is not let in. */
#include "gate.h"
#include "reveille/clock.h"
#include "reveille/log.h"
#include "zmtp.h"
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#define PAGE 1024u
#define PAGES 1024u
#define LOG_MS 1000 /* between two lines of the log */
#define EXPORTED __attribute__((visibility("default")))

typedef struct {
    rvc_zmtp_t zmtp;
    _Atomic bool watched;
} entry_t;

static _Atomic(entry_t *) pages[PAGES];
static _Atomic bool is_open;
static _Atomic uint64_t greeted, cut;
static _Atomic int64_t quiet_until;

void rvc_gate_open(void) {
    atomic_store(&is_open, true);
}

rvc_gate_stats_t rvc_gate_stats(void) {
    return (rvc_gate_stats_t){.greeted = atomic_load(&greeted), .cut = atomic_load(&cut)};
}

/* The entry of an accepted connection, or NULL. */
static entry_t *find(int fd) {
    size_t page = (size_t)fd / PAGE;
    entry_t *entries = fd >= 0 && page < PAGES ? atomic_load_explicit(&pages[page], memory_order_acquire) : NULL;
    entry_t *entry = entries ? &entries[(size_t)fd % PAGE] : NULL;
    return entry && atomic_load_explicit(&entry->watched, memory_order_acquire) ? entry : NULL;
}

static void forget(entry_t *entry) {
    atomic_store_explicit(&entry->watched, false, memory_order_release);
}

/* False: there is no room for it. */
static bool watch(int fd) {
    size_t page = (size_t)fd / PAGE;
    if (page >= PAGES)
        return false;
    entry_t *entries = atomic_load(&pages[page]);
    if (!entries) {
        entry_t *fresh = calloc(PAGE, sizeof *fresh);
        if (!fresh)
            return false;
        if (atomic_compare_exchange_strong(&pages[page], &entries, fresh))
            entries = fresh;
        else
            free(fresh); /* the other I/O thread was first */
    }
    entry_t *entry = &entries[(size_t)fd % PAGE];
    entry->zmtp = (rvc_zmtp_t){0};
    atomic_store_explicit(&entry->watched, true, memory_order_release);
    return true;
}

static void name_peer(int fd, char *ret, size_t n) {
    struct sockaddr_storage address = {0};
    socklen_t size = sizeof address;
    char host[INET6_ADDRSTRLEN] = "";
    unsigned port = 0;
    if (getpeername(fd, (struct sockaddr *)&address, &size) == 0 && address.ss_family == AF_INET) {
        const struct sockaddr_in *in = (const struct sockaddr_in *)&address;
        inet_ntop(AF_INET, &in->sin_addr, host, sizeof host);
        port = ntohs(in->sin_port);
    } else if (address.ss_family == AF_INET6) {
        const struct sockaddr_in6 *in6 = (const struct sockaddr_in6 *)&address;
        inet_ntop(AF_INET6, &in6->sin6_addr, host, sizeof host);
        port = ntohs(in6->sin6_port);
    }
    if (host[0])
        snprintf(ret, n, "%s port %u", host, port);
    else
        snprintf(ret, n, "a peer");
}

/* Peers that come back again and again must not fill the log. */
static void tell(int fd, rvc_zmtp_verdict_t verdict) {
    uint64_t total = atomic_fetch_add(&cut, 1) + 1;
    int64_t now = rv_mono_ms(), until = atomic_load(&quiet_until);
    if (now < until || !atomic_compare_exchange_strong(&quiet_until, &until, now + LOG_MS))
        return;
    char peer[INET6_ADDRSTRLEN + 16];
    name_peer(fd, peer, sizeof peer);
    rv_log(RV_LOG_WARN, "connection-cut", "%s: %s; connections cut so far: %llu", peer, rvc_zmtp_reason(verdict),
           (unsigned long long)total);
}

/* False: cut. */
static bool pass(int fd, entry_t *entry, const uint8_t *data, size_t n) {
    bool before = rvc_zmtp_greeted(&entry->zmtp);
    rvc_zmtp_verdict_t verdict = rvc_zmtp_feed(&entry->zmtp, data, n);
    if (!before && rvc_zmtp_greeted(&entry->zmtp))
        atomic_fetch_add(&greeted, 1);
    if (verdict == RVC_ZMTP_OK)
        return true;
    forget(entry);
    tell(fd, verdict);
    return false;
}

EXPORTED int accept4(int listener, __SOCKADDR_ARG address, socklen_t *restrict size, int flags) {
    int fd = (int)syscall(SYS_accept4, listener, address.__sockaddr__, size, flags);
    if (fd < 0 || !atomic_load_explicit(&is_open, memory_order_relaxed) || watch(fd))
        return fd;
    close(fd);
    errno = ECONNABORTED; /* libzmq takes this one from listeners of every kind */
    return -1;
}

EXPORTED ssize_t recv(int fd, void *data, size_t n, int flags) {
    ssize_t got = recvfrom(fd, data, n, flags, NULL, NULL);
    entry_t *entry = flags & MSG_PEEK ? NULL : find(fd);
    if (!entry)
        return got;
    if (got > 0 && !pass(fd, entry, data, (size_t)got)) {
        errno = ECONNABORTED;
        return -1;
    }
    if (got == 0 || (got < 0 && errno != EAGAIN && errno != EINTR))
        forget(entry);
    return got;
}
