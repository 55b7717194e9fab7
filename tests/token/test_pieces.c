/* Pre-tokenizers, each by itself: the pieces of a text, as the reference library gives them. */
#include "check.h"

#include "token/model.h"
#include "token/regex.h"

#define SPLIT(pattern, behavior, invert)                                                           \
    "{\"type\":\"Split\",\"pattern\":" pattern ",\"behavior\":\"" behavior "\",\"invert\":" invert \
    "}"
#define DASH "{\"String\":\"-\"}"
#define META(scheme, split)                                                                        \
    "{\"type\":\"Metaspace\",\"replacement\":\"_\",\"prepend_scheme\":\"" scheme                   \
    "\",\"split\":" split "}"

static const struct {
    const char *step, *text, *want;
} cases[] = {
    {SPLIT(DASH, "Removed", "false"), "the-final--countdown", "[the][final][countdown]"},
    {SPLIT(DASH, "Isolated", "false"), "the-final--countdown", "[the][-][final][-][-][countdown]"},
    {SPLIT(DASH, "MergedWithPrevious", "false"), "the-final--countdown",
     "[the-][final-][-][countdown]"},
    {SPLIT(DASH, "MergedWithNext", "false"), "the-final--countdown",
     "[the][-final][-][-countdown]"},
    {SPLIT(DASH, "Contiguous", "false"), "the-final--countdown", "[the][-][final][--][countdown]"},
    {SPLIT(DASH, "Removed", "true"), "the-final--countdown", "[-][-][-]"},
    {SPLIT(DASH, "Contiguous", "true"), "a--b", "[a][--][b]"},
    {SPLIT(DASH, "MergedWithNext", "false"), "a-", "[a][-]"},
    {SPLIT(DASH, "MergedWithPrevious", "false"), "-a", "[-][a]"},
    {SPLIT("{\"Regex\":\"\\\\d+|x*\"}", "Isolated", "false"), "a12bx", "[a][12][b][x]"},
    {SPLIT("{\"Regex\":\"(?=[A-Z])\"}", "Isolated", "false"), "oneTwoT", "[one][Two][T]"},
    {"{\"type\":\"Digits\",\"individual_digits\":true}", "a12\xc2\xbd", "[a][1][2][\xc2\xbd]"},
    {"{\"type\":\"Digits\",\"individual_digits\":false}", "a12b", "[a][12][b]"},
    {"{\"type\":\"Punctuation\"}", "a,.b$\xe3\x80\x82", "[a][,][.][b][$][\xe3\x80\x82]"},
    {"{\"type\":\"Punctuation\",\"behavior\":\"Contiguous\"}", "a,.b", "[a][,.][b]"},
    {"{\"type\":\"WhitespaceSplit\"}", " a\xe3\x80\x80 b,c\n", "[a][b,c]"},
    {"{\"type\":\"Whitespace\"}", " it's e\xcc\x81 12_a!? ", "[it]['][s][e\xcc\x81][12_a][!?]"},
    {META("always", "true"), "a b  c", "[_a][_b][_][_c]"},
    {META("always", "true"), " a", "[_a]"},
    {META("never", "true"), "a b", "[a][_b]"},
    {META("first", "false"), "a b", "[_a_b]"},
    {"{\"type\":\"ByteLevel\",\"add_prefix_space\":false}", "I've 12 a  b",
     "[I]['ve][ 12][ a][ ][ b]"},
    {"{\"type\":\"ByteLevel\",\"add_prefix_space\":true}", "a b", "[ a][ b]"},
    {"{\"type\":\"ByteLevel\",\"add_prefix_space\":true,\"use_regex\":false}", "a b", "[ a b]"},
};

static void *load(const char *step, const struct pretokenizer_row **row, struct err *err)
{
    struct tree tree;
    struct span type = {0};
    assert_true(tree_read(&tree, span_text(step), err));
    assert_true(node_string(tree_root(&tree), "step", "type", &type, err));
    *row = pretokenizer_find(type);
    assert_non_null(*row);
    void *self = (*row)->load(tree_root(&tree), err);
    tree_fini(&tree);
    return self;
}

/* The pieces in brackets. */
static char *run(const struct pretokenizer_row *row, const void *self, const char *text)
{
    struct err err;
    struct buf shown;
    struct pieces in = {.text = span_text(text)}, out = {.text = span_text(text)};
    struct regex_work *work = regex_work_new();
    buf_init(&shown, 10000);
    buf_init(&out.own, TOKEN_MAX_TEXT);
    pieces_add(&in, 0, strlen(text), true);
    assert_true(row->run(self, work, &in, &out, &err));
    for (size_t i = 0; i < out.count; i++)
        buf_printf(&shown, "[%.*s]", (int)piece_text(&out, i).len, piece_text(&out, i).data);
    regex_work_free(work);
    buf_fini(&out.own);
    free(in.items);
    free(out.items);
    return buf_take(&shown);
}

static void test_pieces(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct err err = {.text = ""};
        const struct pretokenizer_row *row;
        void *self = load(cases[i].step, &row, &err);
        CHECK_TEXT(cases[i].step, err.text, "");
        char *got = run(row, self, cases[i].text);
        CHECK_TEXT(cases[i].step, got, cases[i].want);
        free(got);
        row->free(self);
    }
}

static const struct {
    const char *step, *want;
} refused[] = {
    {SPLIT("{\"Regex\":\"[a&&b]\"}", "Isolated", "false"), "intersection"},
    {SPLIT("{\"String\":\"\"}", "Isolated", "false"), "not empty"},
    {SPLIT(DASH, "Halved", "false"), "Split.behavior is \"Halved\""},
    {SPLIT(DASH, "Isolated", "1"), "Split.invert must be true or false"},
    {"{\"type\":\"Split\",\"behavior\":\"Isolated\"}", "Split has no \"pattern\""},
    {"{\"type\":\"Digits\",\"new\":1}", "Digits has \"new\", which is not supported"},
    {"{\"type\":\"Metaspace\",\"replacement\":\"ab\"}", "must be one character"},
    {META("sometimes", "true"), "Metaspace.prepend_scheme is \"sometimes\""},
};

static void test_refused(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof refused / sizeof *refused; i++) {
        struct err err = {.text = ""};
        const struct pretokenizer_row *row;
        if (load(refused[i].step, &row, &err))
            fail_msg("%s is accepted", refused[i].step);
        if (!strstr(err.text, refused[i].want))
            fail_msg("%s: \"%s\"", refused[i].step, err.text);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_pieces),
        cmocka_unit_test(test_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
