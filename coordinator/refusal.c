/* refusal.c: a count, a mark an item, and the first reasons as messages ready to send. When the arena is full reasons
 * are left out; the count is always right. */
#include "refusal.h"
#include "reveille/wire.h"
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

rv_status_t rvc_refusals_init(rvc_refusals_t *refusals, size_t items, rv_arena_t *arena, rv_error_t *err) {
    *refusals = (rvc_refusals_t){.arena = arena, .bad = rv_arena_zalloc(arena, items + 1, 1)};
    return refusals->bad ? RV_OK : rv_fail(err, RV_REASON_QUOTA, "a batch of %zu items needs too much memory", items);
}

void rvc_refusals_add(rvc_refusals_t *refusals, size_t item, const rv_error_t *why) {
    refusals->total++;
    if (refusals->n == RVC_MAX_REFUSALS)
        return;
    struct {
        Reveille__V1__ItemError item;
        Reveille__V1__Status status;
        Reveille__V1__ErrorDetail detail;
        Reveille__V1__ErrorDetail *details[1];
    } *made = rv_arena_alloc(refusals->arena, sizeof *made);
    char *message = made ? rv_arena_strndup(refusals->arena, why->message, strlen(why->message)) : NULL;
    char *field = message ? rv_arena_strndup(refusals->arena, why->field, strlen(why->field)) : NULL;
    if (!field)
        return;
    rv_wire_status(why, &made->status, &made->detail, made->details);
    made->status.message = message;
    made->detail.field = field;
    reveille__v1__item_error__init(&made->item);
    made->item.index = (uint32_t)item;
    made->item.status = &made->status;
    refusals->items[refusals->n++] = &made->item;
}

void rvc_refuse(rvc_refusals_t *refusals, size_t item, const char *field, const char *format, ...) {
    if (refusals->bad[item])
        return;
    refusals->bad[item] = 1;
    rv_error_t why;
    char text[sizeof why.message];
    va_list args;
    va_start(args, format);
    vsnprintf(text, sizeof text, format, args);
    va_end(args);
    rv_fail(&why, RV_REASON_FIELD, "%s", text);
    snprintf(why.field, sizeof why.field, "%s", field);
    rvc_refusals_add(refusals, item, &why);
}

static int by_index(const void *a, const void *b) {
    uint32_t x = (*(Reveille__V1__ItemError *const *)a)->index, y = (*(Reveille__V1__ItemError *const *)b)->index;
    return x < y ? -1 : x > y;
}

void rvc_refusals_sort(rvc_refusals_t *refusals) {
    if (refusals->n)
        qsort(refusals->items, refusals->n, sizeof refusals->items[0], by_index);
}
