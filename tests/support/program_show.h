/* program_show.h: nodes of a compiled program as text, for tests that say what a filter becomes. */
#ifndef RV_TESTS_PROGRAM_SHOW_H
#define RV_TESTS_PROGRAM_SHOW_H

#include "reveille/catalog.h"

/* "(AND (TRUTH email_consent) (NOT (EXISTS purchase after(30 days ago))))": names of the catalog, times as an offset
 * from T. To be freed. */
char *rvt_show(const Reveille__V1__Program *program, const rv_catalog_t *catalog, uint32_t node);

#endif
