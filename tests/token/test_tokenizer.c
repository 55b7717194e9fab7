/* Whole tokenizers from small files: ids, decoding, and what is refused. Where the reference
 * library reads the same file it has the same ids. */
#include "check.h"

#include <time.h>

#include "base/mem.h"
#include "token/pipeline.h"

#define VOCAB "\"a\":0,\"b\":1,\"c\":2,\" \":3,\"ab\":4,\"abc\":5,\"bc\":6,\"\xe2\x96\x81\":7"
#define BPE(options, vocab, merges)                                                                \
    "\"model\":{\"type\":\"BPE\"," options "\"vocab\":{" vocab "},\"merges\":[" merges "]}"
#define ADDED(flags) "\"added_tokens\":[{\"id\":20,\"content\":\"<s>\"," flags "}],"
#define PLAIN BPE("", VOCAB, "\"a b\",\"b c\",\"ab c\"")
#define FALLBACK "\"<0xC3>\":8,\"<0xA9>\":9,\"?\":10"

static const struct {
    const char *file, *text, *want;
} cases[] = {
    {"{" PLAIN "}", "abc", "5"},
    {"{" PLAIN "}", "abbcx c", "4 6 3 2"}, /* x is left out */
    {"{" PLAIN "}", "", ""},
    {"{" BPE("", VOCAB, "\"b c\",\"a b\",\"ab c\"") "}", "abc", "0 6"}, /* the order counts */
    {"{" BPE("", VOCAB, "[\"a\",\"b\"],[\"ab\",\"c\"]") "}", "abcab", "5 4"},
    {"{" BPE("\"unk_token\":\"?\",", VOCAB "," FALLBACK, "") "}", "axyb", "0 10 10 1"},
    {"{" BPE("\"unk_token\":\"?\",\"fuse_unk\":true,", VOCAB "," FALLBACK, "") "}", "axyb",
     "0 10 1"},
    {"{" BPE("\"unk_token\":\"?\",\"byte_fallback\":true,", VOCAB "," FALLBACK, "") "}",
     "\xc3\xa9\xc3\xaa", "8 9 10"},
    {"{" BPE("\"ignore_merges\":true,", VOCAB, "") "}", "abc", "5"},
    {"{" BPE("\"continuing_subword_prefix\":\"#\",\"end_of_word_suffix\":\"$\",",
             "\"a\":0,\"#b\":1,\"#c$\":2,\"ab\":3,\"#bc$\":4", "\"a #b\"") "}",
     "abc", "3 2"},
    {"{\"normalizer\":{\"type\":\"Prepend\",\"prepend\":\"\xe2\x96\x81\"}," PLAIN "}", "a", "7 0"},
    {"{\"normalizer\":{\"type\":\"Sequence\",\"normalizers\":[{\"type\":\"Lowercase\"},{\"type\":"
     "\"Strip\"}]}," PLAIN "}",
     " AB ", "4"},
    {"{" ADDED("\"special\":true") PLAIN "}", "a<s> b", "0 20 3 1"},
    {"{" ADDED("\"special\":true,\"lstrip\":true") PLAIN "}", "a  <s> b", "0 20 3 1"},
    {"{" ADDED("\"special\":true,\"rstrip\":true") PLAIN "}", "a <s>  b", "0 3 20 1"},
    {"{" ADDED("\"special\":true,\"single_word\":true") PLAIN "}", "a<s> b <s>", "0 3 1 3 20"},
    {"{\"normalizer\":{\"type\":\"Lowercase\"}," ADDED("\"normalized\":true") PLAIN "}", "A<S>",
     "0 20"},
    {"{\"normalizer\":{\"type\":\"Lowercase\"}," ADDED("\"normalized\":false") PLAIN "}", "A<S>",
     "0"},
    {"{" PLAIN "}",
     "a\xff"
     "b",
     "4"}, /* U+FFFD is left out, and its neighbours merge */
};

static char *encode(const char *file, const char *text)
{
    struct err err;
    struct buf out;
    const uint32_t *ids = NULL;
    size_t count = 0;
    uint64_t counted;
    struct tokenizer *tokenizer =
        tokenizer_from_bytes("/nowhere/tokenizer.json", span_text(file), &err);
    if (!tokenizer)
        return mem_text(err.text);
    struct tokens *tokens = tokens_new(tokenizer);
    buf_init(&out, 10000);
    assert_true(tokens_count(tokens, span_text(text), TOKENS_PLAIN, &counted, &err));
    assert_true(tokens_encode(tokens, span_text(text), TOKENS_PLAIN, &ids, &count, &err));
    CHECK_INT("count", counted, count);
    for (size_t i = 0; i < count; i++)
        buf_printf(&out, i ? " %u" : "%u", ids[i]);
    tokens_free(tokens);
    tokenizer_free(tokenizer);
    return buf_take(&out);
}

