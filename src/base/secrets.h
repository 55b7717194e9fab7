/* The run's secrets (keys, tokens): whatever text leaves for a database, a log, a report or the
 * terminal passes secrets_hide first, which puts "[redacted]" in the place of each secret, however
 * it is spelled (base/spelling.h): plain, JSON-escaped once or several fold, percent-encoded. JSON
 * stays JSON: an escape that a secret begins or ends in the middle of goes with it.
 *
 * Secrets of SECRETS_SHORTEST_CODED bytes or more are hidden in base64 too, in both alphabets, also
 * as a part of a longer text that was encoded. A digit at each end may stay: it holds bits of what
 * is beside the secret, and at most four of the secret's own. Base64 broken into lines, and base64
 * of an escaped spelling, are not looked through.
 *
 * Filled before threads start (or under its own lock later); reading is thread-safe. Values shorter
 * than SECRETS_SHORTEST are refused, since they would redact innocent text, and so are more than
 * SECRETS_MOST. NULL secrets hide nothing, so that units can be tested alone.
 *
 * Text is hidden first and cut then. Where a sentence was cut before, it ends with "…", and the
 * beginning of a secret directly before that is hidden as well. */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "base/buf.h"
#include "base/span.h"

enum {
    SECRETS_SHORTEST = 4,       /* bytes */
    SECRETS_SHORTEST_CODED = 8, /* ten digits of base64: no text has them by accident */
    SECRETS_MOST = 256,         /* not counting what base64 makes of them */
};

struct log;
struct secrets;

struct secrets *secrets_new(void);
void secrets_free(struct secrets *secrets);
bool secrets_add(struct secrets *secrets, struct span value); /* false: refused */
/* The same for a value that a user or a script gave, `what` in words ("the API key"): a warning
 * says, once for a value, that it is refused. Blanks around it are not part of it. */
void secrets_register(struct secrets *secrets, struct span value, const char *what,
                      struct log *log);

bool secrets_found(struct secrets *secrets, struct span text);
/* Appends the text with every secret hidden to `out`. */
void secrets_hide(struct secrets *secrets, struct span text, struct buf *out);
/* The same up to about `most` bytes; "…" shows that there was more. */
void secrets_hide_cut(struct secrets *secrets, struct span text, size_t most, struct buf *out);
/* A copy with every secret hidden, released by free(). NULL stays NULL. */
char *secrets_hidden(struct secrets *secrets, const char *text);
/* "http://user:pass@host/x?access_token=…" without password (or the user's name, when it stands
 * alone) and without the values of token-like query fields. */
char *secrets_url(struct secrets *secrets, const char *url);

/* ---- what of the user's words is secret (base/secrets_words.c) ---- */
/* What secrets_url hides in this URL, and what libcurl makes of it: "Basic …". */
void secrets_register_url(struct secrets *secrets, const char *url, const char *what,
                          struct log *log);
/* Name and password as "Basic …" sends them; the password alone too. */
void secrets_register_login(struct secrets *secrets, struct span user, struct span password,
                            const char *what, struct log *log);
/* Whether a header (or field) of that name holds a secret whatever its value is: "Authorization",
 * "x-api-key", "Set-Cookie". */
bool secrets_name(struct span name);
/* The same for a field of a request's body, where many names are innocent that no header would
 * have: "eos_token", "prompt_cache_key". "api_key", "access_token" and "client_secret" are not. */
bool secrets_field(struct span name);
/* "Name: value", if the name is that of a confidential header; "Bearer X" hides X as well. */
void secrets_register_header(struct secrets *secrets, const char *line, struct log *log);
