/* client.h: libreveille: calls to a cluster over ZeroMQ. One client is used by one thread at a time. */
#ifndef REVEILLE_CLIENT_H
#define REVEILLE_CLIENT_H

#include "reveille/status.h"
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#define RV_API __attribute__((visibility("default")))

typedef struct rv_client rv_client_t;
typedef struct rv_call rv_call_t;

/* `endpoint` like "tcp://127.0.0.1:7600". Does not wait for a connection. */
RV_API rv_status_t rv_client_new(const char *endpoint, rv_client_t **ret, rv_error_t *err);
RV_API void rv_client_destroy(rv_client_t **client);

/* One request, one reply. `body` is the packed request message. *ret_body is malloc'ed (free() it), NULL unless OK.
 * A request above 1 MiB is refused here: INVALID_ARGUMENT/LIMIT. UNAVAILABLE when nobody answers in time. */
RV_API rv_status_t rv_client_call(rv_client_t *client, const char *method, const uint8_t *body, size_t n,
                                  uint32_t timeout_ms, uint8_t **ret_body, size_t *ret_n, rv_error_t *err);

/* Streams. Several calls may be open at once on one client. */
RV_API rv_status_t rv_call_open(rv_client_t *client, const char *method, const uint8_t *body, size_t n,
                                uint32_t timeout_ms, rv_call_t **ret, rv_error_t *err);
/* Sends one more message of a client stream, or (body NULL) its end. */
RV_API rv_status_t rv_call_send(rv_call_t *call, const uint8_t *body, size_t n, rv_error_t *err);
/* Waits for the next reply of this call; grants credit by itself. *ret_more is false with the last one. */
RV_API rv_status_t rv_call_receive(rv_call_t *call, uint8_t **ret_body, size_t *ret_n, bool *ret_more, rv_error_t *err);
/* A reply of this call is here already: receive would not wait. */
RV_API bool rv_call_ready(rv_call_t *call);
/* Cancels a call that has not ended, and frees it. */
RV_API void rv_call_close(rv_call_t **call);

#ifdef __cplusplus
}
#endif
#endif
