/* Tokenizer files: whatever one holds, loading ends with a tokenizer or a sentence, and what is
 * loaded encodes any text the same way twice, into ids that it has itself. An input is
 *     {…            tokenizer.json, and behind a byte 1 the tokenizer_config.json beside it;
 *     @, a letter   tiktoken's ranks behind those of all bytes; the letter chooses the encoding;
 *     else          a rank file as it is. */
#include "fuzz.h"

#include <unistd.h>

#include "base/base64_text.h"
#include "base/mem.h"
#include "token/pipeline.h"
#include "token/places.h"
#include "token/tokenizer.h"
#include "wire/utf8.h"

enum { IDS_MOST = 1 << 16, TEXT_MOST = 1 << 22, RANKS_MOST = 1 << 16, WORD_MOST = 80 };

struct encoded {
    uint32_t *items; /* NULL: the text cannot be encoded */
    size_t count;
};

static struct encoded encode(struct tokens *tokens, struct span text, unsigned flags)
{
    struct err err = {.text = ""};
    struct encoded out = {.count = 0};
    const uint32_t *ids;
    if (tokens_encode(tokens, text, flags, &ids, &out.count, &err)) {
        out.items = mem_zero(out.count + 1, sizeof *ids);
        if (out.count > 0)
            memcpy(out.items, ids, out.count * sizeof *ids);
    } else if (!err.text[0])
        fuzz_fail("a text is refused without a sentence", text);
    return out;
}

/* ---- texts ---- */

static bool is_utf8(struct span text)
{
    bool valid = true;
    for (const char *at = text.len ? text.data : "", *end = at + text.len; valid && at < end;)
        at += utf8_step(at, end, &valid);
    return valid;
}

static void check_decoding(struct tokens *tokens, const struct encoded *ids, bool exact,
                           struct span text, struct span input)
{
    struct buf out;
    struct err err;
    if (ids->count >= IDS_MOST)
        return;
    buf_init(&out, TEXT_MOST);
    if (!tokens_decode(tokens, ids->items, ids->count, true, &out, &err) && !out.full)
        fuzz_fail("its own ids cannot be decoded", input);
    if (!out.full && !is_utf8(buf_span(&out)))
        fuzz_fail("a decoded text is not UTF-8", input);
    if (exact &&
        (out.len != text.len || memcmp(out.data ? out.data : "", text.data, text.len) != 0))
        fuzz_fail("of a text of bytes another comes back", input);
    buf_clear(&out);
    if (!tokens_decode(tokens, ids->items, ids->count, false, &out, &err) && !out.full)
        fuzz_fail("its own ids cannot be decoded without the special ones", input);
    buf_fini(&out);
}

static void check_places(const struct tokenizer *tokenizer, struct span text, struct span input)
{
    struct places *places = places_new(tokenizer);
    struct place_list list;
    struct err err;
    size_t last = 0;
    if (places_find(places, text, &list, &err)) {
        for (size_t i = 0; i < list.count; i++) {
            if (list.ends[i] < last || list.ends[i] > text.len)
                fuzz_fail("a token ends before the one before it, or past the text", input);
            last = list.ends[i];
        }
        if (list.count > 0 && last != text.len)
            fuzz_fail("the last token does not end with the text", input);
    }
    places_free(places);
}

/* `exact`: decoding gives the text again, if it is UTF-8. */
static void check_text(const struct tokenizer *tokenizer, struct tokens *tokens, struct span text,
                       bool exact, struct span input)
{
    uint64_t number = 0;
    struct err err;
    struct encoded ids = encode(tokens, text, TOKENS_PLAIN),
                   again = encode(tokens, text, TOKENS_PLAIN),
                   special = encode(tokens, text, TOKENS_SPECIAL);
    if (!ids.items != !again.items || ids.count != again.count ||
        (ids.items && memcmp(ids.items, again.items, ids.count * sizeof *ids.items) != 0))
        fuzz_fail("the second time the text has other tokens", input);
    if (!ids.items != !special.items || special.count < ids.count)
        fuzz_fail("with special tokens it has fewer", input);
    for (size_t i = 0; i < ids.count; i++) /* a post-processor's are what the file says */
        if (ids.items[i] >= tokenizer_vocabulary(tokenizer))
            fuzz_fail("an id is beyond the vocabulary", input);
    if (ids.items &&
        (!tokens_count(tokens, text, TOKENS_PLAIN, &number, &err) || number != ids.count))
        fuzz_fail("another number of tokens is counted", input);
    if (ids.items)
        check_decoding(tokens, &ids, exact && is_utf8(text), text, input);
    check_places(tokenizer, text, input);
    free(ids.items);
    free(again.items);
    free(special.items);
}

static void check_texts(const struct tokenizer *tokenizer, bool exact, struct span input)
{
    static const char *const texts[] = {
        "",
        " ",
        "hello  World's\n\n 12345 \xe4\xbd\xa0\xe5\xa5\xbd e\xcc\x81 \xf0\x9f\x98\x80 <s>[X] abc",
        "\xef\xbc\xa1 \xef\xac\x81 he\xcc\x81llo, don't <|endoftext|> A\tB",
        "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa\xff\xc3",
    };
    struct tokens *tokens = tokens_new(tokenizer);
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++)
        check_text(tokenizer, tokens, span_text(texts[i]), exact, input);
    check_text(tokenizer, tokens, input, exact, input);
    tokens_free(tokens);
}

/* ---- ranks ---- */

