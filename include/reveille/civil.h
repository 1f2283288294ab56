/* civil.h: instants, dates and durations as text and back. All times are int64 ms since 1970-01-01T00:00:00Z, UTC. */
#ifndef REVEILLE_CIVIL_H
#define REVEILLE_CIVIL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define RV_DAY_MS 86400000ll

/* Days since 1970-01-01 of a proleptic Gregorian date; no checks. */
int64_t rv_civil_days(int year, unsigned month, unsigned day);
/* The date of a day. */
void rv_civil_date(int64_t days, int *year, unsigned *month, unsigned *day);
/* YYYY-MM-DD, a real date of years 0000 to 9999, or with an expanded year as ISO 8601 writes the others (+10000-01-01,
 * -0001-12-31) as far as milliseconds in 64 bits go; false otherwise. */
bool rv_date_parse(const char *text, size_t n, int64_t *ret_days);
/* RFC 3339: date, 'T' or ' ', hh:mm[:ss[.f...]], then Z or an offset. Without an offset: UTC when `naive_utc`,
 * otherwise false. A bare date is midnight when `naive_utc`. More than 3 decimals are accepted only when the rest are
 * zeros. Seconds 60 is refused. */
bool rv_time_parse(const char *text, size_t n, bool naive_utc, int64_t *ret_ms);
/* "2026-11-01T00:00:00.000Z", 24 characters and NUL; more for years outside 0 to 9999, which are expanded. */
size_t rv_time_format(int64_t ms, char out[32]);
/* "2026-11-01", 10 characters and NUL; more for years outside 0 to 9999. */
size_t rv_date_format(int64_t days, char out[32]);
/* One duration of the filter language ("30 days", "1 week"), fixed units only. */
bool rv_duration_parse(const char *text, size_t n, int64_t *ret_ms);
/* In the greatest unit that is exact: "30 days", "90 seconds", "1500 ms". */
size_t rv_duration_format(int64_t ms, char out[48]);

#endif