static void test_ids(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        char *got = encode(cases[i].file, cases[i].text);
        CHECK_TEXT(cases[i].file, got, cases[i].want);
        free(got);
    }
}

/* ---- what is refused ---- */

static const struct {
    const char *file, *want;
} refused[] = {
    {"", "it is not JSON"},
    {"[]", "the file must be an object"},
    {"{}", "it has no object \"model\""},
    {"{\"model\":{\"type\":\"Oracle\"}}", "the model \"Oracle\" is not supported"},
    {"{\"what\":1," PLAIN "}", "the file has \"what\""},
    {"{\"model\":{\"type\":\"BPE\",\"vocab\":{}}}", "BPE.merges must be a list"},
    {"{\"model\":{\"type\":\"BPE\",\"merges\":[]}}", "BPE.vocab must be an object"},
    {"{" BPE("", VOCAB, "\"a x\"") "}", "merge 0 needs \"x\", which the vocabulary lacks"},
    {"{" BPE("", VOCAB, "\"a c\"") "}", "merge 0 needs \"ac\""},
    {"{" BPE("", VOCAB, "\"abc\"") "}", "merge 0 is not two tokens"},
    {"{" BPE("", VOCAB, "[\"a\",\"\"]") "}", "merge 0 is not two tokens"},
    {"{" BPE("", "\"a\":0,\"b\":0", "") "}", "\"a\" and \"b\" have the same id, 0"},
    {"{" BPE("", "\"\":0,\"b\":0", "") "}", "\"\" and \"b\" have the same id, 0"},
    {"{" BPE("", "\"a\":0,\"a\":1", "") "}", "\"a\" has two ids"},
    {"{" BPE("", "\"a\":99999999999", "") "}", "ids must be below"},
    {"{" BPE("", "\"a\":-1", "") "}", "must be a whole number from 0 on"},
    {"{" BPE("", "\"a\":1.5", "") "}", "must be a whole number from 0 on"},
    {"{" BPE("\"dropout\":0.1,", VOCAB, "") "}", "BPE.dropout is not supported"},
    {"{" BPE("\"unk_token\":\"?\",", VOCAB, "") "}", "BPE.unk_token is \"?\""},
    {"{" BPE("\"magic\":true,", VOCAB, "") "}", "BPE has \"magic\""},
    {"{\"normalizer\":{\"type\":\"Nmt\"}," PLAIN "}", "the normalizer \"Nmt\" is not supported"},
    {"{\"pre_tokenizer\":{\"type\":\"\\u001b[2J\"}," PLAIN "}", "the pre_tokenizer \"?[2J\""},
    {"{\"decoder\":{\"type\":\"CTC\"}," PLAIN "}", "the decoder \"CTC\" is not supported"},
    {"{\"post_processor\":{\"type\":\"Odd\"}," PLAIN "}", "the post-processor \"Odd\""},
    {"{\"post_processor\":{\"type\":\"TemplateProcessing\",\"single\":[{\"SpecialToken\":{\"id\":"
     "\"x\",\"type_id\":0}}],\"special_tokens\":{}}," PLAIN "}",
     "has no ids for \"x\""},
    {"{\"added_tokens\":[{\"id\":1,\"content\":\"a\"}]," PLAIN "}",
     "the added token \"a\" has the id 1, which the vocabulary gives as 0"},
    {"{\"added_tokens\":[{\"id\":1,\"content\":\"x\"}]," PLAIN "}", "which is that of \"b\""},
    {"{\"added_tokens\":[{\"id\":30,\"content\":\"x\"},{\"id\":31,\"content\":\"x\"}]," PLAIN "}",
     "\"x\" has two ids"},
};

static void test_refused(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof refused / sizeof *refused; i++) {
        char *got = encode(refused[i].file, "a");
        if (!strstr(got, refused[i].want) || !strstr(got, "/nowhere/tokenizer.json: "))
            fail_msg("%s: \"%s\", want \"%s\"", refused[i].file, got, refused[i].want);
        free(got);
    }
}

/* ---- there and back ---- */

