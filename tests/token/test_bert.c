/* BertNormalizer, BertPreTokenizer and Precompiled: what a text becomes, and what is refused. The
 * expected texts are the reference's. */
#include "check.h"

#include "base/mem.h"
#include "token/bert.h"
#include "token/precompiled.h"

#define BERT(clean, chinese, accents, lower)                                                       \
    "{\"type\":\"BertNormalizer\",\"clean_text\":" clean ",\"handle_chinese_chars\":" chinese      \
    ",\"strip_accents\":" accents ",\"lowercase\":" lower "}"

static const struct {
    const char *normalizer, *text, *want;
} texts[] = {
    {BERT("true", "false", "false", "false"),
     "a\x01\tb\n\xc2\x85"
     "c\xe2\x80\x8d\xc2\xa0"
     "d\xef\xbf\xbd",
     "a b c d"},
    {BERT("true", "false", "false", "false"), "\xe3\x80\x80x\xee\x80\x80", " x"},
    {BERT("false", "true", "false", "false"), "a你好\tb", "a 你  好 \tb"},
    {BERT("false", "true", "false", "false"), "𫠠𫤠", "𫠠 𫤠 "},
    {BERT("false", "false", "true", "false"), "Éa\xcc\x81 \xe1\xbb\xa3Ω", "Ea oΩ"},
    {BERT("false", "false", "null", "true"), "ÉİΣ", "eiσ"},
    {BERT("false", "false", "false", "true"), "ÉΣ", "éσ"},
    {BERT("false", "false", "null", "false"), "É", "É"},
};

static void test_normalizer(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
        struct tree tree;
        struct err err;
        struct buf out;
        buf_init(&out, 1000);
        assert_true(tree_read(&tree, span_text(texts[i].normalizer), &err));
        void *self = bert_load(tree_root(&tree), &err);
        assert_non_null(self);
        assert_true(bert_run(self, NULL, span_text(texts[i].text), &out, &err));
        buf_add_char(&out, 0);
        CHECK_TEXT(texts[i].text, out.data, texts[i].want);
        buf_fini(&out);
        free(self);
        tree_fini(&tree);
    }
}

static void test_bounded(void **state)
{
    (void)state;
    struct tree tree;
    struct err err;
    struct buf out;
    buf_init(&out, 4);
    assert_true(tree_read(&tree, span_text(BERT("true", "true", "true", "true")), &err));
    void *self = bert_load(tree_root(&tree), &err);
    assert_false(bert_run(self, NULL, span_text("你好"), &out, &err));
    CHECK_TEXT("sentence", err.text, "BertNormalizer makes a text of more than 4 bytes");
    buf_fini(&out);
    free(self);
    tree_fini(&tree);
}

static const struct {
    const char *text, *pieces; /* each followed by its place; * where it begins the text */
} splits[] = {
    {"Hey friend!  How?", "Hey@0* friend@4 !@10 How@13 ?@16 "},
    {" a", "a@1 "},
    {"!", "!@0* "},
    {"...", ".@0* .@1 .@2 "},
    {"a\xe3\x80\x80"
     "b。c",
     "a@0* b@4 。@5 c@8 "},
    {"$1^2`", "$@0* 1@1 ^@2 2@3 `@4 "},
    {"€", "€@0* "},
    {" \n", ""},
};

static void test_split(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof splits / sizeof *splits; i++) {
        struct span text = span_text(splits[i].text);
        struct pieces in = {.text = text}, out = {.text = text};
        struct err err;
        struct buf got;
        buf_init(&got, 1000);
        pieces_add(&in, 0, text.len, true);
        assert_true(bert_split_run(NULL, NULL, &in, &out, &err));
        for (size_t k = 0; k < out.count; k++)
            buf_printf(&got, "%.*s@%u%s ", (int)out.items[k].len, text.data + out.items[k].start,
                       out.items[k].start, out.items[k].first ? "*" : "");
        buf_add_char(&got, 0);
        CHECK_TEXT(splits[i].text, got.data, splits[i].pieces);
        buf_fini(&got);
        free(in.items);
        free(out.items);
    }
}

/* ---- Precompiled ---- */

/* tests/data/token/charsmap.b64, made by tests/oracle/made.py: Ａ → A, ﬁ → fi, e and an acute → é,
 * q → k, BEL → nothing, か and the voicing mark → が. */
