#include "base/secrets.h"

#include <ctype.h>
#include <pthread.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/base64_text.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/spelling.h"

static const char mark[] = "[redacted]";

struct secrets {
    pthread_rwlock_t lock;
    struct span *values;  /* owned texts: the secrets and their cores in base64 */
    size_t count, given;  /* all of them, and those that are no cores */
    struct span *refused; /* owned: what cannot be hidden, said once */
    size_t refused_count;
    bool begins[256];         /* first bytes of values */
    size_t *next, heads[256]; /* 1 + the place of the (next) value with that first byte; 0 = none */
};

struct secrets *secrets_new(void)
{
    struct secrets *secrets = MEM_NEW(struct secrets);
    pthread_rwlock_init(&secrets->lock, NULL);
    return secrets;
}

static void free_values(struct span *values, size_t count)
{
    for (size_t i = 0; i < count; i++)
        free((char *)values[i].data);
    free(values);
}

void secrets_free(struct secrets *secrets)
{
    if (!secrets)
        return;
    free_values(secrets->values, secrets->count);
    free(secrets->next);
    free_values(secrets->refused, secrets->refused_count);
    pthread_rwlock_destroy(&secrets->lock);
    free(secrets);
}

static bool holds(const struct span *values, size_t count, struct span value)
{
    for (size_t i = 0; i < count; i++)
        if (values[i].len == value.len && memcmp(values[i].data, value.data, value.len) == 0)
            return true;
    return false;
}

static void append(struct span **values, size_t *count, struct span value)
{
    *values = mem_resize(*values, *count + 1, sizeof **values);
    (*values)[(*count)++] = span_of(mem_copy(value.data, value.len), value.len);
}

static void add_value(struct secrets *secrets, struct span value)
{
    unsigned char first = (unsigned char)value.data[0];
    if (holds(secrets->values, secrets->count, value))
        return;
    append(&secrets->values, &secrets->count, value);
    secrets->next = mem_resize(secrets->next, secrets->count, sizeof *secrets->next);
    secrets->next[secrets->count - 1] = secrets->heads[first];
    secrets->heads[first] = secrets->count;
    secrets->begins[first] = true;
}

/* What base64 makes of the value alone, wherever in a longer text it stands: `before` bytes are
 * before it in its first group of three. Digits that hold bits of its neighbours too are left out.
 */
static void add_core(struct secrets *secrets, struct span value, size_t before)
{
    struct buf whole, coded;
    buf_init(&whole, SIZE_MAX / 4);
    buf_init(&coded, SIZE_MAX / 4);
    buf_add(&whole, "\0\0", before);
    buf_add_span(&whole, value);
    base64_text(&coded, buf_span(&whole));
    size_t from = (8 * before + 5) / 6, to = 8 * whole.len / 6;
    struct span core = span_of(coded.data + from, to - from);
    add_value(secrets, core);
    for (size_t i = from; i < to; i++)
        if (coded.data[i] == '+')
            coded.data[i] = '-';
        else if (coded.data[i] == '/')
            coded.data[i] = '_';
    add_value(secrets, core);
    buf_fini(&whole);
    buf_fini(&coded);
}

static bool add(struct secrets *secrets, struct span value)
{
    if (value.len < SECRETS_SHORTEST)
        return false;
    if (holds(secrets->values, secrets->count, value))
        return true;
    if (secrets->given == SECRETS_MOST)
        return false;
    secrets->given++;
    add_value(secrets, value);
    for (size_t before = 0; before < 3 && value.len >= SECRETS_SHORTEST_CODED; before++)
        add_core(secrets, value, before);
    return true;
}

bool secrets_add(struct secrets *secrets, struct span value)
{
    if (!secrets)
        return true;
    pthread_rwlock_wrlock(&secrets->lock);
    bool added = add(secrets, value);
    pthread_rwlock_unlock(&secrets->lock);
    return added;
}

/* Notes a value that cannot be hidden; false when it is noted already, or when there are so many
 * that a warning more would tell nothing. */
static bool note_refused(struct secrets *secrets, struct span value)
{
    pthread_rwlock_wrlock(&secrets->lock);
    bool fresh = secrets->refused_count < SECRETS_MOST &&
                 !holds(secrets->refused, secrets->refused_count, value);
    if (fresh)
        append(&secrets->refused, &secrets->refused_count, value);
    pthread_rwlock_unlock(&secrets->lock);
    return fresh;
}

