/* Counts the tokens of prompts and answers with the run's tokenizer. One scorer owns it. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"

struct counter;
struct reading;
struct request;
struct script;
struct tokenizer;

/* What a chat template adds is not known: so many tokens are taken for it (metrics.md). */
enum { TEMPLATE_PER_MESSAGE = 4, TEMPLATE_PER_PROMPT = 3 };

/* `check`: counts also where the server's usage says how many there are. */
struct counter *counter_new(const struct tokenizer *tokenizer, bool check);
void counter_free(struct counter *counter);
bool counter_checks(const struct counter *counter);

/* The tokens of all that the answer says; of a streamed one also how many of them end in each
 * event, unless the script has said that. */
bool counter_answer(struct counter *counter, struct reading *reading, int64_t *count,
                    struct err *err) MUST_CHECK;
/* The tokens of the request's prompt; *guessed of them for the chat template. TOKENS_UNKNOWN for a
 * whole body from the data. */
bool counter_prompt(struct counter *counter, struct script *script, const struct request *request,
                    int64_t *count, int64_t *guessed, struct err *err) MUST_CHECK;
