/* inspect.c: walks the two trees of an LMDB 0.9 file (64 bits, little endian) by pread.
 *
 * Every page may be claimed once: by a tree, by a value on overflow pages, or by the free list. LMDB itself goes on
 * with the older of the two meta pages when the newer one does not read like one, which is a lower answer that nobody
 * marks. So both must be sound, their transactions neighbours as LMDB writes them (N on page N & 1), and what the newer
 * one counts must be what the walk finds. One thread, no map, memory of one bit a page.
 */
#include "inspect.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "reveille/limits.h"

#define PAGE_HEADER 16u
#define NODE_HEADER 8u
#define MAX_DEPTH 32u
#define MAX_PAGE 65536u
#define META_BYTES 152u /* header, meta: 24 + 2 * 48 + 16 */
#define NO_PAGE UINT64_MAX

enum { BRANCH = 0x01, LEAF = 0x02, OVERFLOW = 0x04, META = 0x08 };
enum { BIG_DATA = 0x01 };
enum { INTEGER_KEYS = 0x08 };

typedef struct {
    uint64_t root;
    uint16_t depth, flags;
    uint64_t branches, leaves, overflows, entries; /* pages and entries: as the meta page has it, less what was found */
} tree_t;

typedef struct {
    uint32_t page; /* bytes; 0: not sound */
    uint64_t txn, pages;
    tree_t free, main;
} meta_t;

typedef struct {
    int fd;
    uint64_t size, pages; /* of the file; named by the meta page */
    uint32_t page;        /* bytes of a page */
    tree_t free, main;    /* of the newer transaction */
    tree_t free_before;   /* of the older one */
    uint64_t txn, txn_before;
    uint8_t *claimed;
    const char *why;
} file_t;

static uint16_t u16(const uint8_t *p) {
    return (uint16_t)(p[0] | p[1] << 8);
}

static uint64_t u64(const uint8_t *p) {
    uint64_t value;
    memcpy(&value, p, sizeof value);
    return value;
}

static uint32_t u32(const uint8_t *p) {
    uint32_t value;
    memcpy(&value, p, sizeof value);
    return value;
}

static bool broken(file_t *file, const char *why) {
    file->why = why;
    return false;
}

static bool read_at(file_t *file, uint64_t offset, void *out, size_t n) {
    for (size_t done = 0; done < n;) {
        ssize_t got = pread(file->fd, (char *)out + done, n - done, (off_t)(offset + done));
        if (got < 0 && errno == EINTR) {
            continue;
        }
        if (got <= 0) {
            return broken(file, "the file ends inside its pages");
        }
        done += (size_t)got;
    }
    return true;
}

static tree_t tree_of(const uint8_t *db) {
    return (tree_t){u64(db + 40), u16(db + 6), u16(db + 4), u64(db + 8), u64(db + 16), u64(db + 24), u64(db + 32)};
}

/* Reads meta page 0 or 1; its size stays 0 when it is not sound. */
static void read_meta(file_t *file, uint64_t number, uint64_t offset, meta_t *ret) {
    uint8_t meta[META_BYTES];
    *ret = (meta_t){0};
    if (offset + META_BYTES > file->size || !read_at(file, offset, meta, sizeof meta)) {
        return;
    }
    const uint8_t *body = meta + PAGE_HEADER;
    uint32_t size = u32(body + 24);
    meta_t found = {size, u64(body + 128), u64(body + 120) + 1, tree_of(body + 24), tree_of(body + 72)};
    if (u64(meta) == number && u16(meta + 10) == META && u32(body) == 0xBEEFC0DEu && u32(body + 4) == 1 &&
        size >= 512 && size <= MAX_PAGE && (size & (size - 1)) == 0 && found.free.flags == INTEGER_KEYS &&
        found.main.flags == 0) {
        *ret = found;
    }
}

/* Both meta pages, as LMDB leaves them after any number of transactions. */
static bool read_metas(file_t *file, rv_reason_t *ret_reason) {
    meta_t meta[2];
    read_meta(file, 0, 0, &meta[0]);
    read_meta(file, 1, meta[0].page ? meta[0].page : 4096, &meta[1]);
    if (!meta[0].page && !meta[1].page) {
        *ret_reason = RV_REASON_FOREIGN;
        return broken(file, "it has no sound meta page of LMDB 0.9");
    }
    if (meta[0].page != meta[1].page) {
        return broken(file, "one of its two meta pages is damaged, so the last transaction may be missing");
    }
    uint64_t even = meta[0].txn, odd = meta[1].txn;
    bool fresh = even == 0 && odd == 0 && meta[0].main.root == NO_PAGE && meta[1].main.root == NO_PAGE;
    if (!fresh && ((even & 1) != 0 || (odd & 1) != 1 || (even - odd != 1 && odd - even != 1))) {
        return broken(file, "its two meta pages do not follow each other, so the last transaction may be missing");
    }
    const meta_t *newer = &meta[odd > even], *older = &meta[odd < even];
    file->page = newer->page;
    file->pages = newer->pages;
    file->free = newer->free;
    file->main = newer->main;
    file->free_before = older->free;
    file->txn = newer->txn;
    file->txn_before = older->txn;
    return true;
}

