/* Digests of files: small ones whole, of large ones the size and pieces all over. */
#include "check.h"

#include <fcntl.h>
#include <unistd.h>

#include "script/digest.h"

enum { LARGE = 20 << 20 };

static char path[] = "/tmp/llmbench-digest-XXXXXX";

static int set_up(void **state)
{
    (void)state;
    return mkstemp(path) < 0;
}

static int tear_down(void **state)
{
    (void)state;
    return unlink(path);
}

static char *digest_with(off_t size, off_t at, const char *text)
{
    int fd = open(path, O_WRONLY | O_TRUNC);
    assert_true(fd >= 0 && ftruncate(fd, size) == 0);
    assert_int_equal(pwrite(fd, text, strlen(text), at), strlen(text));
    close(fd);
    return digest_of_file(path);
}

static void small_files(void **state)
{
    (void)state;
    char *got = digest_with(0, 0, "abc");
    assert_string_equal(got, "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
    free(got);
    assert_null(digest_of_file("/tmp"));
    assert_null(digest_of_file("/nonexistent"));
}

static void differ(off_t size, off_t at, off_t other_size, off_t other_at)
{
    char *one = digest_with(size, at, "x"), *other = digest_with(other_size, other_at, "x");
    assert_string_not_equal(one, other);
    free(one);
    free(other);
}

static void large_files(void **state)
{
    (void)state;
    char *one = digest_with(LARGE, 7, "x"), *same = digest_with(LARGE, 7, "x");
    assert_string_equal(one, same);
    free(one);
    free(same);
    differ(LARGE, 7, LARGE, 8);
    differ(LARGE, 7, LARGE + 1, 7);
    differ(LARGE, LARGE - 1, LARGE, LARGE - 2);
    differ(LARGE - 1, 7, LARGE - 1, LARGE - 2);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(small_files),
        cmocka_unit_test(large_files),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
