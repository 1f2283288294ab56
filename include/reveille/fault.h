/* fault.h: named fault points, compiled in only with RV_FAULTS. REV_FAULT="name:action[:nth[,name:...]]" arms them:
 * actions kill (raise SIGKILL), err (the point reports failure). nth (default 1) is the hit that fires. A plan that is
 * not understood aborts the process. */
#ifndef REVEILLE_FAULT_H
#define REVEILLE_FAULT_H

#include <stdbool.h>

#ifdef RV_FAULTS
/* True when the point is to report failure. */
bool rv_fault(const char *name);
#define RV_FAULT(name) rv_fault(name)
#else
#define RV_FAULT(name) false
#endif

#endif
