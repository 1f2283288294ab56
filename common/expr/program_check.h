/* program_check.h: between the two files that check a program from the wire. Private to common/expr. */
#ifndef REVEILLE_EXPR_PROGRAM_CHECK_H
#define REVEILLE_EXPR_PROGRAM_CHECK_H

#include "builder.h"
#include <math.h>

typedef struct {
    const Reveille__V1__Program *program;
    const rv_catalog_t *catalog;
    uint8_t *domains; /* of the nodes up to the one being checked */
} expr_check_t;

/* Both give NULL, or what is wrong with the node, in words that follow "node 7". Its arguments are known to be earlier
 * nodes. */
const char *rv_expr_check_node(const expr_check_t *c, size_t number);
/* The value is of the type and well formed; of a DECIMAL *ret_scale gets the places. */
bool rv_expr_value_is(const Reveille__V1__Value *value, rv_type_t type, unsigned *ret_scale);
/* Each value, all well formed and of one kind, is less than the next. */
bool rv_expr_rises(Reveille__V1__Value *const *values, size_t n);
/* The selection, funnel or score that a node refers to is there and refers to earlier nodes only. */
const char *rv_expr_check_reference(const expr_check_t *c, size_t number);

#endif
