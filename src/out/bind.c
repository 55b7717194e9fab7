#include "out/bind.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "out/text.h"

struct bind bind_begin(sqlite3_stmt *stmt, struct secrets *secrets)
{
    return (struct bind){.stmt = stmt, .secrets = secrets, .code = SQLITE_OK};
}

static void note(struct bind *bind, int code)
{
    if (bind->code == SQLITE_OK)
        bind->code = code;
}

void bind_null(struct bind *bind)
{
    note(bind, sqlite3_bind_null(bind->stmt, ++bind->at));
}

void bind_integer(struct bind *bind, int64_t value)
{
    note(bind, sqlite3_bind_int64(bind->stmt, ++bind->at, value));
}

void bind_count(struct bind *bind, uint64_t value)
{
    if (value > INT64_MAX)
        bind_null(bind);
    else
        bind_integer(bind, (int64_t)value);
}

void bind_known(struct bind *bind, int64_t value)
{
    if (value < 0)
        bind_null(bind);
    else
        bind_integer(bind, value);
}

void bind_ns(struct bind *bind, uint64_t ns)
{
    if (ns == 0)
        bind_null(bind);
    else
        bind_count(bind, ns);
}

void bind_number(struct bind *bind, double value)
{
    if (isfinite(value))
        note(bind, sqlite3_bind_double(bind->stmt, ++bind->at, value));
    else
        bind_null(bind);
}

void bind_text(struct bind *bind, const char *text)
{
    struct span span = span_text(text);
    struct buf hidden, clean;
    if (span.len == 0) {
        bind_null(bind);
        return;
    }
    buf_init(&hidden, SIZE_MAX);
    buf_init(&clean, SIZE_MAX);
    if (bind->secrets && secrets_found(bind->secrets, span)) {
        secrets_hide(bind->secrets, span, &hidden);
        span = buf_span(&hidden);
    }
    text_clean(span, &clean);
    bind_taken(bind, &clean);
    buf_fini(&hidden);
}

static void bind_span(struct bind *bind, struct span span, bool sound, void (*release)(void *))
{
    if (sound)
        note(bind, sqlite3_bind_text64(bind->stmt, ++bind->at, span.data, span.len, release,
                                       SQLITE_UTF8));
    else
        note(bind, sqlite3_bind_blob64(bind->stmt, ++bind->at, span.data, span.len, release));
}

static void bind_hidden(struct bind *bind, struct span bytes, bool known_sound)
{
    if (!bytes.data) {
        bind_null(bind);
    } else if (bind->secrets && secrets_found(bind->secrets, bytes)) {
        struct buf hidden;
        buf_init(&hidden, SIZE_MAX);
        secrets_hide(bind->secrets, bytes, &hidden);
        size_t len = hidden.len;
        bool sound = text_sound(buf_span(&hidden));
        bind_span(bind, span_of(buf_take(&hidden), len), sound, free);
    } else {
        bind_span(bind, bytes, known_sound || text_sound(bytes), SQLITE_STATIC);
    }
}

void bind_bytes(struct bind *bind, struct span bytes)
{
    bind_hidden(bind, bytes, false);
}

void bind_sound(struct bind *bind, struct span text)
{
    bind_hidden(bind, text, true);
}

void bind_taken(struct bind *bind, struct buf *text)
{
    size_t len = text->len;
    note(bind, sqlite3_bind_text64(bind->stmt, ++bind->at, buf_take(text), len, free, SQLITE_UTF8));
}

bool bind_step(struct bind *bind)
{
    if (bind->code == SQLITE_OK) {
        int code = sqlite3_step(bind->stmt);
        note(bind, code == SQLITE_DONE ? SQLITE_OK : code);
    }
    int reset = sqlite3_reset(bind->stmt); /* repeats the failure of the step */
    sqlite3_clear_bindings(bind->stmt);
    note(bind, reset);
    return bind->code == SQLITE_OK;
}
