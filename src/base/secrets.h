/* The run's secrets (keys, tokens): whatever text leaves for a database, a log, a report or the
 * terminal passes secrets_hide first, which puts "[redacted]" in the place of each secret, in its
 * plain and JSON-escaped form.
 *
 * Filled before threads start (or under its own lock later); reading is thread-safe. Values shorter
 * than 4 bytes are refused, since they would redact innocent text; the caller says so. The
 * percent-encoded form of URLs is found as well, and any mixture of escaped and plain characters.
 * NULL secrets hide nothing, so that units can be tested alone. */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "base/buf.h"
#include "base/span.h"

struct secrets;

struct secrets *secrets_new(void);
void secrets_free(struct secrets *secrets);
bool secrets_add(struct secrets *secrets, struct span value); /* false: too short to be hidden */
bool secrets_found(struct secrets *secrets, struct span text);
/* Appends the text with every secret hidden to `out`. */
void secrets_hide(struct secrets *secrets, struct span text, struct buf *out);
/* A copy with every secret hidden, released by free(). NULL stays NULL. */
char *secrets_hidden(struct secrets *secrets, const char *text);
/* "http://user:pass@host/x?access_token=…" without password and without the values of token-like
 * query fields. */
char *secrets_url(struct secrets *secrets, const char *url);
