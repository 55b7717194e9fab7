/* Tokens by id and by text, and the tree that they are read from. */
#include "check.h"

#include "token/tree.h"
#include "token/vocabulary.h"

static void test_vocabulary(void **state)
{
    (void)state;
    struct vocabulary vocabulary;
    struct err err;
    vocabulary_init(&vocabulary);
    CHECK_INT("empty", vocabulary_find(&vocabulary, span_text("a")), VOCABULARY_NONE);
    char text[32];
    for (unsigned i = 0; i < 5000; i++) {
        int len = snprintf(text, sizeof text, "token%u", i * 7);
        assert_true(vocabulary_add(&vocabulary, "v", span_of(text, (size_t)len), i * 3, &err));
    }
    for (unsigned i = 0; i < 5000; i++) {
        int len = snprintf(text, sizeof text, "token%u", i * 7);
        CHECK_INT(text, vocabulary_find(&vocabulary, span_of(text, (size_t)len)), i * 3);
        assert_true(span_equals(vocabulary_text(&vocabulary, i * 3), text));
        CHECK_INT("a hole", vocabulary_has(&vocabulary, i * 3 + 1), false);
    }
    CHECK_INT("count", vocabulary.count, 4999 * 3 + 1);
    CHECK_INT("unknown", vocabulary_find(&vocabulary, span_text("token1")), VOCABULARY_NONE);
    vocabulary_fini(&vocabulary);
}

static const struct {
    const char *text;
    uint64_t id;
    const char *want;
} refused[] = {
    {"b", 0, "v: \"a\" and \"b\" have the same id, 0"},
    {"a", 1, "v: \"a\" has two ids, 0 and 1"},
    {"c", VOCABULARY_MAX_ID, "v: \"c\" has the id 8388608; ids must be below 8388608"},
};

static void test_refused(void **state)
{
    (void)state;
    struct vocabulary vocabulary;
    struct err err;
    vocabulary_init(&vocabulary);
    assert_true(vocabulary_add(&vocabulary, "v", span_text("a"), 0, &err));
    for (size_t i = 0; i < sizeof refused / sizeof *refused; i++) {
        assert_false(
            vocabulary_add(&vocabulary, "v", span_text(refused[i].text), refused[i].id, &err));
        CHECK_TEXT("sentence", err.text, refused[i].want);
    }
    vocabulary_fini(&vocabulary);
}

static void test_tree(void **state)
{
    (void)state;
    static const char text[] =
        "{\"a\": [1, [2, {}], \"x\\ny\"], \"b\": {\"c\": true}, \"d\": null}";
    struct tree tree;
    struct err err;
    assert_true(tree_read(&tree, span_text(text), &err));
    const struct node *root = tree_root(&tree), *list = node_get(root, "a");
    CHECK_INT("keys", root->count, 3);
    CHECK_INT("elements", list->count, 3);
    const struct node *last = NULL;
    for (const struct node *at = node_first(list); at; at = node_next(list, at))
        last = at;
    assert_true(node_is(last, JSON_STRING) && span_equals(node_text(last), "x\ny"));
    bool flag = false;
    assert_true(node_flag(node_get(root, "b"), "b", "c", &flag, &err) && flag);
    assert_null(node_get(root, "d"));
    assert_null(node_get(root, "e"));
    assert_false(node_check(root, "it", "a b", &err));
    CHECK_TEXT("unknown key", err.text, "it has \"d\", which is not supported (known are: a b)");
    assert_false(node_string(root, "it", "a", &(struct span){0}, &err));
    CHECK_TEXT("kind", err.text, "it.a must be a string");
    tree_fini(&tree);
}

static void test_broken_trees(void **state)
{
    (void)state;
    char deep[TREE_MAX_DEPTH + 2];
    memset(deep, '[', sizeof deep);
    deep[sizeof deep - 1] = '\0';
    const char *const texts[] = {"", "{", "[1,]", "{\"a\" 1}", deep};
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
        struct tree tree;
        struct err err = {.text = ""};
        assert_false(tree_read(&tree, span_text(texts[i]), &err));
        assert_true(err.text[0] != '\0');
        tree_fini(&tree);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_vocabulary),
        cmocka_unit_test(test_refused),
        cmocka_unit_test(test_tree),
        cmocka_unit_test(test_broken_trees),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
