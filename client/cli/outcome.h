/* outcome.h: what a write's answer means for the command line. */
#ifndef REVEILLE_CLI_OUTCOME_H
#define REVEILLE_CLI_OUTCOME_H

#include "reveille/status.h"
#include "reveille/v1/write.pb-c.h"

/* OK when every partition took its part. Items that were refused are no failure here. NULL is OK. */
rv_status_t rv_write_result(const Reveille__V1__WriteResult *result, rv_error_t *err);

#endif
