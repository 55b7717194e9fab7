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

/* Both logs must be equal; `how` names the second. */
static inline void fuzz_same(const struct buf *want, const struct buf *got, const char *how,
                             struct span input)
{
    if (want->len == got->len && (want->len == 0 || memcmp(want->data, got->data, got->len) == 0))
        return;
    fprintf(stderr, "whole:\n%.*s\n%s:\n%.*s\n", (int)want->len, want->data ? want->data : "", how,
            (int)got->len, got->data ? got->data : "");
    fuzz_fail("the cut changes the result", input);
}
