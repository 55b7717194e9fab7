/* Names of runs, folders, secrets of the command line. */
#include <sys/stat.h>
#include <unistd.h>

#include "app/hidden.h"
#include "app/paths.h"
#include "check.h"

static void test_run_name(void **state)
{
    static const struct {
        const char *model, *begins;
    } cases[] = {
        {"qwen2.5", "qwen2.5_benchmark_"},
        {NULL, "llm_benchmark_"},
        {"", "llm_benchmark_"},
        {"Qwen/Qwen2.5-7B", "Qwen_Qwen2.5-7B_benchmark_"},
        {"../x", "_._x_benchmark_"},
        {"a b\n:*", "a_b____benchmark_"},
        {"模型", "_______benchmark_"},
    };
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        char *name = path_run_name(cases[i].model, "/nowhere", UINT64_C(1700000000) * 1000000000);
        size_t len = strlen(cases[i].begins);
        if (strncmp(name, cases[i].begins, len) != 0 || strlen(name) != len + 15 ||
            name[len + 8] != '_' || strspn(name + len, "0123456789_") != 15)
            fail_msg("got \"%s\", want \"%sYYYYmmdd_HHMMSS\"", name, cases[i].begins);
        free(name);
    }
    char longest[1000];
    memset(longest, 'm', sizeof longest - 1);
    longest[sizeof longest - 1] = 0;
    char *name = path_run_name(longest, "/nowhere", 1);
    assert_in_range(strlen(name), 100, PATH_NAME_LIMIT);
    free(name);
}

/* A second run within the same second gets a name of its own. */
static void test_run_name_taken(void **state)
{
    char folder[] = "/tmp/llmbench_name_XXXXXX", path[200];
    (void)state;
    assert_non_null(mkdtemp(folder));
    char *first = path_run_name("m", folder, 1);
    snprintf(path, sizeof path, "%s/%s.db", folder, first);
    fclose(fopen(path, "w"));
    char *second = path_run_name("m", folder, 1);
    size_t len = strlen(first);
    assert_memory_equal(first, second, len);
    CHECK_TEXT("second", second + len, "_2");
    unlink(path);
    rmdir(folder);
    free(first);
    free(second);
}

static void test_folders(void **state)
{
    static const char *const folders[][2] = {
        {"a/b/c.json", "a/b"}, {"c.json", "."}, {"/c.json", "/"}, {"./c", "."}};
    char root[] = "/tmp/llmbench_folder_XXXXXX", path[200];
    struct err err;
    struct stat info;
    (void)state;
    for (size_t i = 0; i < sizeof folders / sizeof *folders; i++) {
        char *folder = path_folder(folders[i][0]);
        CHECK_TEXT(folders[i][0], folder, folders[i][1]);
        free(folder);
    }
    assert_non_null(mkdtemp(root));
    snprintf(path, sizeof path, "%s/x//y/", root);
    assert_true(path_make_folder(path, &err));
    assert_true(path_make_folder(path, &err));
    assert_int_equal(stat(path, &info), 0);
    assert_false(path_make_folder("", &err));
    snprintf(path, sizeof path, "%s/file", root);
    fclose(fopen(path, "w"));
    strcat(path, "/below");
    assert_false(path_make_folder(path, &err));
    assert_non_null(strstr(err.text, "/file"));
    path[strlen(path) - strlen("/below")] = 0;
    unlink(path);
    snprintf(path, sizeof path, "%s/x/y", root);
    rmdir(path);
    path[strlen(path) - 2] = 0;
    rmdir(path);
    rmdir(root);
}

static void test_read_ceiling(void **state)
{
    char path[] = "/tmp/llmbench_read_XXXXXX";
    struct buf text;
    struct err err;
    (void)state;
    int fd = mkstemp(path);
    assert_int_equal(write(fd, "12345", 5), 5);
    close(fd);
    buf_init(&text, 5);
    assert_true(path_read(path, &text, &err));
    CHECK_INT("bytes", text.len, 5);
    buf_fini(&text);
    buf_init(&text, 4);
    assert_false(path_read(path, &text, &err));
    assert_non_null(strstr(err.text, "larger than 4 bytes"));
    buf_fini(&text);
    unlink(path);
}

static void test_hidden(void **state)
{
    static const struct {
        const char *url, *key, *header, *text, *want;
    } cases[] = {
        {NULL, "sk-123456", NULL, "key sk-123456.", "key [redacted]."},
        {NULL, NULL, "Authorization: Bearer tok-987", "a tok-987 b", "a [redacted] b"},
        {NULL, NULL, "authorization: rawkey99", "rawkey99", "[redacted]"},
        {NULL, NULL, "X-Api-Key:abcdef", "abcdef", "[redacted]"},
        {NULL, NULL, "Cookie: session=hush1", "session=hush1", "[redacted]"},
        {NULL, NULL, "Accept: text/plain", "text/plain", "text/plain"},
        {"http://me:passw0rd@h/x", NULL, NULL, "passw0rd", "[redacted]"},
        {"http://h/x:y@zzzz", NULL, NULL, "zzzz y", "zzzz y"},
        {"http://me-1@host/", NULL, NULL, "me-1 host bWUtMTo=", "[redacted] host [redacted]="},
    };
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct secrets *secrets = secrets_new();
        struct options options = {
            .spec = {.url = (char *)cases[i].url, .api_key = (char *)cases[i].key}};
        if (cases[i].header)
            list_add(&options.spec.headers, cases[i].header);
        hidden_add(secrets, &options, NULL);
        char *got = secrets_hidden(secrets, cases[i].text);
        CHECK_TEXT(cases[i].text, got, cases[i].want);
        free(got);
        list_fini(&options.spec.headers);
        secrets_free(secrets);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_run_name), cmocka_unit_test(test_run_name_taken),
        cmocka_unit_test(test_folders),  cmocka_unit_test(test_read_ceiling),
        cmocka_unit_test(test_hidden),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
