/* What a fuzzing target and whoever drives it (libFuzzer, or driver.c) share. */
#pragma once

#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* Says what is wrong, with the input in hexadecimal, and aborts. */
static inline void fuzz_fail(const char *what, struct span input)
{
    fprintf(stderr, "%s\ninput: ", what);
    for (size_t i = 0; i < input.len; i++)
        fprintf(stderr, "%02x", (unsigned)(unsigned char)input.data[i]);
    fprintf(stderr, "\n");
    abort();
}

/* An input whose last three bytes are no part of the text: two say where the text is cut, one
 * chooses what else there is to choose. */
struct fuzz_input {
    struct span text;
    size_t cut;
    unsigned choice;
};

static inline struct fuzz_input fuzz_input(const uint8_t *data, size_t size)
{
    if (size < 3)
        return (struct fuzz_input){.text = span_of("", 0)};
    struct span text = span_of((const char *)data, size - 3);
    const uint8_t *tail = data + text.len;
    size_t cut = text.len ? (size_t)(tail[0] << 8 | tail[1]) % text.len : 0;
    return (struct fuzz_input){.text = text, .cut = cut, .choice = tail[2]};
}

/* A place to cut inputs that are all text. */
static inline size_t fuzz_cut(struct span text)
{
    size_t sum = 0;
    for (size_t i = 0; i < text.len; i++)
        sum += (unsigned char)text.data[i];
    return text.len ? sum % text.len : 0;
}

/* Both logs must be equal; `how` names the second. */
static inline void fuzz_same(const struct buf *want, const struct buf *got, const char *how,
                             struct span input)
{
    if (want->len == got->len && (want->len == 0 || memcmp(want->data, got->data, got->len) == 0))
        return;
    fputs("first:\n", stderr);
    fwrite(want->data ? want->data : "", 1, want->len, stderr);
    fprintf(stderr, "\n%s:\n", how);
    fwrite(got->data ? got->data : "", 1, got->len, stderr);
    fputc('\n', stderr);
    fuzz_fail("these are not the same", input);
}

/* Writes down what a reader makes of the text in portions: see portions.h. `how` is the reader's.
 */
typedef void fuzz_reader(struct buf *log, struct span text, size_t cut, const void *how);

/* Whole, in two portions and in single bytes it must be the same. */
static inline void fuzz_cuts(fuzz_reader *read, struct span text, size_t cut, const void *how)
{
    struct buf whole, part;
    buf_init(&whole, SIZE_MAX);
    buf_init(&part, SIZE_MAX);
    read(&whole, text, text.len, how);
    read(&part, text, cut, how);
    fuzz_same(&whole, &part, "cut", text);
    buf_clear(&part);
    read(&part, text, 0, how);
    fuzz_same(&whole, &part, "single bytes", text);
    buf_fini(&whole);
    buf_fini(&part);
}
