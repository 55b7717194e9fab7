#include "check.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <unistd.h>

#include "base/log.h"
#include "base/mem.h"
#include "base/secrets.h"

/* Standard error goes into a file while a capture lasts. */
struct capture {
    int old, file;
};

static struct capture capture_begin(void)
{
    char path[] = "/tmp/llmbench-test-log-XXXXXX";
    struct capture capture = {.old = dup(STDERR_FILENO), .file = mkstemp(path)};
    assert_true(capture.old >= 0 && capture.file >= 0);
    unlink(path);
    dup2(capture.file, STDERR_FILENO);
    return capture;
}

static char *read_all(int fd)
{
    off_t size = lseek(fd, 0, SEEK_END);
    assert_true(size >= 0);
    char *text = mem_alloc((size_t)size + 1);
    CHECK_INT("read", pread(fd, text, (size_t)size, 0), size);
    text[size] = '\0';
    return text;
}

static char *capture_end(struct capture capture)
{
    dup2(capture.old, STDERR_FILENO);
    close(capture.old);
    char *text = read_all(capture.file);
    close(capture.file);
    return text;
}

static void check_captured(const char *name, struct capture capture, const char *want)
{
    char *got = capture_end(capture);
    CHECK_TEXT(name, got, want);
    free(got);
}

static void write_each_level(struct log *log)
{
    log_debug(log, "detail %d", 1);
    log_info(log, "note %d", 2);
    log_warn(log, "doubt %d", 3);
    log_error(log, "fault %d", 4);
}

static void test_levels_on_the_console(void **state)
{
    (void)state;
    static const struct {
        enum log_level console;
        const char *want;
    } cases[] = {
        {LOG_DEBUG, "llmbench: debug: detail 1\nllmbench: note 2\nllmbench: warning: doubt 3\n"
                    "llmbench: error: fault 4\n"},
        {LOG_INFO, "llmbench: note 2\nllmbench: warning: doubt 3\nllmbench: error: fault 4\n"},
        {LOG_WARN, "llmbench: warning: doubt 3\nllmbench: error: fault 4\n"},
        {LOG_ERROR, "llmbench: error: fault 4\n"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct log *log = log_new(cases[i].console, NULL);
        struct capture capture = capture_begin();
        write_each_level(log);
        check_captured("levels", capture, cases[i].want);
        CHECK_INT("warnings", log_warnings(log), 2);
        log_free(log);
    }
}

static void test_null_log_is_silent(void **state)
{
    (void)state;
    struct capture capture = capture_begin();
    write_each_level(NULL);
    log_set_live(NULL, true);
    CHECK_INT("warnings", log_warnings(NULL), 0);
    log_free(NULL);
    check_captured("silent", capture, "");
}

static void test_text_is_tame(void **state)
{
    (void)state;
    static const struct {
        const char *message, *want;
    } cases[] = {
        {"plain", "llmbench: plain\n"},
        {"", "llmbench: \n"},
        {"ends\n\n", "llmbench: ends\n"},
        {"one\ntwo\n\nthree", "llmbench: one\n  two\n  \n  three\n"},
        {"tab\there", "llmbench: tab\there\n"},
        {"\x1b[31mred\r\a\x7f", "llmbench: \\x1b[31mred\\x0d\\x07\\x7f\n"},
        {"grüße 你好", "llmbench: grüße 你好\n"},
        {"100%s", "llmbench: 100%s\n"},
        {"the sk-12345 \"sk\\u002d12345\"", "llmbench: the [redacted] \"[redacted]\"\n"},
    };
    struct secrets *secrets = secrets_new();
    secrets_add(secrets, span_text("sk-12345"));
    struct log *log = log_new(LOG_INFO, secrets);
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct capture capture = capture_begin();
        log_info(log, "%s", cases[i].message);
        check_captured(cases[i].message, capture, cases[i].want);
    }
    log_free(log);
    secrets_free(secrets);
}

static void test_live_line_is_cleared(void **state)
{
    (void)state;
    struct log *log = log_new(LOG_INFO, NULL);
    struct capture capture = capture_begin();
    log_set_live(log, true);
    log_info(log, "a");
    log_debug(log, "unseen"); /* must not clear the line either */
    log_set_live(log, false);
    log_warn(log, "b");
    check_captured("live", capture, "\r\033[Kllmbench: a\nllmbench: warning: b\n");
    log_free(log);
}

