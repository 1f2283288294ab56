/* company.c: one company read as a whole, at the writer's place in the order of writes: what its other copies are made
 * of. Under the apply lock, so that version and values are of one state while tails and bases are exchanged. */
#include "apply.h"
#include "current.h"

/* One cell; text out of the partition's memory. */
static rv_status_t read_cell(const rvw_partition_t *p, uint32_t row, const rv_attribute_t *as, rv_arena_t *arena,
                             rv_value_t *ret, rv_error_t *err) {
    char buf[300];
    rvw_current_t place = {.table = RVW_COMPANIES, .id = as->id};
    rvw_current_go(&place, p, row);
    rv_status_t status = rvw_current_value(&place, p, row, as->type, as->scale, buf, ret, err);
    if (status || !ret->present || rvw_kind(as->type) != RVW_KIND_TEXT) {
        return status;
    }
    ret->s.p = rv_arena_strndup(arena, ret->s.p, ret->s.n);
    return ret->s.p ? RV_OK : rv_fail_memory(err, "a company");
}

static rv_status_t read_company(const rvw_partition_t *p, rv_str_t key, const rv_attribute_t *attributes, size_t n,
                                rv_arena_t *arena, uint64_t *ret_version, rv_value_t *ret_values, rv_error_t *err) {
    static const rv_attribute_t VERSION = {.id = RVW_VERSION, .type = RV_INT};
    uint32_t row;
    rv_value_t version;
    *ret_version = 0;
    rv_status_t status = rvw_writer_find(p, RVW_COMPANIES, key, &row, err);
    if (status || row == RVW_NO_ROW) {
        return status;
    }
    status = read_cell(p, row, &VERSION, arena, &version, err);
    if (status || !version.present) {
        return status;
    }
    *ret_version = (uint64_t)version.i;
    for (size_t i = 0; status == RV_OK && i < n; i++) {
        status = read_cell(p, row, &attributes[i], arena, &ret_values[i], err);
    }
    return status;
}

rv_status_t rvw_partition_company(rvw_partition_t *p, rv_str_t key, const rv_attribute_t *attributes, size_t n,
                                  rv_arena_t *arena, uint64_t *ret_version, rv_value_t *ret_values, rv_error_t *err) {
    rv_status_t status = rvw_in_service(p, err);
    if (status) {
        return status;
    }
    pthread_mutex_lock(&p->apply);
    status = read_company(p, key, attributes, n, arena, ret_version, ret_values, err);
    pthread_mutex_unlock(&p->apply);
    return status;
}
