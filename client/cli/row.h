/* row.h: one record of a file as the cells of one row, or the reason why it cannot be. */
#ifndef REVEILLE_CLI_ROW_H
#define REVEILLE_CLI_ROW_H

#include "field.h"
#include "gather.h"

typedef struct rv_row rv_row_t;

/* Targets and columns are borrowed. NULL without memory. */
rv_row_t *rv_row_new(const rv_targets_t *targets, const rv_columns_t *columns, bool empty_unsets, bool require_id);
void rv_row_destroy(rv_row_t **row);
/* Types of events that the schema declares; others are refused. */
bool rv_row_types(rv_row_t *row, Reveille__V1__EventType *const *types, size_t n);
/* A CSV record, whose column c goes to target of[c]. NULL: done, the cells are rv_row_cells; otherwise the reason,
 * borrowed until the next. */
const char *rv_row_csv(rv_row_t *row, const rv_csv_record_t *record, const int *of, size_t n_columns);
/* A line with one JSON object: members are columns, null takes the value away. */
const char *rv_row_json(rv_row_t *row, const char *text, size_t n);
/* A cell a target; borrowed until the next row. */
const rv_cell_in_t *rv_row_cells(const rv_row_t *row);

#endif
