/* Tokenizer files: whatever one holds, loading ends with a tokenizer or a sentence, and what is
 * loaded encodes any text the same way twice, into ids that it has itself. */
#include "fuzz.h"

#include "token/pipeline.h"
#include "token/tokenizer.h"

enum { IDS_MOST = 1 << 16, TEXT_MOST = 1 << 22 };

static uint32_t *encode(struct tokens *tokens, struct span text, unsigned flags, size_t *count)
{
    struct err err;
    const uint32_t *ids;
    if (!tokens_encode(tokens, text, flags, &ids, count, &err))
        return NULL;
    size_t bytes = *count * sizeof *ids;
    uint32_t *copy = malloc(bytes + 1);
    if (copy && bytes > 0)
        memcpy(copy, ids, bytes);
    return copy;
}

static void check_text(const struct tokenizer *tokenizer, struct tokens *tokens, struct span text,
                       struct span input)
{
    size_t count = 0, again = 0;
    uint32_t *ids = encode(tokens, text, TOKENS_PLAIN, &count);
    if (!ids)
        return;
    uint32_t *other = encode(tokens, text, TOKENS_PLAIN, &again);
    if (!other || count != again || memcmp(ids, other, count * sizeof *ids) != 0)
        fuzz_fail("the second time the text has other tokens", input);
    for (size_t i = 0; i < count; i++)
        if (ids[i] >= tokenizer_vocabulary(tokenizer))
            fuzz_fail("an id is beyond the vocabulary", input);
    struct buf out;
    struct err err;
    buf_init(&out, TEXT_MOST);
    if (count < IDS_MOST && !tokens_decode(tokens, ids, count, true, &out, &err) && !out.full)
        fuzz_fail("its own ids cannot be decoded", input);
    buf_fini(&out);
    free(ids);
    free(other);
}

static void check_file(const char *path, struct span input)
{
    static const char *const texts[] = {
        "",
        " ",
        "hello  World's\n\n 12345 \xe4\xbd\xa0\xe5\xa5\xbd e\xcc\x81 \xf0\x9f\x98\x80 <s>[X] abc",
        "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa\xff\xc3",
    };
    struct err err = {.text = ""};
    struct tokenizer *tokenizer = tokenizer_from_bytes(path, input, &err);
    if (!tokenizer) {
        if (!err.text[0])
            fuzz_fail("it is refused without a sentence", input);
        return;
    }
    struct tokens *tokens = tokens_new(tokenizer);
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++)
        check_text(tokenizer, tokens, span_text(texts[i]), input);
    check_text(tokenizer, tokens, input, input);
    tokens_free(tokens);
    tokenizer_free(tokenizer);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char *exact = malloc(size ? size : 1);
    if (size > 0)
        memcpy(exact, data, size);
    bool json = size > 0 && (exact[0] == '{' || exact[0] == '[');
    check_file(json ? "/nowhere/tokenizer.json" : "/nowhere/r50k_base.tiktoken",
               span_of(exact, size));
    free(exact);
    return 0;
}
