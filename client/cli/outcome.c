/* outcome.c: a write that reached only some partitions is a failure with the first partition's reason. No state. */
#include "outcome.h"
#include "reveille/wire.h"
#include <stdio.h>
#include <string.h>

rv_status_t rv_write_result(const Reveille__V1__WriteResult *result, rv_error_t *err) {
    size_t failed = 0;
    const Reveille__V1__PartitionResult *first = NULL;
    for (size_t i = 0; result && i < result->n_partitions; i++)
        if (result->partitions[i]->status && result->partitions[i]->status->code != REVEILLE__V1__CODE__CODE_OK) {
            first = first ? first : result->partitions[i];
            failed++;
        }
    if (!first)
        return RV_OK;
    rv_error_t why = {0};
    rv_status_t status = rv_wire_error(first->status, &why);
    rv_fail_as(err, status, why.reason, "%zu of %zu partitions did not take their part; partition %u: %.300s", failed,
               result->n_partitions, first->partition, why.message);
    return status;
}
