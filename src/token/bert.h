/* What BERT's models put before WordPiece. */
#pragma once

#include "token/model.h"

void *bert_load(const struct node *node, struct err *err);
bool bert_run(const void *self, struct regex_work *regexes, struct span text, struct buf *out,
              struct err *err);

void *bert_split_load(const struct node *node, struct err *err);
bool bert_split_run(const void *self, struct regex_work *regexes, const struct pieces *in,
                    struct pieces *out, struct err *err);
