/* Values into the parameters of a prepared statement. Each call takes the next parameter; the first
 * failure is kept and the rest does nothing. For what writes databases. */
#pragma once

#include <sqlite3.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/secrets.h"

struct bind {
    sqlite3_stmt *stmt;
    struct secrets *secrets; /* may be NULL */
    int at;                  /* parameters filled so far */
    int code;                /* first failure, or SQLITE_OK */
};

struct bind bind_begin(sqlite3_stmt *stmt, struct secrets *secrets);
void bind_null(struct bind *bind);
void bind_integer(struct bind *bind, int64_t value);
void bind_count(struct bind *bind, uint64_t value);
void bind_known(struct bind *bind, int64_t value); /* negative → NULL */
void bind_ns(struct bind *bind, uint64_t ns);      /* 0 → NULL */
void bind_number(struct bind *bind, double value); /* NAN and infinities → NULL */
/* Secrets hidden, made clean UTF-8; NULL and "" → NULL. */
void bind_text(struct bind *bind, const char *text);
/* Secrets hidden; bytes that are no UTF-8 text become a BLOB, so that nothing is lost. The bytes
 * must live until bind_step. */
void bind_bytes(struct bind *bind, struct span bytes);
/* The same for UTF-8 without NUL, such as JSON of our own: it is not looked through. */
void bind_sound(struct bind *bind, struct span text);
/* The same for text that is known to be clean and free of secrets. Empties `text`. */
void bind_taken(struct bind *bind, struct buf *text);
/* Carries the statement out and readies it for the next row. */
bool bind_step(struct bind *bind) MUST_CHECK;
