/* record.h: bytes of meta records: little writers and bounded readers, and the checksum in front. */
#ifndef REVEILLE_COORDINATOR_RECORD_H
#define REVEILLE_COORDINATOR_RECORD_H

#include "cluster.h"
#include "meta.h"
#include "reveille/valcodec.h"

/* A record is xxh3_64(key, bytes) and the bytes. False without memory. */
bool rvc_record_seal(const char *key, size_t key_n, const rv_bytes_t *bytes, rv_bytes_t *out);
/* The bytes of a sealed record, or NULL when its checksum does not hold. */
const uint8_t *rvc_record_open(const char *key, size_t key_n, const uint8_t *sealed, size_t n, size_t *ret_n);

bool rvc_record_put_identity(rv_bytes_t *out, const rvc_identity_t *identity);
bool rvc_record_get_identity(const uint8_t *p, size_t n, rvc_identity_t *ret);
bool rvc_record_put_map(rv_bytes_t *out, const rvc_placement_t *map, uint32_t count);
bool rvc_record_get_map(const uint8_t *p, size_t n, rvc_placement_t *map, uint32_t count);
bool rvc_record_put_import(rv_bytes_t *out, const rvc_import_record_t *record);
bool rvc_record_get_import(const uint8_t *p, size_t n, rvc_import_record_t *ret);

/* Keys of companies, one after the other; `lengths` of 1 to RV_MAX_KEY. */
bool rvc_record_put_keys(rv_bytes_t *out, const uint8_t *keys, const uint32_t *lengths, size_t n);
/* How many there are and how long they are together, then the keys themselves. */
bool rvc_record_count_keys(const uint8_t *p, size_t n, size_t *ret_keys, size_t *ret_bytes);
void rvc_record_get_keys(const uint8_t *p, size_t n, uint8_t *keys, uint32_t *lengths);

#endif