static void test_errno_is_kept(void **state)
{
    (void)state;
    struct log *log = log_new(LOG_INFO, NULL);
    struct err err;
    assert_int_equal(access("/dev/full", W_OK), 0);     /* every Linux has it */
    assert_true(log_open_file(log, "/dev/full", &err)); /* its writes set errno */
    struct capture capture = capture_begin();
    errno = ENOENT;
    log_info(log, "%s", "x");
    CHECK_INT("errno", errno, ENOENT);
    free(capture_end(capture));
    log_free(log);
}

static void test_huge_message_is_cut(void **state)
{
    (void)state;
    size_t size = 70000;
    char *huge = mem_alloc(size + 1);
    memset(huge, 1, size);
    huge[size] = '\0';
    struct log *log = log_new(LOG_INFO, NULL);
    struct capture capture = capture_begin();
    log_info(log, "%s", huge);
    char *got = capture_end(capture);
    CHECK_INT("length", strlen(got),
              strlen("llmbench: ") + 4 * 65536 + strlen(" … (4464 more bytes)\n"));
    CHECK_TEXT("end", got + strlen(got) - 27, "\\x01 … (4464 more bytes)\n");
    free(got);

    memset(huge, 'x', 65535);
    memcpy(huge + 65535, "ü", 2); /* stands across the cut */
    capture = capture_begin();
    log_info(log, "%s", huge);
    got = capture_end(capture);
    CHECK_TEXT("no half character", got + strlen(got) - 24, "x … (4465 more bytes)\n");
    free(got);
    log_free(log);
    free(huge);
}

/* "2026-01-31 23:59:59.123 " */
static void check_stamp(const char *line)
{
    static const char shape[] = "0000-00-00 00:00:00.000 ";
    for (size_t i = 0; i < sizeof shape - 1; i++) {
        bool digit = line[i] >= '0' && line[i] <= '9';
        if (shape[i] == '0' ? !digit : line[i] != shape[i])
            fail_msg("the line \"%s\" does not begin with a date and time", line);
    }
}

static void test_file(void **state)
{
    (void)state;
    char path[] = "/tmp/llmbench-test-log-XXXXXX";
    int file = mkstemp(path);
    struct secrets *secrets = secrets_new();
    secrets_add(secrets, span_text("sk-12345"));
    struct log *log = log_new(LOG_ERROR, secrets);
    struct err err;
    assert_true(log_open_file(log, path, &err));
    struct capture capture = capture_begin();
    log_set_live(log, true);
    write_each_level(log);
    log_info(log, "two\nlines with sk-12345");
    free(capture_end(capture));
    log_free(log);
    char *text = read_all(file), *at = text;
    static const char *const want[] = {"info: note 2\n", "warning: doubt 3\n", "error: fault 4\n",
                                       "info: two\n  lines with [redacted]\n"};
    for (size_t i = 0; i < sizeof want / sizeof *want; i++) {
        check_stamp(at);
        at += strlen("0000-00-00 00:00:00.000 ");
        if (strncmp(at, want[i], strlen(want[i])) != 0)
            fail_msg("got \"%s\", want \"%s\"", at, want[i]);
        at += strlen(want[i]);
    }
    CHECK_TEXT("nothing more", at, "");
    free(text);
    close(file);
    unlink(path);
    secrets_free(secrets);
}

/* A note is for the file: the console shows it only when debugging. */
static void test_notes(void **state)
{
    (void)state;
    static const struct {
        enum log_level console;
        const char *want;
    } cases[] = {{LOG_DEBUG, "llmbench: aside\n"}, {LOG_INFO, ""}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct log *log = log_new(cases[i].console, NULL);
        struct capture capture = capture_begin();
        log_note(log, "aside");
        check_captured("note", capture, cases[i].want);
        CHECK_INT("no warning", log_warnings(log), 0);
        log_free(log);
    }
}

