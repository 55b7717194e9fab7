/* {"vocab": {"token": id, …}}, as BPE and WordPiece have it. */
#pragma once

#include "token/tree.h"
#include "token/vocabulary.h"

/* `what` is the model's type, for messages. */
bool vocabulary_load(struct vocabulary *vocabulary, const struct node *model, const char *what,
                     struct err *err) MUST_CHECK;
