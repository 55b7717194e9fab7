/* What is used of libsentencepiece, which is C++, as C. Nothing of it throws. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

struct spm;

enum { SPM_MESSAGE = 256 };

/* NULL with a message. */
struct spm *spm_new(const char *bytes, size_t len, char message[SPM_MESSAGE]);
void spm_free(struct spm *spm);
/* Calls `add` with each id. */
bool spm_encode(const struct spm *spm, const char *text, size_t len,
                void (*add)(void *arg, uint32_t id), void *arg, char message[SPM_MESSAGE]);
size_t spm_count(const struct spm *spm);
const char *spm_piece(const struct spm *spm, size_t id, size_t *len);

#ifdef __cplusplus
}
#endif