/* What the file holds after some early lines of some length, and one after the opening. */
static char *file_after(int early, int width)
{
    char path[] = "/tmp/llmbench-test-log-XXXXXX";
    int file = mkstemp(path);
    struct log *log = log_new(LOG_ERROR, NULL);
    struct err err;
    log_debug(log, "never");
    for (int i = 0; i < early; i++)
        log_note(log, "early %0*d", width, i);
    assert_true(log_open_file(log, path, &err));
    log_info(log, "late");
    log_free(log);
    char *text = read_all(file);
    close(file);
    unlink(path);
    return text;
}

static void test_early_lines_reach_the_file(void **state)
{
    (void)state;
    const size_t stamp = strlen("0000-00-00 00:00:00.000 ");
    char *text = file_after(2, 1), *at = text;
    static const char *const want[] = {"info: early 0\n", "info: early 1\n", "info: late\n"};
    for (size_t i = 0; i < sizeof want / sizeof *want; i++) {
        check_stamp(at);
        at += stamp;
        if (strncmp(at, want[i], strlen(want[i])) != 0)
            fail_msg("got \"%s\", want \"%s\"", at, want[i]);
        at += strlen(want[i]);
    }
    CHECK_TEXT("nothing more", at, "");
    free(text);

    text = file_after(100, 30000); /* more than is kept */
    assert_true(strlen(text) < 1500000);
    assert_non_null(strstr(text, "warning: more lines came before this file was opened\n"));
    assert_non_null(strstr(text, "info: late\n"));
    free(text);
}

static void test_file_that_cannot_be_opened(void **state)
{
    (void)state;
    struct log *log = log_new(LOG_INFO, NULL);
    struct err err;
    assert_false(log_open_file(log, "/nowhere/at/all.log", &err));
    CHECK_TEXT("sentence", err.text,
               "cannot open the log file '/nowhere/at/all.log': No such file or directory");
    log_free(log);
}

static void test_full_disk_is_told_once(void **state)
{
    (void)state;
    struct log *log = log_new(LOG_WARN, NULL);
    struct err err;
    assert_int_equal(access("/dev/full", W_OK), 0); /* every Linux has it */
    assert_true(log_open_file(log, "/dev/full", &err));
    struct capture capture = capture_begin();
    log_info(log, "a");
    log_info(log, "b");
    check_captured("once", capture,
                   "llmbench: warning: cannot write the log file '/dev/full': No space left on "
                   "device; no more goes into it\n");
    CHECK_INT("counted", log_warnings(log), 1);
    log_free(log);
}

enum { THREADS = 4, MESSAGES = 500 };

static void *write_many(void *arg)
{
    char word[200];
    memset(word, 'w', sizeof word - 1);
    word[sizeof word - 1] = '\0';
    for (int i = 0; i < MESSAGES; i++)
        log_warn(arg, "%s", word);
    return NULL;
}

static void test_lines_of_threads_do_not_mix(void **state)
{
    (void)state;
    struct log *log = log_new(LOG_INFO, NULL);
    struct capture capture = capture_begin();
    pthread_t threads[THREADS];
    for (int i = 0; i < THREADS; i++)
        pthread_create(&threads[i], NULL, write_many, log);
    for (int i = 0; i < THREADS; i++)
        pthread_join(threads[i], NULL);
    char *text = capture_end(capture);
    size_t line = strlen("llmbench: warning: ") + 199 + 1;
    CHECK_INT("length", strlen(text), line * THREADS * MESSAGES);
    for (size_t at = 0; text[at]; at += line)
        if (memcmp(text + at, "llmbench: warning: ", 19) != 0 || text[at + line - 1] != '\n')
            fail_msg("torn line at %zu: %.250s", at, text + at);
    CHECK_INT("warnings", log_warnings(log), THREADS * MESSAGES);
    free(text);
    log_free(log);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_levels_on_the_console),
        cmocka_unit_test(test_null_log_is_silent),
        cmocka_unit_test(test_text_is_tame),
        cmocka_unit_test(test_live_line_is_cleared),
        cmocka_unit_test(test_errno_is_kept),
        cmocka_unit_test(test_huge_message_is_cut),
        cmocka_unit_test(test_file),
        cmocka_unit_test(test_notes),
        cmocka_unit_test(test_early_lines_reach_the_file),
        cmocka_unit_test(test_file_that_cannot_be_opened),
        cmocka_unit_test(test_full_disk_is_told_once),
        cmocka_unit_test(test_lines_of_threads_do_not_mix),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
