/* tiktoken's rank files: "BASE64 RANK" a line. They say nothing of how text is split, nor of
 * special tokens: both follow from the name. */
#include <stdlib.h>

#include "base/mem.h"
#include "token/bpe.h"
#include "token/byte_level.h"
#include "token/pipeline.h"
#include "wire/base64.h"

enum {
    BYTES_MOST = 64 * 1024 * 1024, /* of the file */
    TOKEN_MOST = 256,              /* bytes: every way to cut it is tried */
};

#define CONTRACTION "(?i:'s|'t|'re|'ve|'m|'ll|'d)"
#define GPT2                                                                                       \
    "'s|'t|'re|'ve|'m|'ll|'d| ?\\\\p{L}+| ?\\\\p{N}+| ?[^\\\\s\\\\p{L}\\\\p{N}]+|\\\\s+(?!\\\\S)|" \
    "\\\\s+"
#define TAIL "\\\\s*[\\\\r\\\\n]+|\\\\s+(?!\\\\S)|\\\\s+"
#define UPPER "[\\\\p{Lu}\\\\p{Lt}\\\\p{Lm}\\\\p{Lo}\\\\p{M}]"
#define LOWER "[\\\\p{Ll}\\\\p{Lm}\\\\p{Lo}\\\\p{M}]"
#define BEFORE "[^\\\\r\\\\n\\\\p{L}\\\\p{N}]?"
#define SPECIAL(id, content)                                                                       \
    "{\"id\":" #id ",\"content\":\"" content "\",\"special\":true,\"normalized\":false}"

/* The regexes and tokens as they would stand in tokenizer.json. */
static const struct encoding {
    const char *name, *regex, *special;
} encodings[] = {
    {
        .name = "o200k_base",
        .regex = BEFORE UPPER "*" LOWER "+" CONTRACTION "?|" BEFORE UPPER "+" LOWER "*" CONTRACTION
                              "?|\\\\p{N}{1,3}| ?[^\\\\s\\\\p{L}\\\\p{N}]+"
                              "[\\\\r\\\\n/]*|" TAIL,
        .special = SPECIAL(199999, "<|endoftext|>") "," SPECIAL(200018, "<|endofprompt|>"),
    },
    {
        .name = "cl100k_base",
        .regex = CONTRACTION "|" BEFORE "\\\\p{L}+|\\\\p{N}{1,3}| ?[^\\\\s\\\\p{L}\\\\p{N}]+"
                             "[\\\\r\\\\n]*|" TAIL,
        .special =
            SPECIAL(100257, "<|endoftext|>") "," SPECIAL(100258, "<|fim_prefix|>") "," SPECIAL(
                100259,
                "<|fim_middle|>") "," SPECIAL(100260,
                                              "<|fim_suffix|>") "," SPECIAL(100276,
                                                                            "<|endofprompt|>"),
    },
    {.name = "p50k_base", .regex = GPT2, .special = SPECIAL(50256, "<|endoftext|>")},
    {.name = "r50k_base", .regex = GPT2, .special = SPECIAL(50256, "<|endoftext|>")},
    {
        .name = "p50k_edit",
        .regex = GPT2,
        .special = SPECIAL(50256, "<|endoftext|>") "," SPECIAL(50281, "<|fim_prefix|>") "," SPECIAL(
            50282, "<|fim_middle|>") "," SPECIAL(50283, "<|fim_suffix|>"),
    },
};

static const struct encoding *find_encoding(const char *path, struct err *err)
{
    const char *slash = strrchr(path, '/');
    struct span name = span_text(slash ? slash + 1 : path);
    name.len -= strlen(".tiktoken");
    for (size_t i = 0; i < sizeof encodings / sizeof *encodings; i++)
        if (span_equals(name, encodings[i].name))
            return &encodings[i];
    err_set(err,
            "a rank file does not say how text is split, so its name must: o200k_base, "
            "cl100k_base, p50k_base, p50k_edit or r50k_base before .tiktoken, not \"%.*s\"",
            SHOWN(name));
    return NULL;
}

/* ---- lines ---- */

static bool read_rank(struct span digits, uint64_t *rank)
{
    int64_t value;
    bool ok = digits.len > 0 && json_integer(digits, &value) && value >= 0;
    *rank = ok ? (uint64_t)value : 0;
    return ok;
}

/* `bytes` and `text` are for its own use. */
static bool add_line(struct vocabulary *vocabulary, struct span line, struct buf *bytes,
                     struct buf *text, struct err *err)
{
    const char *blank = memchr(line.data, ' ', line.len);
    size_t len = blank ? (size_t)(blank - line.data) : 0;
    uint64_t rank;
    buf_clear(bytes);
    buf_clear(text);
    if (!blank || !base64_decode(span_of(line.data, len), bytes) || bytes->len == 0 ||
        !read_rank(span_of(blank + 1, line.len - len - 1), &rank))
        return err_set(err,
                       "\"%.*s\" is not a token of at most %d bytes in Base64, a blank and "
                       "its rank",
                       SHOWN(line), TOKEN_MOST);
    byte_level_write(text, buf_span(bytes));
    return vocabulary_add(vocabulary, "the ranks", buf_span(text), rank, err);
}

static bool read_lines(struct vocabulary *vocabulary, struct span file, struct err *err)
{
    struct buf bytes, text;
    const char *begin = file.len ? file.data : "", *end = begin + file.len;
    bool ok = true;
    unsigned line = 0;
    buf_init(&bytes, TOKEN_MOST);
    buf_init(&text, (size_t)TOKEN_MOST * 2);
    for (const char *at = begin; at < end && ok;) {
        const char *stop = memchr(at, '\n', (size_t)(end - at));
        struct span text_of = span_without_tail(span_of(at, (size_t)((stop ? stop : end) - at)));
        line++;
        if (text_of.len > 0)
            ok = add_line(vocabulary, text_of, &bytes, &text, err) ||
                 err_prefix(err, "line %u", line);
        at = stop ? stop + 1 : end;
    }
    buf_fini(&bytes);
    buf_fini(&text);
    return ok;
}

bool load_tiktoken(struct tokenizer *tokenizer, struct span bytes, const char *path,
                   struct err *err)
{
    const struct encoding *encoding = find_encoding(path, err);
    if (!encoding)
        return false;
    if (bytes.len > BYTES_MOST)
        return err_set(err, "it has %zu bytes; rank files have at most %d", bytes.len, BYTES_MOST);
    if (!read_lines(&tokenizer->vocabulary, bytes, err))
        return false;
    tokenizer->model = &model_bpe;
    tokenizer->model_self = bpe_from_ranks(&tokenizer->vocabulary, err);
    if (!tokenizer->model_self)
        return false;
    char *parts = mem_printf(
        "{\"pre_tokenizer\":{\"type\":\"Sequence\",\"pretokenizers\":[{\"type\":\"Split\","
        "\"pattern\":{\"Regex\":\"%s\"},\"behavior\":\"Isolated\"},{\"type\":\"ByteLevel\","
        "\"add_prefix_space\":false,\"use_regex\":false}]},\"decoder\":{\"type\":\"ByteLevel\"},"
        "\"added_tokens\":[%s]}",
        encoding->regex, encoding->special);
    bool ok = load_parts(tokenizer, span_text(parts), err);
    free(parts);
    return ok;
}
