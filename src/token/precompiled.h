/* Precompiled: the charsmap of a SentencePiece model. */
#pragma once

#include "token/model.h"

void *precompiled_load(const struct node *node, struct err *err);
void precompiled_free(void *self);
bool precompiled_run(const void *self, struct regex_work *regexes, struct span text,
                     struct buf *out, struct err *err);
