/* Where tokens end in their text: exactly where their texts make it, else in proportion. */
#include "check.h"

#include <unistd.h>

#include "base/mem.h"
#include "token/places.h"
#include "token/tokenizer.h"

static struct tokenizer *load(const char *path)
{
    struct err err;
    struct tokenizer *tokenizer = tokenizer_load(path, &err);
    if (!tokenizer)
        fail_msg("%s", err.text);
    return tokenizer;
}

static void check_ends(const char *text, const struct place_list *list, size_t len)
{
    size_t before = 0;
    for (size_t i = 0; i < list->count; i++) {
        if (list->ends[i] < before || list->ends[i] > len)
            fail_msg("\"%s\": token %zu ends at %zu after %zu", text, i, list->ends[i], before);
        before = list->ends[i];
    }
    CHECK_INT(text, before, len);
}

static void ends_as_text(const struct place_list *list, char *out, size_t size)
{
    out[0] = '\0';
    for (size_t i = 0; i < list->count; i++)
        snprintf(out + strlen(out), size - strlen(out), "%s%zu", i ? " " : "", list->ends[i]);
}

/* The vocabulary is that of tests/data/tokenizer: bytes, and what 500 merges made. */
static const struct {
    const char *text, *ends;
} exact[] = {
    {"", ""},
    {"x", "1"},
    {"the", "3"},
    {"the river", "3 9"},
    {"the  river", "3 4 10"},
    {"\xe4\xbd\xa0\xe5\xa5\xbd", "6"}, /* two characters that are one token … */
    {"\xe9\xbe\x98", "3 3 3"},         /* … one that is three … */
    {"a\xe9\xbe\x98z", "1 4 4 4 5"},   /* … between others … */
    {"\xf0\x9f\xa6\x8a!", "4 4 4 5"},  /* … and one whose first two bytes are one token */
    {"\xe9\xbe\x98\xe9\xbe\x98", "3 3 3 6 6 6"},
    {"the<|user|> river", "3 11 17"},
};

static void ends_are_exact(void **state)
{
    (void)state;
    struct tokenizer *tokenizer = load(TEST_DATA "/tokenizer");
    struct places *places = places_new(tokenizer);
    for (size_t i = 0; i < sizeof exact / sizeof *exact; i++) {
        struct place_list list;
        struct err err;
        char got[256];
        assert_true(places_find(places, span_text(exact[i].text), &list, &err));
        ends_as_text(&list, got, sizeof got);
        CHECK_TEXT(exact[i].text, got, exact[i].ends);
        assert_true(list.exact);
    }
    places_free(places);
    tokenizer_free(tokenizer);
}

static void wrong_bytes_are_counted(void **state)
{
    static const char *const texts[] = {"\xff", "a\xe5\xb1", "\xc3\x28 the", "\xef\xbf\xbd"};
    (void)state;
    struct tokenizer *tokenizer = load(TEST_DATA "/tokenizer");
    struct places *places = places_new(tokenizer);
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
        struct place_list list;
        struct err err;
        assert_true(places_find(places, span_text(texts[i]), &list, &err));
        assert_true(list.count > 0);
        check_ends(texts[i], &list, strlen(texts[i]));
    }
    places_free(places);
    tokenizer_free(tokenizer);
}

/* One that folds case and has a token for each of three letters. */
static const char folding[] =
    "{\"version\":\"1.0\",\"added_tokens\":[],\"normalizer\":{\"type\":\"Lowercase\"},"
    "\"pre_tokenizer\":null,\"post_processor\":null,\"decoder\":{\"type\":\"Fuse\"},"
    "\"model\":{\"type\":\"BPE\",\"vocab\":{\"a\":0,\"b\":1,\"c\":2,\"ab\":3},"
    "\"merges\":[\"a b\"]}}";

static void a_changed_text_is_estimated(void **state)
{
    (void)state;
    char path[] = "/tmp/llmbench-places-XXXXXX.json";
    int fd = mkstemps(path, 5);
    assert_true(fd >= 0);
    assert_int_equal(write(fd, folding, strlen(folding)), strlen(folding));
    close(fd);
    struct tokenizer *tokenizer = load(path);
    unlink(path);
    struct places *places = places_new(tokenizer);
    struct place_list list;
    struct err err;
    char got[64];
    assert_true(places_find(places, span_text("abcab"), &list, &err));
    assert_true(list.exact);
    assert_true(places_find(places, span_text("ABCAB"), &list, &err));
    assert_false(list.exact);
    ends_as_text(&list, got, sizeof got);
    CHECK_TEXT("ABCAB", got, "2 3 5");
    places_free(places);
    tokenizer_free(tokenizer);
}

/* Whatever is said in it: one encoding, and a few decoded tokens at a time. */
static void long_texts_are_quick(void **state)
{
    (void)state;
    enum { BYTES = 1 << 20 };
    struct tokenizer *tokenizer = load(TEST_DATA "/tokenizer");
    struct places *places = places_new(tokenizer);
    char *text = mem_alloc(BYTES);
    struct place_list list;
    struct err err;
    for (size_t i = 0; i < BYTES; i++)
        text[i] = "river\xe9\xbe\x98 the"[i % 12];
    assert_true(places_find(places, span_of(text, BYTES - BYTES % 12), &list, &err));
    assert_true(list.exact);
    assert_int_equal(list.ends[list.count - 1], BYTES - BYTES % 12);
    free(text);
    places_free(places);
    tokenizer_free(tokenizer);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(ends_are_exact),
        cmocka_unit_test(wrong_bytes_are_counted),
        cmocka_unit_test(a_changed_text_is_estimated),
        cmocka_unit_test(long_texts_are_quick),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
