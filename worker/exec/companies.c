/* companies.c: whole companies for their other copies.
 *
 * Rows are read until the page is full, and then turned into columns. A value that is missing is sent as unset, so a
 * page says all of its rows and columns and leans on no other page. A company that is larger than a page comes alone,
 * one range of attributes a page; each page carries the version that it was read under. Failure: those of the reads, no
 * memory in the arena, INVALID_ARGUMENT for a request that does not fit together.
 */
#include <string.h>

#include "exec.h"
#include "message.h"
#include "task.h"

#define CELLS 65536u /* values held at once */
#define FULL (RVW_PAGE_BYTES / 2)

typedef struct {
    const rv_attribute_t *attributes;
    size_t n_attributes, first, last; /* the page has the attributes from first to before last */
    size_t n, cap, bytes;             /* rows */
    rv_str_t *keys;
    uint64_t *versions;
    rv_value_t *values; /* a row of all attributes a company */
} page_t;

static size_t cells_bytes(const page_t *page, const rv_value_t *values) {
    size_t bytes = 0;
    for (size_t a = 0; a < page->n_attributes; a++)
        bytes += rvw_value_bytes(page->attributes[a].type, &values[a]);
    return bytes;
}

/* Only as many attributes of the one row as fit, at least one. */
static void cut(page_t *page) {
    size_t bytes = 0;
    for (page->last = page->first; page->last < page->n_attributes; page->last++) {
        bytes += rvw_value_bytes(page->attributes[page->last].type, &page->values[page->last]);
        if (bytes > FULL && page->last > page->first)
            return;
    }
}

static Reveille__V1__Column *make_column(const page_t *page, size_t a, rv_value_t *values, rv_arena_t *arena,
                                         rv_error_t *err) {
    const rv_attribute_t *as = &page->attributes[a];
    for (size_t i = 0; i < page->n; i++)
        values[i] = page->values[i * page->n_attributes + a];
    Reveille__V1__Column *column = rvw_message_column(arena, as->id, as->type, as->scale, values, page->n, err);
    if (!column || !column->present.len)
        return column;
    column->unset.len = column->present.len;
    column->unset.data = rv_arena_alloc(arena, column->unset.len);
    if (!column->unset.data) {
        rv_fail_memory(err, "companies");
        return NULL;
    }
    for (size_t i = 0; i < column->unset.len; i++)
        column->unset.data[i] = (uint8_t)~column->present.data[i];
    return column;
}

static rv_status_t make_batch(const page_t *page, rv_arena_t *arena, Reveille__V1__CompanyBatch **ret,
                              rv_error_t *err) {
    Reveille__V1__CompanyBatch *batch = rv_arena_alloc(arena, sizeof *batch);
    Reveille__V1__EntityBatch *rows = rv_arena_alloc(arena, sizeof *rows);
    rv_value_t *values = rv_arena_alloc(arena, (page->n + 1) * sizeof *values);
    Reveille__V1__Column **columns = rv_arena_alloc(arena, (page->n_attributes + 1) * sizeof *columns);
    if (!batch || !rows || !values || !columns)
        return rv_fail_memory(err, "companies");
    reveille__v1__company_batch__init(batch);
    reveille__v1__entity_batch__init(rows);
    batch->batch = rows;
    batch->versions = page->versions;
    batch->n_versions = page->n;
    rows->attributes = columns;
    rows->keys = rvw_message_strings(arena, page->keys, page->n, err);
    if (!rows->keys)
        return RV_INTERNAL;
    for (size_t a = page->first; page->n && a < page->last; a++)
        if (!(columns[rows->n_attributes++] = make_column(page, a, values, arena, err)))
            return RV_INTERNAL;
    *ret = batch;
    return RV_OK;
}

static rv_status_t open_page(page_t *page, const rv_catalog_t *catalog, const Reveille__V1__CompaniesRequest *request,
                             rv_arena_t *arena, rv_error_t *err) {
    size_t keys = request->keys ? request->keys->n_lengths : 0, bytes = 0;
    *page = (page_t){0};
    page->attributes = rv_catalog_company_attributes(catalog, &page->n_attributes);
    page->first = request->skip < page->n_attributes ? request->skip : 0;
    page->last = page->n_attributes;
    for (size_t i = 0; i < keys; i++)
        bytes += request->keys->lengths[i];
    if (request->n_home_of != keys || (keys && request->keys->data.len != bytes))
        return rv_fail(err, RV_REASON_REQUEST, "keys and homes of companies do not fit together");
    for (size_t i = 0; i < keys; i++)
        if (request->home_of[i] >= request->n_homes)
            return rv_fail(err, RV_REASON_REQUEST, "a company's home is not among those named");
    page->cap = CELLS / (page->n_attributes + 1) + 1;
    page->cap = page->cap < keys ? page->cap : keys;
    page->keys = rv_arena_alloc(arena, (page->cap + 1) * sizeof *page->keys);
    page->versions = rv_arena_alloc(arena, (page->cap + 1) * sizeof *page->versions);
    page->values = rv_arena_alloc(arena, ((page->cap + 1) * page->n_attributes + 1) * sizeof *page->values);
    return page->keys && page->versions && page->values ? RV_OK : rv_fail_memory(err, "companies");
}

/* Takes the next company; *ret_full when it is not on the page and belongs to the next one. */
static rv_status_t add(page_t *page, rvw_partition_t *home, rv_str_t key, bool whole, rv_arena_t *arena, bool *ret_full,
                       rv_error_t *err) {
    rv_value_t *values = page->values + page->n * page->n_attributes;
    uint64_t version;
    rv_status_t status =
        rvw_partition_company(home, key, page->attributes, page->n_attributes, arena, &version, values, err);
    if (status != RV_OK || !version)
        return status;
    size_t bytes = cells_bytes(page, values) + key.n + 16;
    *ret_full = page->n == page->cap || (page->n && page->bytes + bytes > FULL);
    if (*ret_full)
        return RV_OK;
    page->keys[page->n] = key;
    page->versions[page->n++] = version;
    page->bytes += bytes;
    if (!whole || bytes > FULL) {
        cut(page);
        *ret_full = true;
    }
    return RV_OK;
}

rv_status_t rvw_companies(rvw_partition_t *const *homes, const rv_catalog_t *catalog,
                          const Reveille__V1__CompaniesRequest *request, rv_arena_t *arena,
                          Reveille__V1__CompaniesResponse **ret, rv_error_t *err) {
    Reveille__V1__CompaniesResponse *response = rv_arena_alloc(arena, sizeof *response);
    page_t page;
    rv_status_t status = response ? open_page(&page, catalog, request, arena, err) : rv_fail_memory(err, "companies");
    if (status != RV_OK)
        return status;
    reveille__v1__companies_response__init(response);
    response->schema_version = rv_catalog_schema_version(catalog);
    size_t keys = request->n_home_of;
    const char *at = keys ? (const char *)request->keys->data.data : "";
    bool full = false;
    while (!full && response->done < keys) {
        rv_str_t key = {at, request->keys->lengths[response->done]};
        size_t before = page.n;
        status = add(&page, homes[request->home_of[response->done]], key, page.first == 0, arena, &full, err);
        if (status != RV_OK)
            return status;
        if (full && (page.n == before || page.last < page.n_attributes))
            break;
        page.first = page.n ? page.first : 0; /* what was skipped was of a company that is not there */
        at += key.n;
        response->done++;
    }
    response->skip = full && page.last < page.n_attributes ? (uint32_t)page.last : 0;
    status = make_batch(&page, arena, &response->batch, err);
    if (status == RV_OK)
        *ret = response;
    return status;
}