static bool claim(file_t *file, uint64_t first, uint64_t count) {
    if (first < 2 || count > file->pages || first > file->pages - count) {
        return broken(file, "a page number is out of range");
    }
    for (uint64_t p = first; p < first + count; p++) {
        if (file->claimed[p / 8] >> (p & 7) & 1) {
            return broken(file, "a page is used twice");
        }
        file->claimed[p / 8] = (uint8_t)(file->claimed[p / 8] | 1u << (p & 7));
    }
    return true;
}

/* The page numbers of one entry of the free list: a count, then numbers that fall. */
static bool claim_free(file_t *file, const uint8_t *list, size_t n) {
    if (n < 8 || u64(list) > (n - 8) / 8) {
        return broken(file, "an entry of the free list is too short");
    }
    for (uint64_t k = 0; k < u64(list); k++) {
        if (!claim(file, u64(list + 8 + 8 * k), 1)) {
            return false;
        }
    }
    return true;
}

/* A value on overflow pages. */
static bool check_big(file_t *file, tree_t *tree, uint64_t first, uint32_t n, bool is_free) {
    uint8_t header[PAGE_HEADER];
    uint64_t count = ((uint64_t)PAGE_HEADER - 1 + n) / file->page + 1;
    if (!claim(file, first, count) || !read_at(file, first * file->page, header, sizeof header)) {
        return false;
    }
    if (u64(header) != first || u16(header + 10) != OVERFLOW || u32(header + 12) < count) {
        return broken(file, "an overflow page is not one");
    }
    if (u32(header + 12) > count && !claim(file, first + count, u32(header + 12) - count)) {
        return false;
    }
    tree->overflows -= u32(header + 12);
    if (first * file->page + PAGE_HEADER + n > file->size) {
        return broken(file, "the file ends inside its pages");
    }
    if (!is_free) {
        return true;
    }
    uint8_t *list = malloc(n ? n : 1);
    bool ok = list ? read_at(file, first * file->page + PAGE_HEADER, list, n) && claim_free(file, list, n)
                   : broken(file, "there is no memory to read the free list");
    free(list);
    return ok;
}

static bool check_leaf_node(file_t *file, tree_t *tree, const uint8_t *page, uint16_t at, bool is_free) {
    const uint8_t *node = page + at;
    uint32_t n = (uint32_t)u16(node) | (uint32_t)u16(node + 2) << 16;
    uint32_t key = u16(node + 6), flags = u16(node + 4);
    uint32_t here = flags & BIG_DATA ? 8 : n;
    if (flags & ~(uint32_t)BIG_DATA || here > file->page || at + NODE_HEADER + key + here > file->page || key == 0) {
        return broken(file, "a node leaves its page");
    }
    const uint8_t *data = node + NODE_HEADER + key;
    tree->entries--;
    if (flags & BIG_DATA) {
        return check_big(file, tree, u64(data), n, is_free);
    }
    return !is_free || claim_free(file, data, n);
}

static uint32_t node_count(const uint8_t *page) {
    return (uint32_t)(u16(page + 12) - PAGE_HEADER) / 2;
}

/* Where node k starts. */
static uint16_t node_at(const uint8_t *page, uint32_t k) {
    return u16(page + PAGE_HEADER + 2 * k);
}

/* Reads a page of a tree; all its nodes start inside it. */
static bool read_page(file_t *file, tree_t *tree, uint64_t number, bool leaf, uint8_t *page) {
    *(leaf ? &tree->leaves : &tree->branches) -= 1;
    if (!claim(file, number, 1) || !read_at(file, number * file->page, page, file->page)) {
        return false;
    }
    uint16_t lower = u16(page + 12), upper = u16(page + 14);
    if (u64(page) != number || u16(page + 10) != (leaf ? LEAF : BRANCH) || lower < PAGE_HEADER + 2 || lower > upper ||
        upper > file->page) {
        return broken(file, "a page of a tree is not one");
    }
    for (uint32_t k = 0; k < node_count(page); k++) {
        if (node_at(page, k) < upper || node_at(page, k) + NODE_HEADER > file->page) {
            return broken(file, "a node leaves its page");
        }
    }
    return true;
}

/* Depth first, with one page a level. */
static bool check_tree(file_t *file, tree_t *tree, bool is_free, uint8_t *pages) {
    uint32_t next[MAX_DEPTH] = {0};
    if (tree->root == NO_PAGE) {
        return tree->depth == 0 || broken(file, "a tree has no root");
    }
    if (tree->depth == 0 || tree->depth > MAX_DEPTH) {
        return broken(file, "a tree is too deep");
    }
    uint32_t bottom = tree->depth - 1u, level = 0;
    if (!read_page(file, tree, tree->root, level == bottom, pages)) {
        return false;
    }
    for (;;) {
        uint8_t *page = pages + (size_t)level * file->page;
        if (level == bottom) {
            for (uint32_t k = 0; k < node_count(page); k++) {
                if (!check_leaf_node(file, tree, page, node_at(page, k), is_free)) {
                    return false;
                }
            }
        } else if (next[level] < node_count(page)) {
            const uint8_t *node = page + node_at(page, next[level]++);
            uint64_t child = (uint64_t)u16(node) | (uint64_t)u16(node + 2) << 16 | (uint64_t)u16(node + 4) << 32;
            level++;
            next[level] = 0;
            if (!read_page(file, tree, child, level == bottom, pages + (size_t)level * file->page)) {
                return false;
            }
            continue;
        }
        if (level == 0) {
            return true;
        }
        level--;
    }
}