static char *charsmap(void)
{
    char *text = mem_zero(4096, 1);
    FILE *file = fopen(TEST_DATA "/token/charsmap.b64", "rb");
    assert_non_null(file);
    assert_true(fread(text, 1, 4095, file) > 2000);
    fclose(file);
    return text;
}

static void *load_charsmap(const char *base64, struct err *err)
{
    struct tree tree;
    char *json = mem_printf("{\"type\":\"Precompiled\",\"precompiled_charsmap\":\"%s\"}", base64);
    assert_true(tree_read(&tree, span_text(json), err));
    void *self = precompiled_load(tree_root(&tree), err);
    tree_fini(&tree);
    free(json);
    return self;
}

static const struct {
    const char *text, *want;
} mapped[] = {
    {"", ""},
    {"abc", "abc"},
    {"ＡﬁＢ", "AfiＢ"},
    {"e\xcc\x81", "é"},
    {"e\xcc\x81\xcc\x82", "é"}, /* the shortest entry replaces a whole short grapheme */
    {"q\xcc\x81z", "kz"},
    {"q\xe2\x83\x9d\xe2\x83\x9d", "k\xe2\x83\x9d\xe2\x83\x9d"}, /* seven bytes: one by one */
    {"か\xe3\x82\x99", "か\xe3\x82\x99"},                       /* six: the entry is never found */
    {"\x07x\x07", "x"},
    {"Qq", "Qk"},
};

static void test_precompiled(void **state)
{
    (void)state;
    struct err err;
    char *base64 = charsmap();
    void *self = load_charsmap(base64, &err);
    assert_non_null(self);
    for (size_t i = 0; i < sizeof mapped / sizeof *mapped; i++) {
        struct buf out;
        buf_init(&out, 1000);
        assert_true(precompiled_run(self, NULL, span_text(mapped[i].text), &out, &err));
        buf_add_char(&out, 0);
        CHECK_TEXT(mapped[i].text, out.data, mapped[i].want);
        buf_fini(&out);
    }
    precompiled_free(self);
    free(base64);
}

static const struct {
    const char *base64, *want;
} refused[] = {
    {"", "Precompiled.precompiled_charsmap is cut short or damaged: its trie has 0 bytes, and it "
         "has 0"},
    {"AAAA", "Precompiled.precompiled_charsmap is cut short or damaged: its trie has 0 bytes, and "
             "it has 3"},
    {"CAAAAAAAAAA=", "Precompiled.precompiled_charsmap is cut short or damaged: its trie has 8 "
                     "bytes, and it has 8"},
    {"/////w==", "Precompiled.precompiled_charsmap is cut short or damaged: its trie has "
                 "4294967295 bytes, and it has 4"},
    {"BAAAAAAAAAD/", "Precompiled.precompiled_charsmap has replacements that are not UTF-8"},
    {"a", "Precompiled.precompiled_charsmap is no base64 of at most 67108864 bytes"},
};

static void test_refused(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof refused / sizeof *refused; i++) {
        struct err err;
        assert_null(load_charsmap(refused[i].base64, &err));
        CHECK_TEXT(refused[i].base64, err.text, refused[i].want);
    }
}

/* Units that lead outside: found when a text goes there, and never read. */
static void test_leads_outside(void **state)
{
    (void)state;
    static const char *const damaged[] = {
        "BAAAAAD8//8=",     /* one unit, whose offset is far away */
        "BAAAAAAEAAB4AA==", /* one unit, and every byte is past it */
    };
    for (size_t i = 0; i < sizeof damaged / sizeof *damaged; i++) {
        struct err err;
        struct buf out;
        buf_init(&out, 1000);
        void *self = load_charsmap(damaged[i], &err);
        assert_non_null(self);
        assert_false(precompiled_run(self, NULL, span_text("ab"), &out, &err));
        CHECK_TEXT(
            "sentence", err.text,
            "Precompiled.precompiled_charsmap is damaged: it leads outside of itself at \"a\"");
        precompiled_free(self);
        buf_fini(&out);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_normalizer), cmocka_unit_test(test_bounded),
        cmocka_unit_test(test_split),      cmocka_unit_test(test_precompiled),
        cmocka_unit_test(test_refused),    cmocka_unit_test(test_leads_outside),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