/* One word of letters in tiktoken's own way: of all neighbours, those that make the token of the
 * lowest rank are joined first. */
static size_t slow_word(const struct vocabulary *ranks, struct span word, uint32_t *ids)
{
    struct span parts[WORD_MOST];
    size_t count = word.len, at = 0;
    for (size_t i = 0; i < count; i++)
        parts[i] = span_of(word.data + i, 1);
    for (uint32_t best = 0; best != VOCABULARY_NONE;) {
        best = VOCABULARY_NONE;
        for (size_t i = 0; i + 1 < count; i++) {
            struct span both = span_of(parts[i].data, parts[i].len + parts[i + 1].len);
            uint32_t id = vocabulary_find(ranks, both);
            at = id < best ? i : at;
            best = id < best ? id : best;
        }
        if (best == VOCABULARY_NONE)
            break;
        parts[at].len += parts[at + 1].len;
        count--;
        memmove(parts + at + 1, parts + at + 2, (count - at - 1) * sizeof *parts);
    }
    for (size_t i = 0; i < count; i++)
        ids[i] = vocabulary_find(ranks, parts[i]);
    return count;
}

/* Words of the letters a to d, as the input's bytes choose them. */
static void check_words(const struct tokenizer *tokenizer, struct span input)
{
    struct tokens *tokens = tokens_new(tokenizer);
    for (size_t from = 0; from < input.len && from < 4 * WORD_MOST; from += WORD_MOST) {
        char word[WORD_MOST];
        uint32_t slow[WORD_MOST];
        size_t len = input.len - from < WORD_MOST ? input.len - from : WORD_MOST;
        for (size_t i = 0; i < len; i++)
            word[i] = (char)('a' + input.data[from + i] % 4 + (input.data[from + i] < 0 ? 4 : 0));
        struct encoded ids = encode(tokens, span_of(word, len), TOKENS_PLAIN);
        size_t count = slow_word(&tokenizer->vocabulary, span_of(word, len), slow);
        if (!ids.items || ids.count != count || memcmp(ids.items, slow, count * sizeof *slow) != 0)
            fuzz_fail("a word has other tokens than by the lowest rank first", input);
        free(ids.items);
    }
    tokens_free(tokens);
}

static void add_alphabet(struct buf *ranks)
{
    for (unsigned byte = 0; byte < 256; byte++) {
        char one = (char)byte;
        base64_text(ranks, span_of(&one, 1));
        buf_printf(ranks, "== %u\n", byte);
    }
}

static struct tokenizer *load(const char *path, struct span file, struct span input)
{
    struct err err = {.text = ""};
    struct tokenizer *tokenizer = tokenizer_from_bytes(path, file, &err);
    if (!tokenizer && !err.text[0])
        fuzz_fail("it is refused without a sentence", input);
    return tokenizer;
}

static void by_ranks(struct span input)
{
    static const char *const paths[] = {
        "/nowhere/r50k_base.tiktoken",   "/nowhere/p50k_base.tiktoken",
        "/nowhere/p50k_edit.tiktoken",   "o200k_base.tiktoken",
        "/nowhere/cl100k_base.tiktoken", "/nowhere/other.tiktoken",
    };
    struct buf file;
    const char *path = paths[0];
    buf_init(&file, RANKS_MOST);
    if (input.len > 1 && input.data[0] == '@') {
        path = paths[(unsigned char)input.data[1] % (sizeof paths / sizeof *paths)];
        add_alphabet(&file);
        buf_add(&file, input.data + 2, input.len - 2);
    } else
        buf_add_span(&file, input);
    struct tokenizer *tokenizer = load(path, buf_span(&file), input);
    if (tokenizer) {
        check_texts(tokenizer, true, input);
        check_words(tokenizer, input);
    }
    tokenizer_free(tokenizer);
    buf_fini(&file);
}

/* ---- JSON ---- */

static void with_config(struct span json, struct span config, struct span input)
{
    char folder[] = "/tmp/llmbench-fuzz-XXXXXX";
    if (!mkdtemp(folder))
        fuzz_fail("no folder can be made in /tmp", input);
    char *path = mem_printf("%s/tokenizer_config.json", folder),
         *beside = mem_printf("%s/tokenizer.json", folder);
    FILE *file = fopen(path, "wb");
    if (!file || fwrite(config.data, 1, config.len, file) != config.len || fclose(file) != 0)
        fuzz_fail("no file can be written in /tmp", input);
    struct tokenizer *tokenizer = load(beside, json, input);
    if (tokenizer)
        check_texts(tokenizer, false, input);
    tokenizer_free(tokenizer);
    unlink(path);
    rmdir(folder);
    free(path);
    free(beside);
}

static void by_json(struct span input)
{
    const char *end = memchr(input.data, '\1', input.len);
    size_t len = end ? (size_t)(end - input.data) : input.len;
    if (end) {
        with_config(span_of(input.data, len), span_of(end + 1, input.len - len - 1), input);
        return;
    }
    struct tokenizer *tokenizer = load("/nowhere/tokenizer.json", input, input);
    if (tokenizer)
        check_texts(tokenizer, false, input);
    tokenizer_free(tokenizer);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char *exact = malloc(size ? size : 1); /* of its own, so that a byte too far is seen */
    if (size > 0)
        memcpy(exact, data, size);
    bool json = size > 0 && (exact[0] == '{' || exact[0] == '[');
    (json ? by_json : by_ranks)(span_of(exact, size));
    free(exact);
    return 0;
}
