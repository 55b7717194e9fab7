/* The pre-tokenizer ByteLevel. */
#include <stdlib.h>

#include "base/mem.h"
#include "token/byte_level.h"
#include "token/pretokenizers.h"
#include "token/regex.h"
#include "token/split.h"

#define GPT2_WORDS                                                                                 \
    "'s|'t|'re|'ve|'m|'ll|'d| ?\\p{L}+| ?\\p{N}+| ?[^\\s\\p{L}\\p{N}]+|\\s+(?!\\S)|\\s+"

struct byte_level_self {
    struct regex *regex; /* NULL: pieces stay whole */
    bool add_space;      /* before a piece that has none */
};

void byte_level_free(void *self)
{
    struct byte_level_self *step = self;
    regex_free(step->regex);
    free(step);
}

void *byte_level_load(const struct node *node, struct err *err)
{
    struct byte_level_self *step = MEM_NEW(struct byte_level_self);
    bool use_regex = true, trim = false; /* trimming changes offsets only */
    step->add_space = true;
    if (node_check(node, "ByteLevel", "type add_prefix_space trim_offsets use_regex", err) &&
        node_flag(node, "ByteLevel", "add_prefix_space", &step->add_space, err) &&
        node_flag(node, "ByteLevel", "trim_offsets", &trim, err) &&
        node_flag(node, "ByteLevel", "use_regex", &use_regex, err) &&
        (!use_regex || (step->regex = regex_new(span_text(GPT2_WORDS), err))))
        return step;
    byte_level_free(step);
    return NULL;
}

static bool split_words(const struct byte_level_self *step, struct regex_work *regexes,
                        struct span text, const struct piece *piece, struct pieces *out,
                        struct err *err)
{
    struct split split;
    struct regex_walk walk;
    size_t start, end;
    enum regex_found found = REGEX_NONE;
    split_begin(&split, out, piece, SPLIT_ISOLATED, false);
    if (step->regex) {
        regex_walk_begin(&walk, step->regex, regexes, text);
        while ((found = regex_walk_next(&walk, &start, &end, err)) == REGEX_MATCH)
            split_match(&split, start, end);
    }
    split_end(&split, text.len);
    return found != REGEX_ERROR;
}

static bool too_long(struct err *err)
{
    return err_set(err, "the text is longer than %zu bytes", TOKEN_MAX_TEXT);
}

bool byte_level_split(const void *self, struct regex_work *regexes, const struct pieces *in,
                      struct pieces *out, struct err *err)
{
    const struct byte_level_self *step = self;
    for (size_t i = 0; i < in->count; i++) {
        struct span text = piece_text(in, i);
        struct piece piece = in->items[i];
        if (step->add_space) {
            size_t start = out->own.len;
            bool space = text.data[0] != ' ';
            if ((space && !buf_add_char(&out->own, ' ')) || !buf_add_span(&out->own, text))
                return too_long(err);
            piece.start = (uint32_t)start;
            piece.len += space;
            text = span_of(out->own.data + start, piece.len);
        }
        if (!split_words(step, regexes, text, &piece, out, err))
            return false;
    }
    if (step->add_space)
        out->text = buf_span(&out->own);
    return true;
}

static bool map_run(const void *self, struct regex_work *regexes, const struct pieces *in,
                    struct pieces *out, struct err *err)
{
    (void)self, (void)regexes;
    for (size_t i = 0; i < in->count; i++) {
        size_t start = out->own.len;
        if (!byte_level_write(&out->own, piece_text(in, i)))
            return too_long(err);
        pieces_add(out, start, out->own.len, in->items[i].first);
    }
    out->text = buf_span(&out->own);
    return true;
}

const struct pretokenizer_row byte_level_map = {.type = "ByteLevel", .run = map_run};
