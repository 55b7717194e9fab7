/* Numbers with units, as people type and read them. Parsing takes the whole text or fails with a
 * sentence. */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "base/err.h"

/* "300" (seconds), "1.5", "50ms", "20us", "7ns", "90s", "20m", "3h", "2d", "1h30m", "1m 30s" →
 * nanoseconds. No sign. */
bool units_duration(const char *text, uint64_t *ns, struct err *err) MUST_CHECK;
/* "64", "64k", "64K", "64KB", "64KiB", "1.5G" → bytes (1K = 1024). */
bool units_size(const char *text, uint64_t *bytes, struct err *err) MUST_CHECK;
/* "10%", "0.1" → 0.1; 0…1 (0%…100%). */
bool units_share(const char *text, double *share, struct err *err) MUST_CHECK;
bool units_integer(const char *text, int64_t *value, struct err *err) MUST_CHECK;
bool units_number(const char *text, double *value, struct err *err) MUST_CHECK; /* finite decimal */

/* Short human forms into `out`, which is returned: "1.24 s", "350 ms", "1.5 GiB", "12,345", "1h 02m
 * 03s". */
char *units_show_seconds(char *out, size_t size, double seconds);
char *units_show_bytes(char *out, size_t size, double bytes);
char *units_show_count(char *out, size_t size, uint64_t count);
char *units_show_span(char *out, size_t size, double seconds);
