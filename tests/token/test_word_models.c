/* Unigram and WordPiece: what a piece becomes, and which descriptions of a model are refused. The
 * ids are those of the reference. */
#include "check.h"

#include "token/model.h"

#define UNIGRAM(fields, more)                                                                      \
    "{\"type\":\"Unigram\"," fields ",\"vocab\":[[\"<unk>\",0],[\"a\",-1],[\"b\",-1.5],"           \
    "[\"ab\",-2.4],[\"xx\",-50],[\"<0x78>\",-3],[\"<0x79>\",-3]" more "]}"
#define WORDPIECE(unknown, prefix, longest)                                                        \
    "{\"type\":\"WordPiece\",\"unk_token\":\"" unknown                                             \
    "\",\"continuing_subword_prefix\":\"" prefix "\",\"max_input_chars_per_word\":" longest        \
    ",\"vocab\":{\"[UNK]\":0,\"a\":1,\"##b\":2,\"ab\":3,"                                          \
    "\"##a\":4,\"##\":5,\"é\":6,\"##é\":7}}"

static const char plain[] = UNIGRAM("\"unk_id\":0", "");
static const char bytes[] = UNIGRAM("\"unk_id\":0,\"byte_fallback\":true", "");
static const char without[] = UNIGRAM("\"unk_id\":null", ",[\"aé\",-4]");
/* Three ways to write abc cost the same: a bc, ab c, a b c. */
static const char ties[] =
    "{\"type\":\"Unigram\",\"unk_id\":0,\"vocab\":[[\"?\",0],[\"a\",-1],[\"b\",-1],[\"c\",-1],"
    "[\"ab\",-2],[\"bc\",-2],[\"cab\",-3]]}";
static const char words[] = WORDPIECE("[UNK]", "##", "3");
static const char bare[] = WORDPIECE("[NONE]", "", "3");

static const struct {
    const char *model, *piece, *ids;
} cases[] = {
    {plain, "ab", "3"},
    {plain, "xxx", "0 4"},
    {plain, "xx", "4"},
    {plain, "a<unk>b", "1 0 2"},
    {plain, "yx", "0"},
    {plain,
     "az\xe4\xbd\xa0"
     "b",
     "1 0 2"},
    {bytes, "xxx", "5 4"},
    {bytes, "yx", "6 5"},
    {bytes, "a<unk>b", "1 0 2"},
    {bytes, "xz", "0"},
    {without, "ab", "3"},
    {without, "aé", "7"},
    {without, "axb", "the model has no token for \"x\" and none for the unknown"},
    {ties, "abc", "1 5"},
    {ties, "cabc", "3 1 5"},
    {ties, "bcab", "2 6"},
    {words, "ab", "3"},
    {words, "aba", "3 4"},
    {words, "aé", "1 7"},
    {words, "ébé", "6 2 7"},
    {words, "abab", "0"},
    {words, "ax", "0"},
    {words, "x", "0"},
    {bare, "aba", "3 1"},
    {bare, "x", "the model cannot write \"x\" and has no token for the unknown"},
};

static const struct model_row *row_of(const char *json)
{
    return strstr(json, "Unigram") ? &model_unigram : &model_wordpiece;
}

static void *load(const char *json, struct tree *tree, struct vocabulary *vocabulary,
                  struct err *err)
{
    vocabulary_init(vocabulary);
    assert_true(tree_read(tree, span_text(json), err));
    struct model_load how = {.node = tree_root(tree), .vocabulary = vocabulary};
    return row_of(json)->load(&how, err);
}

static void encode(const struct model_row *row, const void *self, struct span piece,
                   struct buf *out)
{
    struct ids ids = {.count = 0};
    struct err err;
    void *work = row->work_new ? row->work_new(self) : NULL;
    if (!row->encode(self, work, piece, &ids, &err))
        buf_add_text(out, err.text);
    else
        for (size_t i = 0; i < ids.count; i++)
            buf_printf(out, "%s%u", i ? " " : "", ids.items[i]);
    buf_add_char(out, 0);
    if (work)
        row->work_free(work);
    free(ids.items);
}

