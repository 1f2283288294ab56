/* methods.h: the table of all methods that clients may call. */
#ifndef REVEILLE_COORDINATOR_METHODS_H
#define REVEILLE_COORDINATOR_METHODS_H

#include "gateway.h"

/* Ends with a NULL name. Handlers take the core as context. */
extern const rvc_method_t rvc_methods[];

#endif
