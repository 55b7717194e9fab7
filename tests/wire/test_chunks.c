/* Chunked framing in the plain form, cut at every byte; what is not of that form is left whole. */
#include "check.h"

#include "base/buf.h"
#include "base/mem.h"
#include "wire/chunks.h"

static const struct {
    const char *name, *in, *data;
    enum chunks_state state;
    const char *rest; /* held and untaken bytes, for the next reader */
} CASES[] = {
    {"nothing", "", "", CHUNKS_SIZE, ""},
    {"one", "5\r\nhello\r\n", "hello", CHUNKS_SIZE, ""},
    {"two", "5\r\nhello\r\n1\r\n!\r\n", "hello!", CHUNKS_SIZE, ""},
    {"hexadecimal", "00A\r\n0123456789\r\nb\r\nabcdefghijk\r\n", "0123456789abcdefghijk",
     CHUNKS_SIZE, ""},
    {"data that looks like framing", "8\r\n0\r\n\r\n5\r\n\r\n", "0\r\n\r\n5\r\n", CHUNKS_SIZE, ""},
    {"in a size line", "5\r\nhello\r\n1f", "hello", CHUNKS_SIZE, "1f"},
    {"in the data", "5\r\nhel", "hel", CHUNKS_DATA, ""},
    {"before the line end", "5\r\nhello", "hello", CHUNKS_AFTER, ""},
    {"in the line end", "5\r\nhello\r", "hello", CHUNKS_AFTER, ""},
    {"a line end of LF alone", "5\r\nhello\n1\r\n!\r\n", "hello!", CHUNKS_SIZE, ""},
    {"the last chunk", "5\r\nhello\r\n0\r\n\r\n", "hello", CHUNKS_ODD, "0\r\n\r\n"},
    {"the last chunk, with trailers", "000\r\nA: b\r\n\r\nmore", "", CHUNKS_ODD,
     "000\r\nA: b\r\n\r\nmore"},
    {"an extension", "5;a=b\r\nhello\r\n", "", CHUNKS_ODD, "5;a=b\r\nhello\r\n"},
    {"a blank", "5 \r\nhello\r\n", "", CHUNKS_ODD, "5 \r\nhello\r\n"},
    {"a size line of LF alone", "5\nhello\r\n", "", CHUNKS_ODD, "5\nhello\r\n"},
    {"no digits", "\r\nhello", "", CHUNKS_ODD, "\r\nhello"},
    {"no size", "1\r\n!\r\nxyz\r\n", "!", CHUNKS_ODD, "xyz\r\n"},
    {"a sign", "-5\r\nhello\r\n", "", CHUNKS_ODD, "-5\r\nhello\r\n"},
    {"the longest size line", "000000000000005\r\nhello\r\n", "hello", CHUNKS_SIZE, ""},
    {"too long a size line", "0000000000000005\r\nhello\r\n", "", CHUNKS_ODD,
     "0000000000000005\r\nhello\r\n"},
    {"a huge size", "fffffffffffffff\r\nhello", "hello", CHUNKS_DATA, ""},
    {"longer than its size", "4\r\nhello\r\n", "hell", CHUNKS_BAD, NULL},
    {"two CR", "5\r\nhello\r\r\n", "hello", CHUNKS_SIZE, ""},
    {"a CR and something else", "5\r\nhello\rx\n", "hello", CHUNKS_BAD, NULL},
};

/* In pieces of `step` bytes, each of which is overwritten. */
static void check(size_t row, size_t step)
{
    struct chunks chunks = {0};
    struct buf data, rest;
    buf_init(&data, SIZE_MAX);
    buf_init(&rest, SIZE_MAX);
    size_t len = strlen(CASES[row].in);
    for (size_t at = 0; at < len; at += step) {
        size_t part = len - at < step ? len - at : step, used;
        char *piece = mem_copy(CASES[row].in + at, part);
        size_t kept = chunks_strip(&chunks, piece, part, &used);
        buf_add(&data, piece, kept);
        if (chunks_stopped(&chunks))
            buf_add(&rest, CASES[row].in + at + used, part - used);
        free(piece);
    }
    struct buf handed;
    buf_init(&handed, SIZE_MAX);
    buf_add(&handed, chunks.held, chunks.held_len);
    buf_add_span(&handed, buf_span(&rest));
    buf_add_char(&handed, '\0');
    buf_add_char(&data, '\0');
    if (chunks.state != CASES[row].state || strcmp(data.data, CASES[row].data) != 0 ||
        (CASES[row].rest && strcmp(handed.data, CASES[row].rest) != 0))
        fail_msg("%s, in steps of %zu: state %d, data \"%s\", rest \"%s\"", CASES[row].name, step,
                 (int)chunks.state, data.data, handed.data);
    buf_fini(&data);
    buf_fini(&rest);
    buf_fini(&handed);
}

static void plain_chunks_and_others(void **state)
{
    (void)state;
    for (size_t row = 0; row < sizeof CASES / sizeof *CASES; row++)
        for (size_t step = 1; step < 40; step++)
            check(row, step);
}

static void following_is_stripping(void **state)
{
    (void)state;
    for (size_t row = 0; row < sizeof CASES / sizeof *CASES; row++) {
        size_t len = strlen(CASES[row].in);
        for (size_t cut = 0; cut <= len; cut++) {
            struct chunks chunks = {0};
            chunks_follow(&chunks, span_of(CASES[row].in, cut));
            chunks_follow(&chunks, span_of(CASES[row].in + cut, len - cut));
            assert_int_equal(chunks.state, CASES[row].state);
            assert_int_equal(chunks_between(&chunks),
                             chunks.state == CHUNKS_SIZE && !strlen(CASES[row].rest));
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(plain_chunks_and_others),
        cmocka_unit_test(following_is_stripping),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