static const struct {
    const char *decoder, *ids, *plain, *special;
} decodings[] = {
    {"null", "0 4 20", "a ab", "a ab <s>"},
    {"{\"type\":\"Fuse\"}", "20 0 4", "aab", "<s>aab"},
    {"{\"type\":\"Metaspace\",\"replacement\":\"\xe2\x96\x81\"}", "7 0 7 1", "a b", "a b"},
    {"{\"type\":\"ByteFallback\"}", "0 8 9 0 8",
     "a\xc3\xa9"
     "a\xef\xbf\xbd",
     "a\xc3\xa9"
     "a\xef\xbf\xbd"},
    {"{\"type\":\"Replace\",\"pattern\":{\"String\":\"b\"},\"content\":\"-\"}", "4 1", "a--",
     "a--"},
    {"{\"type\":\"WordPiece\",\"prefix\":\"b\",\"cleanup\":false}", "0 6 0", "ac a", "ac a"},
    {"{\"type\":\"BPEDecoder\",\"suffix\":\"c\"}", "5 6", "ab b", "ab b"},
    {"{\"type\":\"Sequence\",\"decoders\":[{\"type\":\"Fuse\"},{\"type\":\"Strip\",\"content\":"
     "\"a\",\"start\":1,\"stop\":1}]}",
     "0 0 1 0", "ab", "ab"},
    {"{\"type\":\"ByteLevel\"}", "0 4", "aab", "aab"},
};

static char *decode(struct tokens *tokens, const char *ids, bool special)
{
    uint32_t list[16];
    size_t count = 0;
    struct buf out;
    struct err err;
    char *end;
    for (const char *at = ids; *at; at = end)
        list[count++] = (uint32_t)strtoul(at, &end, 10);
    buf_init(&out, 1000);
    assert_true(tokens_decode(tokens, list, count, special, &out, &err));
    return buf_take(&out);
}

static void test_decoding(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof decodings / sizeof *decodings; i++) {
        struct err err = {.text = ""};
        char *file = mem_printf(
            "{" ADDED("\"special\":true") "\"decoder\":%s," BPE("", VOCAB "," FALLBACK, "") "}",
            decodings[i].decoder);
        struct tokenizer *tokenizer =
            tokenizer_from_bytes("/nowhere/tokenizer.json", span_text(file), &err);
        CHECK_TEXT(file, err.text, "");
        struct tokens *tokens = tokens_new(tokenizer);
        char *plain = decode(tokens, decodings[i].ids, false);
        char *special = decode(tokens, decodings[i].ids, true);
        CHECK_TEXT(decodings[i].decoder, plain, decodings[i].plain);
        CHECK_TEXT(decodings[i].decoder, special, decodings[i].special);
        assert_false(
            tokens_decode(tokens, (const uint32_t[]){11}, 1, true, &(struct buf){0}, &err));
        assert_non_null(strstr(err.text, "has no token 11"));
        assert_true(tokenizer_is_special(tokenizer, 20) && !tokenizer_is_special(tokenizer, 0));
        CHECK_INT("ids", tokenizer_vocabulary(tokenizer), 21);
        free(plain);
        free(special);
        free(file);
        tokens_free(tokens);
        tokenizer_free(tokenizer);
    }
}

static void test_a_rank_file_of_no_bytes(void **state)
{
    (void)state;
    struct err err;
    assert_null(tokenizer_from_bytes("r50k_base.tiktoken", span_of(NULL, 0), &err));
    CHECK_TEXT("empty", err.text, "r50k_base.tiktoken: it lacks the token of some byte");
}

/* One piece of a million characters: quadratic merging would take hours. */
static void test_long_piece(void **state)
{
    (void)state;
    enum { LENGTH = 1 << 20 };
    struct err err;
    uint64_t count;
    char *text = mem_alloc(LENGTH);
    for (size_t i = 0; i < LENGTH; i++)
        text[i] = "abc"[i * 7 % 11 % 3];
    struct tokenizer *tokenizer =
        tokenizer_from_bytes("/nowhere/tokenizer.json", span_text("{" PLAIN "}"), &err);
    struct tokens *tokens = tokens_new(tokenizer);
    clock_t start = clock();
    assert_true(tokens_count(tokens, span_of(text, LENGTH), TOKENS_PLAIN, &count, &err));
    assert_true(count > LENGTH / 3 && count < LENGTH);
    assert_true((double)(clock() - start) / CLOCKS_PER_SEC < 60);
    tokens_free(tokens);
    tokenizer_free(tokenizer);
    free(text);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_ids),        cmocka_unit_test(test_refused),
        cmocka_unit_test(test_decoding),   cmocka_unit_test(test_a_rank_file_of_no_bytes),
        cmocka_unit_test(test_long_piece),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
