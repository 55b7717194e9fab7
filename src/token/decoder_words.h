/* Decoders that change each token by itself (decoder_words.c). */
#pragma once

#include "token/decoders.h"

void *decoder_strip_load(const struct node *node, struct err *err);
bool decoder_strip_run(const void *self, struct regex_work *regexes, const struct words *in,
                       struct words *out, struct err *err);
void *decoder_meta_load(const struct node *node, struct err *err);
bool decoder_meta_run(const void *self, struct regex_work *regexes, const struct words *in,
                      struct words *out, struct err *err);
void *decoder_piece_load(const struct node *node, struct err *err);
bool decoder_piece_run(const void *self, struct regex_work *regexes, const struct words *in,
                       struct words *out, struct err *err);
void *decoder_suffix_load(const struct node *node, struct err *err);
bool decoder_suffix_run(const void *self, struct regex_work *regexes, const struct words *in,
                        struct words *out, struct err *err);
