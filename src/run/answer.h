/* Turns a finished exchange into a sample: frames the bytes, has the API script read each event,
 * counts, and decides the outcome. */
#pragma once

#include "model/sample.h"

struct script;

/* Takes the exchange. `script` is the scorer's own state. */
struct sample *answer_score(struct script *script, struct exchange *exchange);
