#include "base/mem.h"

#include <malloc.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { LARGE_BYTES = 256 * 1024, SHRINK_BYTES = 1024 * 1024 };

/* glibc raises both bounds to the size of each large block that is freed; from then on the bodies
 * of large answers lie in the heaps of their threads, whose holes stay when the answers are gone.
 */
void mem_settle(void)
{
    mallopt(M_MMAP_THRESHOLD, LARGE_BYTES);
    mallopt(M_TRIM_THRESHOLD, SHRINK_BYTES);
}

static void *mem_checked(void *block, size_t size)
{
    if (block)
        return block;
    fprintf(stderr, "llmbench: out of memory (%zu bytes asked for)\n", size);
    abort();
}

static size_t mem_product(size_t count, size_t size)
{
    size_t bytes = 0;
    if (__builtin_mul_overflow(count, size, &bytes))
        mem_checked(NULL, SIZE_MAX);
    return bytes;
}

void *mem_alloc(size_t size)
{
    return mem_checked(malloc(size ? size : 1), size);
}

void *mem_zero(size_t count, size_t size)
{
    size_t bytes = mem_product(count, size);
    return mem_checked(calloc(1, bytes ? bytes : 1), bytes);
}

void *mem_resize(void *block, size_t count, size_t size)
{
    size_t bytes = mem_product(count, size);
    return mem_checked(realloc(block, bytes ? bytes : 1), bytes);
}

char *mem_copy(const void *data, size_t len)
{
    char *copy = mem_alloc(len + 1);
    if (len)
        memcpy(copy, data, len);
    copy[len] = '\0';
    return copy;
}

char *mem_text(const char *text)
{
    return text ? mem_copy(text, strlen(text)) : NULL;
}

char *mem_printf(const char *format, ...)
{
    char *text = NULL;
    va_list args;
    va_start(args, format);
    int len = vasprintf(&text, format, args);
    va_end(args);
    return len < 0 ? mem_checked(NULL, 1) : text;
}
