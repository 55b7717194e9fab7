/* Pre-tokenizers that have a file of their own. */
#pragma once

#include "token/model.h"

/* byte_level_step.c. It splits plain bytes; byte_level_map changes them into the alphabet, where
 * other steps follow or the model wants characters. */
void *byte_level_load(const struct node *node, struct err *err);
void byte_level_free(void *self);
bool byte_level_split(const void *self, struct regex_work *regexes, const struct pieces *in,
                      struct pieces *out, struct err *err);
extern const struct pretokenizer_row byte_level_map;

/* metaspace.c */
void *metaspace_load(const struct node *node, struct err *err);
void metaspace_free(void *self);
bool metaspace_run(const void *self, struct regex_work *regexes, const struct pieces *in,
                   struct pieces *out, struct err *err);
