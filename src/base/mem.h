/* Allocation that never fails: out of memory ends the program with one sentence.
 *
 * Nobody tests the results for NULL; recovery that is never exercised is worse than none. */
#pragma once

#include <stddef.h>

#include "base/err.h"

/* Before any other thread: has large blocks come from the system and go back to it at once,
 * whatever their history, and the heap shrink in large steps only. */
void mem_settle(void);

void *mem_alloc(size_t size);
void *mem_zero(size_t count, size_t size); /* count × size zeroed bytes, overflow checked */
void *mem_resize(void *block, size_t count, size_t size);
char *mem_copy(const void *data, size_t len); /* a copy of len bytes plus a final NUL */
char *mem_text(const char *text);             /* a copy of the text; NULL stays NULL */
char *mem_printf(const char *format, ...) PRINTF_LIKE(1, 2);

#define MEM_NEW(type) ((type *)mem_zero(1, sizeof(type)))
