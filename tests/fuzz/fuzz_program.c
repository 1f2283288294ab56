/* fuzz_program.c: any bytes as a program from the wire: unpacked, checked, and its domains found when it passes. */
#include "../support/expr_catalog.h"
#include "reveille/expr.h"
#include "reveille/limits.h"
#include "reveille/wire.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n);

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n) {
    static rv_catalog_t *catalog;
    static uint8_t domains[RV_MAX_NODES];
    rv_arena_t arena;
    rv_error_t err = {0};
    ProtobufCMessage *message;
    if (!catalog)
        catalog = rvt_expr_catalog();
    rv_arena_init(&arena, RV_MAX_UNPACK);
    if (rv_wire_unpack(&reveille__v1__program__descriptor, bytes, n, &arena, &message, &err) == RV_OK) {
        const Reveille__V1__Program *program = (const Reveille__V1__Program *)message;
        rv_status_t status = rv_program_check(program, catalog, &err);
        if (status == RV_OK)
            rv_program_domains(program, domains);
        else if (status != RV_INVALID_ARGUMENT || err.message[0] == 0)
            abort();
    }
    rv_arena_done(&arena);
    return 0;
}