static void test_encode(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct vocabulary vocabulary;
        struct tree tree;
        struct err err;
        struct buf got;
        void *self = load(cases[i].model, &tree, &vocabulary, &err);
        if (!self)
            fail_msg("%s: %s", cases[i].model, err.text);
        buf_init(&got, 1000);
        encode(row_of(cases[i].model), self, span_text(cases[i].piece), &got);
        CHECK_TEXT(cases[i].piece, got.data, cases[i].ids);
        buf_fini(&got);
        row_of(cases[i].model)->free(self);
        tree_fini(&tree);
        vocabulary_fini(&vocabulary);
    }
}

#define PAIRS "{\"type\":\"Unigram\",\"vocab\":["
#define WORDS "{\"type\":\"WordPiece\",\"unk_token\":\"u\",\"continuing_subword_prefix\":\"\","

static const struct {
    const char *model, *want;
} refused[] = {
    {"{\"type\":\"Unigram\"}", "model.vocab must be an array of pairs of a text and a score"},
    {PAIRS "1]}", "model.vocab[0] is no pair of a text and a score"},
    {PAIRS "[\"a\"]]}", "model.vocab[0] is no pair of a text and a score"},
    {PAIRS "[\"a\",0],[\"b\",\"c\"]]}", "model.vocab[1] is no pair of a text and a score"},
    {PAIRS "[\"a\",-1e999]]}", "model.vocab[0] has the score -1e999, which is out of range"},
    {PAIRS "[\"a\",0]],\"unk_id\":1}", "model.unk_id is 1, and model.vocab has 1 tokens"},
    {PAIRS "[\"a\",0]],\"unk_id\":-1}", "model.unk_id is -1, and model.vocab has 1 tokens"},
    {PAIRS "[\"a\",0]],\"unk_id\":4294967296}",
     "model.unk_id is 4294967296, and model.vocab has 1 tokens"},
    {PAIRS "],\"alpha\":1}",
     "model has \"alpha\", which is not supported (known are: type vocab unk_id byte_fallback)"},
    {WORDS "\"vocab\":{}}", "model has no \"max_input_chars_per_word\""},
    {WORDS "\"max_input_chars_per_word\":9}", "model.vocab must be an object of tokens and ids"},
    {WORDS "\"max_input_chars_per_word\":9,\"vocab\":{\"a\":-1}}",
     "model.vocab: the id of \"a\" is no whole number"},
    {WORDS "\"max_input_chars_per_word\":9,\"vocab\":{\"a\":1e99}}",
     "model.vocab: the id of \"a\" is no whole number"},
    {WORDS "\"max_input_chars_per_word\":\"9\",\"vocab\":{}}",
     "model.max_input_chars_per_word must be a whole number"},
};

static void test_refused(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof refused / sizeof *refused; i++) {
        struct vocabulary vocabulary;
        struct tree tree;
        struct err err;
        assert_null(load(refused[i].model, &tree, &vocabulary, &err));
        CHECK_TEXT(refused[i].model, err.text, refused[i].want);
        tree_fini(&tree);
        vocabulary_fini(&vocabulary);
    }
}

/* A piece of a megabyte, in a time that grows with its length. */
static void test_long(void **state)
{
    (void)state;
    enum { LENGTH = 1 << 20 };
    struct vocabulary vocabulary;
    struct tree tree;
    struct err err;
    void *self = load(ties, &tree, &vocabulary, &err);
    assert_non_null(self);
    char *piece = malloc(LENGTH);
    for (size_t i = 0; i < LENGTH; i++)
        piece[i] = "abc"[i % 3];
    struct ids ids = {.count = 0};
    void *work = model_unigram.work_new(self);
    assert_true(model_unigram.encode(self, work, span_of(piece, LENGTH), &ids, &err));
    size_t covered = 0;
    for (size_t i = 0; i < ids.count; i++)
        covered += vocabulary_text(&vocabulary, ids.items[i]).len;
    CHECK_INT("bytes covered", covered, LENGTH);
    model_unigram.work_free(work);
    model_unigram.free(self);
    free(ids.items);
    free(piece);
    tree_fini(&tree);
    vocabulary_fini(&vocabulary);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_encode),
        cmocka_unit_test(test_refused),
        cmocka_unit_test(test_long),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