static struct span trim(struct span text)
{
    while (text.len && isspace((unsigned char)text.data[0]))
        text = span_of(text.data + 1, text.len - 1);
    while (text.len && isspace((unsigned char)text.data[text.len - 1]))
        text.len--;
    return text;
}

void secrets_register(struct secrets *secrets, struct span value, const char *what, struct log *log)
{
    value = trim(value);
    if (value.len == 0 || secrets_add(secrets, value) || !note_refused(secrets, value))
        return;
    if (value.len < SECRETS_SHORTEST)
        log_warn(log, "%s is too short to be hidden in what is written", what);
    else
        log_warn(log,
                 "%s is not hidden in what is written: there are %d secrets already, and no more "
                 "are kept",
                 what, SECRETS_MOST);
}

/* The longest secret, however spelled, that begins there; 0 = none. */
static size_t match(const struct secrets *secrets, struct span whole, size_t at)
{
    size_t longest = 0;
    if (!spelling_may_begin(whole, at, secrets->begins))
        return 0;
    struct span text = span_of(whole.data + at, whole.len - at);
    bool sure = !spelling_is_special(*text.data); /* then it is the value's first byte itself */
    for (size_t i = sure ? secrets->heads[(unsigned char)*text.data] : secrets->count; i != 0;
         i = sure ? secrets->next[i - 1] : i - 1) {
        size_t len = spelling_match(text, secrets->values[i - 1]);
        longest = len > longest ? len : longest;
    }
    return longest;
}

/* The next stretch that begins from `from` on and before `before` and is covered by secrets,
 * overlapping ones taken together and no escape cut in two; its end, or 0 when there is none. */
static size_t next_secret(const struct secrets *secrets, struct span text, size_t from,
                          size_t before, size_t *start)
{
    size_t end = 0;
    for (size_t at = from; at < (end ? end : before); at++) {
        size_t len = match(secrets, text, at);
        if (len && end == 0)
            *start = spelling_escape_begin(text, from, at);
        size_t covered = len ? spelling_escape_end(text, at + len) : 0;
        end = covered > end ? covered : end;
    }
    return end;
}

bool secrets_found(struct secrets *secrets, struct span text)
{
    size_t start = 0;
    if (!secrets)
        return false;
    pthread_rwlock_rdlock(&secrets->lock);
    bool found = secrets->count && next_secret(secrets, text, 0, text.len, &start) != 0;
    pthread_rwlock_unlock(&secrets->lock);
    return found;
}

/* Until `most` bytes or more are written. Returns how much of the text is in them. */
static size_t hide(struct secrets *secrets, struct span text, size_t most, struct buf *out)
{
    size_t at = 0, begun = out->len;
    while (at < text.len && out->len - begun < most && !out->full) {
        size_t room = most - (out->len - begun), start = 0;
        size_t before = room < text.len - at ? at + room : text.len;
        size_t end = secrets->count ? next_secret(secrets, text, at, before, &start) : 0;
        buf_add(out, text.data + at, (end ? start : before) - at);
        if (end)
            buf_add_text(out, mark);
        at = end ? end : before;
    }
    return at;
}

void secrets_hide(struct secrets *secrets, struct span text, struct buf *out)
{
    if (!secrets) {
        buf_add_span(out, text);
        return;
    }
    pthread_rwlock_rdlock(&secrets->lock);
    hide(secrets, text, SIZE_MAX, out);
    pthread_rwlock_unlock(&secrets->lock);
}

static bool within_character(struct span text, size_t at)
{
    return at < text.len && ((unsigned char)text.data[at] & 0xc0) == 0x80;
}

void secrets_hide_cut(struct secrets *secrets, struct span text, size_t most, struct buf *out)
{
    size_t used = text.len < most ? text.len : most;
    if (secrets) {
        pthread_rwlock_rdlock(&secrets->lock);
        used = hide(secrets, text, most, out);
        pthread_rwlock_unlock(&secrets->lock);
    } else {
        buf_add(out, text.data, used);
    }
    if (used == text.len)
        return;
    for (int i = 0; i < 3 && out->len && within_character(text, used); i++, used--)
        out->len--;
    buf_add_text(out, "…");
}

char *secrets_hidden(struct secrets *secrets, const char *text)
{
    if (!text)
        return NULL;
    struct buf out;
    buf_init(&out, SIZE_MAX / 4);
    secrets_hide(secrets, span_text(text), &out);
    return buf_take(&out);
}
