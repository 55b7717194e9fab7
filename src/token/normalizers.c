/* The table of normalizers, and the small ones. */
#include <stdlib.h>

#include "base/mem.h"
#include "token/bert.h"
#include "token/chars.h"
#include "token/model.h"
#include "token/precompiled.h"
#include "token/replace.h"
#include "token/unicode.h"
#include "wire/utf8.h"

static bool too_long(struct err *err)
{
    return err_set(err, "the text is longer than %zu bytes when it is normalized", TOKEN_MAX_TEXT);
}

/* ---- NFC, NFD, NFKC, NFKD, Lowercase, StripAccents: nothing to set ---- */

static void *plain_load(const struct node *node, struct err *err)
{
    return node_check(node, "the normalizer", "type", err) ? mem_zero(1, 1) : NULL;
}

static bool form_run(enum unicode_form form, struct span text, struct buf *out, struct err *err)
{
    return unicode_normalize(form, text, out) || too_long(err);
}

static bool nfc_run(const void *self, struct regex_work *regexes, struct span text, struct buf *out,
                    struct err *err)
{
    (void)self, (void)regexes;
    return form_run(UNICODE_NFC, text, out, err);
}

static bool nfd_run(const void *self, struct regex_work *regexes, struct span text, struct buf *out,
                    struct err *err)
{
    (void)self, (void)regexes;
    return form_run(UNICODE_NFD, text, out, err);
}

static bool nfkc_run(const void *self, struct regex_work *regexes, struct span text,
                     struct buf *out, struct err *err)
{
    (void)self, (void)regexes;
    return form_run(UNICODE_NFKC, text, out, err);
}

static bool nfkd_run(const void *self, struct regex_work *regexes, struct span text,
                     struct buf *out, struct err *err)
{
    (void)self, (void)regexes;
    return form_run(UNICODE_NFKD, text, out, err);
}

static bool lower_run(const void *self, struct regex_work *regexes, struct span text,
                      struct buf *out, struct err *err)
{
    (void)self, (void)regexes;
    return unicode_lower(text, out) || too_long(err);
}

static bool accents_run(const void *self, struct regex_work *regexes, struct span text,
                        struct buf *out, struct err *err)
{
    (void)self, (void)regexes;
    for (const char *at = text.data, *end = at + text.len, *start = at; at < end; start = at)
        if (!char_is_mark(char_next(&at)))
            buf_add(out, start, (size_t)(at - start));
    return !out->full || too_long(err);
}

/* ---- Replace ---- */

static bool replace_run(const void *self, struct regex_work *regexes, struct span text,
                        struct buf *out, struct err *err)
{
    return replace_in(self, regexes, text, out, err) && (!out->full || too_long(err));
}

/* ---- Prepend ---- */

struct prepend_self {
    size_t len;
    char text[];
};

static void *prepend_load(const struct node *node, struct err *err)
{
    struct span text = {0};
    if (!node_check(node, "Prepend", "type prepend", err) ||
        !node_string(node, "Prepend", "prepend", &text, err))
        return NULL;
    if (!node_get(node, "prepend")) {
        node_missing("Prepend", "prepend", err);
        return NULL;
    }
    struct prepend_self *prepend = mem_alloc(sizeof *prepend + text.len);
    prepend->len = text.len;
    memcpy(prepend->text, text.data, text.len);
    return prepend;
}

static bool prepend_run(const void *self, struct regex_work *regexes, struct span text,
                        struct buf *out, struct err *err)
{
    const struct prepend_self *prepend = self;
    (void)regexes;
    if (text.len > 0)
        buf_add(out, prepend->text, prepend->len);
    buf_add_span(out, text);
    return !out->full || too_long(err);
}

/* ---- Strip ---- */

struct strip_self {
    bool left, right;
};

static void *strip_load(const struct node *node, struct err *err)
{
    struct strip_self *strip = MEM_NEW(struct strip_self);
    strip->left = strip->right = true;
    if (node_check(node, "Strip", "type strip_left strip_right", err) &&
        node_flag(node, "Strip", "strip_left", &strip->left, err) &&
        node_flag(node, "Strip", "strip_right", &strip->right, err))
        return strip;
    free(strip);
    return NULL;
}

static bool strip_run(const void *self, struct regex_work *regexes, struct span text,
                      struct buf *out, struct err *err)
{
    const struct strip_self *strip = self;
    (void)regexes;
    return buf_add_span(out, chars_strip(text, strip->left, strip->right)) || too_long(err);
}

/* ---- the table ---- */

static const struct normalizer_row rows[] = {
    {.type = "NFC", .load = plain_load, .free = free, .run = nfc_run},
    {.type = "NFD", .load = plain_load, .free = free, .run = nfd_run},
    {.type = "NFKC", .load = plain_load, .free = free, .run = nfkc_run},
    {.type = "NFKD", .load = plain_load, .free = free, .run = nfkd_run},
    {.type = "Lowercase", .load = plain_load, .free = free, .run = lower_run},
    {.type = "StripAccents", .load = plain_load, .free = free, .run = accents_run},
    {.type = "Replace", .load = replace_load, .free = replace_free, .run = replace_run},
    {.type = "Prepend", .load = prepend_load, .free = free, .run = prepend_run},
    {.type = "BertNormalizer", .load = bert_load, .free = free, .run = bert_run},
    {.type = "Precompiled",
     .load = precompiled_load,
     .free = precompiled_free,
     .run = precompiled_run},
    {.type = "Strip", .load = strip_load, .free = free, .run = strip_run},
};

const struct normalizer_row *normalizer_find(struct span type)
{
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
        if (span_equals(type, rows[i].type))
            return &rows[i];
    return NULL;
}
