/* SHA-256 of files and texts, to know whether they are what they were. Here because libcrypto is.
 */
#pragma once

#include <stddef.h>

/* In hexadecimal, owned; NULL: it is no ordinary file that can be read. Of a file over 16 MiB its
 * size and 129 pieces of 64 KiB, spread over it, the first and the last among them. */
char *digest_of_file(const char *path);
/* Of so many texts one after another; NULL ones count as empty. */
char *digest_of_texts(const char *const *texts, size_t count);
