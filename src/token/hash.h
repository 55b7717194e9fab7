/* Hashing of short texts and of pairs of ids, for tables that live inside one process. */
#pragma once

#include <stdint.h>
#include <string.h>

#include "base/span.h"

static inline uint64_t hash_mix(uint64_t a, uint64_t b)
{
    __extension__ typedef unsigned __int128 wide;
    wide product = (wide)a * b;
    return (uint64_t)product ^ (uint64_t)(product >> 64);
}

static inline uint64_t hash_pair(uint32_t left, uint32_t right)
{
    return hash_mix((uint64_t)left << 32 | right, 0x9e3779b97f4a7c15ULL);
}

static inline uint64_t hash_load(const char *data, size_t len)
{
    uint64_t word = 0;
    memcpy(&word, data, len);
    return word;
}

/* Two rounds of a multiplication for each 16 bytes, after the manner of wyhash. */
static inline uint64_t hash_bytes(struct span text)
{
    uint64_t hash = 0x9e3779b97f4a7c15ULL ^ text.len;
    const char *at = text.data;
    size_t left = text.len;
    while (left > 16) {
        hash = hash_mix(hash ^ hash_load(at, 8), hash_load(at + 8, 8) ^ 0xe7037ed1a0b428dbULL);
        at += 16, left -= 16;
    }
    uint64_t a = 0, b = 0;
    if (left >= 8) {
        a = hash_load(at, 8);
        b = hash_load(at + left - 8, 8);
    } else if (left >= 4) {
        a = hash_load(at, 4);
        b = hash_load(at + left - 4, 4);
    } else if (left > 0) {
        a = (uint64_t)(unsigned char)at[0] << 16 | (uint64_t)(unsigned char)at[left / 2] << 8 |
            (unsigned char)at[left - 1];
    }
    return hash_mix(hash ^ a, b ^ 0xa0761d6478bd642fULL ^ text.len);
}
