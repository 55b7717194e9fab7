/* The pre-tokenizer Metaspace: a visible sign for each blank, and pieces that begin with it. */
#include <stdlib.h>

#include "base/mem.h"
#include "token/pretokenizers.h"
#include "token/split.h"
#include "wire/utf8.h"

enum scheme { SCHEME_ALWAYS, SCHEME_FIRST, SCHEME_NEVER };

struct metaspace_self {
    char sign[4];
    size_t sign_len;
    enum scheme scheme; /* when the sign goes before a piece that does not begin with it */
    bool split;
};

void metaspace_free(void *self)
{
    free(self);
}

static bool load_sign(struct metaspace_self *meta, const struct node *node, struct err *err)
{
    struct span sign = {0};
    bool valid = false;
    if (!node_string(node, "Metaspace", "replacement", &sign, err))
        return false;
    if (!sign.len || sign.len > 4 || utf8_step(sign.data, sign.data + sign.len, &valid) != sign.len)
        return err_set(err, "Metaspace.replacement must be one character, not \"%.*s\"",
                       SHOWN(sign));
    memcpy(meta->sign, sign.data, sign.len);
    meta->sign_len = sign.len;
    return true;
}

static bool load_scheme(struct metaspace_self *meta, const struct node *node, struct err *err)
{
    static const char *const names[] = {
        [SCHEME_ALWAYS] = "always", [SCHEME_FIRST] = "first", [SCHEME_NEVER] = "never"};
    struct span name = {0};
    bool add = true;
    if (!node_string(node, "Metaspace", "prepend_scheme", &name, err) ||
        !node_flag(node, "Metaspace", "add_prefix_space", &add, err))
        return false;
    if (!name.len) {
        meta->scheme = add ? SCHEME_ALWAYS : SCHEME_NEVER;
        return true;
    }
    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        if (span_equals(name, names[i])) {
            meta->scheme = (enum scheme)i;
            return add || meta->scheme == SCHEME_NEVER ||
                   err_set(err, "Metaspace: add_prefix_space is false, prepend_scheme \"%s\"",
                           names[i]);
        }
    return err_set(err, "Metaspace.prepend_scheme is \"%.*s\", which is not supported",
                   SHOWN(name));
}

void *metaspace_load(const struct node *node, struct err *err)
{
    struct metaspace_self *meta = MEM_NEW(struct metaspace_self);
    meta->split = true;
    if (node_check(node, "Metaspace",
                   "type replacement str_rep add_prefix_space prepend_scheme split", err) &&
        load_sign(meta, node, err) && load_scheme(meta, node, err) &&
        node_flag(node, "Metaspace", "split", &meta->split, err))
        return meta;
    free(meta);
    return NULL;
}

/* The piece with signs for blanks, behind what `own` holds. */
static bool write_piece(const struct metaspace_self *meta, struct span text, bool first,
                        struct buf *own)
{
    bool begins = text.data[0] == ' ' || (text.len >= meta->sign_len &&
                                          memcmp(text.data, meta->sign, meta->sign_len) == 0);
    bool wanted = meta->scheme == SCHEME_ALWAYS || (meta->scheme == SCHEME_FIRST && first);
    if (wanted && !begins)
        buf_add(own, meta->sign, meta->sign_len);
    for (const char *at = text.data, *end = at + text.len; at < end;) {
        const char *blank = memchr(at, ' ', (size_t)(end - at));
        buf_add(own, at, (size_t)((blank ? blank : end) - at));
        if (!blank)
            break;
        buf_add(own, meta->sign, meta->sign_len);
        at = blank + 1;
    }
    return !own->full;
}

static void split_at_signs(const struct metaspace_self *meta, struct span text,
                           const struct piece *piece, struct pieces *out)
{
    struct split split;
    split_begin(&split, out, piece, SPLIT_MERGED_WITH_NEXT, false);
    for (size_t from = 0; meta->split;) {
        const char *found = memmem(text.data + from, text.len - from, meta->sign, meta->sign_len);
        if (!found)
            break;
        from = (size_t)(found - text.data) + meta->sign_len;
        split_match(&split, from - meta->sign_len, from);
    }
    split_end(&split, text.len);
}

bool metaspace_run(const void *self, struct regex_work *regexes, const struct pieces *in,
                   struct pieces *out, struct err *err)
{
    const struct metaspace_self *meta = self;
    (void)regexes;
    for (size_t i = 0; i < in->count; i++) {
        struct piece piece = {.start = (uint32_t)out->own.len, .first = in->items[i].first};
        if (!write_piece(meta, piece_text(in, i), piece.first, &out->own))
            return err_set(err, "the text is longer than %zu bytes", TOKEN_MAX_TEXT);
        piece.len = (uint32_t)out->own.len - piece.start;
        split_at_signs(meta, span_of(out->own.data + piece.start, piece.len), &piece, out);
    }
    out->text = buf_span(&out->own);
    return true;
}
