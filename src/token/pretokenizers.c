/* The table of pre-tokenizers, and those that split alone. */
#include "token/pretokenizers.h"

#include <stdlib.h>

#include "base/mem.h"
#include "token/bert.h"
#include "token/chars.h"
#include "token/pattern.h"
#include "token/split.h"

/* ---- Split ---- */

struct split_self {
    struct pattern pattern;
    enum split_behavior behavior;
    bool invert;
};

static void split_free(void *self)
{
    struct split_self *split = self;
    pattern_fini(&split->pattern);
    free(split);
}

static bool load_behavior(const struct node *node, const char *what, enum split_behavior *behavior,
                          struct err *err)
{
    struct span name = {0};
    if (!node_string(node, what, "behavior", &name, err))
        return false;
    if (name.len && !split_behavior_find(name, behavior))
        return err_set(err, "%s.behavior is \"%.*s\", which is not supported", what, SHOWN(name));
    return true;
}

static void *split_load(const struct node *node, struct err *err)
{
    struct split_self *split = MEM_NEW(struct split_self);
    if (node_check(node, "Split", "type pattern behavior invert", err) &&
        pattern_load(&split->pattern, node, "Split", err) &&
        load_behavior(node, "Split", &split->behavior, err) &&
        node_flag(node, "Split", "invert", &split->invert, err) &&
        (node_get(node, "behavior") || node_missing("Split", "behavior", err)))
        return split;
    split_free(split);
    return NULL;
}

static bool split_run(const void *self, struct regex_work *regexes, const struct pieces *in,
                      struct pieces *out, struct err *err)
{
    const struct split_self *split = self;
    for (size_t i = 0; i < in->count; i++) {
        struct split parts;
        struct pattern_walk walk;
        size_t start, end;
        enum regex_found found;
        struct span text = piece_text(in, i);
        split_begin(&parts, out, &in->items[i], split->behavior, split->invert);
        pattern_walk_begin(&walk, &split->pattern, regexes, text);
        while ((found = pattern_walk_next(&walk, &start, &end, err)) == REGEX_MATCH)
            split_match(&parts, start, end);
        if (found == REGEX_ERROR)
            return false;
        split_end(&parts, text.len);
    }
    return true;
}

/* ---- Digits, Punctuation, WhitespaceSplit: at characters of a kind ---- */

struct kind_self {
    bool (*is)(uint32_t code);
    enum split_behavior behavior;
};

static struct kind_self *kind_new(bool (*is)(uint32_t code), enum split_behavior behavior)
{
    struct kind_self *kind = MEM_NEW(struct kind_self);
    *kind = (struct kind_self){.is = is, .behavior = behavior};
    return kind;
}

static void *digits_load(const struct node *node, struct err *err)
{
    bool each = false;
    if (!node_check(node, "Digits", "type individual_digits", err) ||
        !node_flag(node, "Digits", "individual_digits", &each, err))
        return NULL;
    return kind_new(char_is_number, each ? SPLIT_ISOLATED : SPLIT_CONTIGUOUS);
}

static void *punctuation_load(const struct node *node, struct err *err)
{
    enum split_behavior behavior = SPLIT_ISOLATED;
    if (!node_check(node, "Punctuation", "type behavior", err) ||
        !load_behavior(node, "Punctuation", &behavior, err))
        return NULL;
    return kind_new(char_is_punctuation, behavior);
}

static void *white_load(const struct node *node, struct err *err)
{
    if (!node_check(node, "WhitespaceSplit", "type", err))
        return NULL;
    return kind_new(char_is_space, SPLIT_REMOVED);
}

static bool kind_run(const void *self, struct regex_work *regexes, const struct pieces *in,
                     struct pieces *out, struct err *err)
{
    const struct kind_self *kind = self;
    (void)regexes, (void)err;
    for (size_t i = 0; i < in->count; i++) {
        struct split parts;
        struct span text = piece_text(in, i);
        const char *at = text.data, *end = text.data + text.len;
        split_begin(&parts, out, &in->items[i], kind->behavior, false);
        while (at < end) {
            const char *start = at;
            if (kind->is(char_next(&at)))
                split_match(&parts, (size_t)(start - text.data), (size_t)(at - text.data));
        }
        split_end(&parts, text.len);
    }
    return true;
}

/* ---- Whitespace: words, and runs of what is neither word nor space ---- */

enum char_class { CLASS_SPACE, CLASS_WORD, CLASS_OTHER };

static enum char_class class_of(uint32_t code)
{
    return char_is_space(code) ? CLASS_SPACE : char_is_word(code) ? CLASS_WORD : CLASS_OTHER;
}

static void *whitespace_load(const struct node *node, struct err *err)
{
    return node_check(node, "Whitespace", "type", err) ? mem_zero(1, 1) : NULL;
}

static bool whitespace_run(const void *self, struct regex_work *regexes, const struct pieces *in,
                           struct pieces *out, struct err *err)
{
    (void)self, (void)regexes, (void)err;
    for (size_t i = 0; i < in->count; i++) {
        struct span text = piece_text(in, i);
        const char *end = text.data + text.len, *start = text.data;
        enum char_class class = CLASS_SPACE;
        for (const char *at = start, *before = at; at <= end; before = at) {
            enum char_class next = at < end ? class_of(char_next(&at)) : CLASS_SPACE;
            bool over = before == end;
            if (next != class || over) {
                size_t from = in->items[i].start + (size_t)(start - text.data);
                if (class != CLASS_SPACE)
                    pieces_add(out, from, from + (size_t)(before - start),
                               in->items[i].first && start == text.data);
                start = before;
                class = next;
            }
            if (over)
                break;
        }
    }
    return true;
}

/* ---- the table ---- */

static const struct pretokenizer_row rows[] = {
    {.type = "Split", .load = split_load, .free = split_free, .run = split_run},
    {.type = "ByteLevel",
     .load = byte_level_load,
     .free = byte_level_free,
     .run = byte_level_split},
    {.type = "Metaspace", .load = metaspace_load, .free = metaspace_free, .run = metaspace_run},
    {.type = "BertPreTokenizer", .load = bert_split_load, .free = free, .run = bert_split_run},
    {.type = "Digits", .load = digits_load, .free = free, .run = kind_run},
    {.type = "Punctuation", .load = punctuation_load, .free = free, .run = kind_run},
    {.type = "Whitespace", .load = whitespace_load, .free = free, .run = whitespace_run},
    {.type = "WhitespaceSplit", .load = white_load, .free = free, .run = kind_run},
};

const struct pretokenizer_row *pretokenizer_find(struct span type)
{
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
        if (span_equals(type, rows[i].type))
            return &rows[i];
    return NULL;
}
