/* log.h: what a daemon says: one line a message on stderr, "time level id message", with a stable message id. Thread
 * safe. Never log keys or values of contacts. */
#ifndef REVEILLE_LOG_H
#define REVEILLE_LOG_H

typedef enum { RV_LOG_DEBUG, RV_LOG_INFO, RV_LOG_WARN, RV_LOG_ERROR } rv_log_level_t;

void rv_log_level(rv_log_level_t least);
/* `id` is a stable word like "partition-opened". */
void rv_log(rv_log_level_t level, const char *id, const char *format, ...) __attribute__((format(printf, 3, 4)));

#endif