/* The last key of a free list, which is the last transaction that freed pages; 0 when it is empty. */
static bool last_freed(file_t *file, const tree_t *tree, uint8_t *page, uint64_t *ret) {
    uint64_t number = tree->root;
    *ret = 0;
    if (number == NO_PAGE) {
        return true;
    }
    for (uint32_t level = 1; level <= tree->depth && level <= MAX_DEPTH; level++) {
        uint16_t kind = level == tree->depth ? LEAF : BRANCH;
        if (number >= file->size / file->page || !read_at(file, number * file->page, page, file->page)) {
            return broken(file, "the file ends inside its pages");
        }
        uint16_t lower = u16(page + 12), upper = u16(page + 14);
        bool sound = u64(page) == number && u16(page + 10) == kind && lower >= PAGE_HEADER + 2 && lower <= upper &&
                     upper <= file->page;
        uint32_t at = sound ? node_at(page, node_count(page) - 1) : file->page;
        if (at + NODE_HEADER + 8 > file->page) {
            return broken(file, "a page of a tree is not one");
        }
        const uint8_t *node = page + at;
        number = (uint64_t)u16(node) | (uint64_t)u16(node + 2) << 16 | (uint64_t)u16(node + 4) << 32;
        *ret = u64(node + NODE_HEADER);
    }
    return true;
}

/* A meta page may carry another number than its transaction's and still be the neighbour of the other one. But no tree
 * knows of pages that a later transaction freed, and the newer one knows at least what the older one did. */
static bool check_numbers(file_t *file, uint8_t *page) {
    uint64_t freed, before;
    if (!last_freed(file, &file->free, page, &freed) || !last_freed(file, &file->free_before, page, &before)) {
        return false;
    }
    return (freed <= file->txn && before <= file->txn_before && before <= freed) ||
           broken(file, "a meta page has another number than its transaction's, so the last one may be missing");
}

/* What the meta page counts is what was found. */
static bool check_counts(file_t *file, const tree_t *tree) {
    return (tree->branches | tree->leaves | tree->overflows | tree->entries) == 0 ||
           broken(file, "it has not as many pages and entries as its meta page counts");
}

/* The walk itself; *ret_reason is FOREIGN when the file is no environment at all. */
static bool inspect(file_t *file, rv_reason_t *ret_reason) {
    *ret_reason = RV_REASON_DAMAGED;
    if (!read_metas(file, ret_reason)) {
        return false;
    }
    if (file->size < 2 * (uint64_t)file->page) {
        return broken(file, "the file ends inside its pages");
    }
    if (file->pages > RV_MAP_SIZE / file->page) {
        return broken(file, "its meta page names more pages than a map has");
    }
    file->claimed = calloc(file->pages / 8 + 1, 1);
    uint8_t *pages = calloc(MAX_DEPTH, file->page);
    bool ok = file->claimed && pages
                  ? check_tree(file, &file->main, false, pages) && check_tree(file, &file->free, true, pages) &&
                        check_counts(file, &file->main) && check_counts(file, &file->free) && check_numbers(file, pages)
                  : broken(file, "there is no memory to check its pages");
    free(pages);
    free(file->claimed);
    return ok;
}

rv_status_t rvw_inspect(const char *path, rv_error_t *err) {
    file_t file = {.fd = open(path, O_RDWR | O_CLOEXEC), .why = ""};
    struct stat st;
    rv_reason_t reason;
    if (file.fd < 0) {
        return errno == ENOENT ? rv_fail(err, RV_REASON_MISSING, "there is no file %s", path)
                               : rv_fail(err, RV_REASON_FOREIGN, "cannot open %s: %s", path, strerror(errno));
    }
    rv_status_t status = RV_OK;
    if (fstat(file.fd, &st) != 0 || !S_ISREG(st.st_mode)) {
        status = rv_fail(err, RV_REASON_FOREIGN, "%s is not a regular file", path);
        goto opened;
    }
    file.size = (uint64_t)st.st_size;
    if (!inspect(&file, &reason)) {
        /* An empty or cut file was an environment once: that is a loss, not a stranger. */
        reason = file.size < META_BYTES ? RV_REASON_DAMAGED : reason;
        status = rv_fail(err, reason, "%s cannot be used: %s", path, file.why);
        goto opened;
    }
    if (file.size < file.pages * file.page && ftruncate(file.fd, (off_t)(file.pages * file.page)) != 0) {
        status = rv_fail_as(err, RV_DATA_LOSS, RV_REASON_DAMAGED, "cannot extend %s to its full length: %s", path,
                            strerror(errno));
    }
opened:
    close(file.fd);
    return status;
}
