/* bucket.h: what a number of bucket(x, e1, ..., en) means, for tables. */
#ifndef REVEILLE_CLI_BUCKET_H
#define REVEILLE_CLI_BUCKET_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define RV_BUCKET_EDGES 64u

typedef struct {
    size_t n; /* edges; 0: the text is no bucket(...) with literal edges */
    const char *edge[RV_BUCKET_EDGES];
    size_t length[RV_BUCKET_EDGES];
} rv_bucket_t;

/* Understands the text of an expression; edges are borrowed from it. */
bool rv_bucket_parse(const char *text, rv_bucket_t *ret);
/* "30 days .. 90 days", "< 30 days", ">= 365 days" for the number of a bucket; 0 when there is no such bucket. */
size_t rv_bucket_label(const rv_bucket_t *bucket, int64_t number, char *out, size_t cap);

#endif
