#include "token/bert.h"

#include <stdlib.h>

#include "base/mem.h"
#include "token/chars.h"
#include "token/unicode.h"

/* ---- BertNormalizer ---- */

struct bert {
    bool clean, chinese, accents, lower;
};

void *bert_load(const struct node *node, struct err *err)
{
    static const char *const needed[] = {"clean_text", "handle_chinese_chars", "lowercase"};
    static const char known[] = "type clean_text handle_chinese_chars strip_accents lowercase";
    struct bert bert = {.clean = false};
    if (!node_check(node, "BertNormalizer", known, err))
        return NULL;
    for (size_t i = 0; i < sizeof needed / sizeof *needed; i++)
        if (!node_get(node, needed[i])) {
            node_missing("BertNormalizer", needed[i], err);
            return NULL;
        }
    if (!node_flag(node, "BertNormalizer", "clean_text", &bert.clean, err) ||
        !node_flag(node, "BertNormalizer", "handle_chinese_chars", &bert.chinese, err) ||
        !node_flag(node, "BertNormalizer", "lowercase", &bert.lower, err))
        return NULL;
    bert.accents = bert.lower; /* unless the file says otherwise */
    if (!node_flag(node, "BertNormalizer", "strip_accents", &bert.accents, err))
        return NULL;
    struct bert *self = MEM_NEW(struct bert);
    *self = bert;
    return self;
}

/* The blocks of ideographs as the reference lists them: Extension E without its first 256. */
static bool is_chinese(uint32_t code)
{
    static const struct {
        uint32_t first, last;
    } blocks[] = {
        {0x4e00, 0x9fff},   {0x3400, 0x4dbf},   {0x20000, 0x2a6df}, {0x2a700, 0x2b73f},
        {0x2b740, 0x2b81f}, {0x2b920, 0x2ceaf}, {0xf900, 0xfaff},   {0x2f800, 0x2fa1f},
    };
    for (size_t i = 0; i < sizeof blocks / sizeof *blocks; i++)
        if (code >= blocks[i].first && code <= blocks[i].last)
            return true;
    return false;
}

static bool is_dropped(uint32_t code)
{
    if (code == '\t' || code == '\n' || code == '\r')
        return false;
    return code == 0 || code == 0xfffd || char_is_control(code);
}

static void clean(const struct bert *bert, struct span text, struct buf *out)
{
    const char *at = text.data, *end = text.data + text.len;
    while (at < end) {
        const char *start = at;
        uint32_t code = char_next(&at);
        if (bert->clean && is_dropped(code))
            continue;
        bool alone = bert->chinese && is_chinese(code);
        if (alone)
            buf_add_char(out, ' ');
        if (bert->clean && char_is_space(code))
            buf_add_char(out, ' ');
        else
            buf_add(out, start, (size_t)(at - start));
        if (alone)
            buf_add_char(out, ' ');
    }
}

static void drop_accents(struct span text, struct buf *out)
{
    const char *at = text.data, *end = text.data + text.len;
    while (at < end) {
        const char *start = at;
        if (!char_is_nonspacing(char_next(&at)))
            buf_add(out, start, (size_t)(at - start));
    }
}

bool bert_run(const void *self, struct regex_work *regexes, struct span text, struct buf *out,
              struct err *err)
{
    (void)regexes;
    const struct bert *bert = self;
    struct buf cleaned, plain;
    buf_init(&cleaned, TOKEN_MAX_TEXT);
    buf_init(&plain, TOKEN_MAX_TEXT);
    clean(bert, text, &cleaned);
    bool ok = !cleaned.full;
    if (ok && bert->accents) {
        ok = unicode_normalize(UNICODE_NFD, buf_span(&cleaned), &plain);
        buf_clear(&cleaned);
        drop_accents(buf_span(&plain), &cleaned);
    }
    ok = ok && (bert->lower ? unicode_lower(buf_span(&cleaned), out)
                            : buf_add_span(out, buf_span(&cleaned)));
    if (!ok)
        err_set(err, "BertNormalizer makes a text of more than %zu bytes", out->limit);
    buf_fini(&cleaned);
    buf_fini(&plain);
    return ok;
}

/* ---- BertPreTokenizer ---- */

void *bert_split_load(const struct node *node, struct err *err)
{
    return node_check(node, "BertPreTokenizer", "type", err) ? mem_zero(1, 1) : NULL;
}

static void add_part(struct pieces *out, const struct piece *of, size_t start, size_t end)
{
    if (start < end)
        pieces_add(out, of->start + start, of->start + end, of->first && start == 0);
}

/* Spaces part the words and go; each mark of punctuation is a word of its own. */
bool bert_split_run(const void *self, struct regex_work *regexes, const struct pieces *in,
                    struct pieces *out, struct err *err)
{
    (void)self, (void)regexes, (void)err;
    for (size_t i = 0; i < in->count; i++) {
        struct span text = piece_text(in, i);
        const char *at = text.data, *end = text.data + text.len;
        size_t word = 0;
        while (at < end) {
            size_t start = (size_t)(at - text.data);
            uint32_t code = char_next(&at);
            bool mark = char_is_punctuation(code);
            if (!mark && !char_is_space(code))
                continue;
            add_part(out, &in->items[i], word, start);
            word = (size_t)(at - text.data);
            if (mark)
                add_part(out, &in->items[i], start, word);
        }
        add_part(out, &in->items[i], word, text.len);
    }
    return true;
}
