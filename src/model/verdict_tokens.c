/* What the verdict says of how tokens were counted. */
#include <inttypes.h>

#include "model/verdict_inner.h"

static void mixed_sources(const struct facts *facts, struct verdict *out)
{
    const uint64_t *by = facts->whole->by_source;
    unsigned sources = 0;
    for (size_t i = TOKENS_NONE + 1; i < TOKEN_SOURCES; i++)
        sources += by[i] > 0;
    if (sources > 1)
        verdict_remark(out,
                       "output tokens come from mixed sources: script %" PRIu64 ", usage %" PRIu64
                       ", tokenizer %" PRIu64 ", events %" PRIu64 " successes",
                       by[TOKENS_SCRIPT], by[TOKENS_USAGE], by[TOKENS_TOKENIZER],
                       by[TOKENS_EVENTS]);
}

static void tokens_are_events(const struct facts *facts, struct verdict *out)
{
    uint64_t count = facts->whole->by_source[TOKENS_EVENTS];
    if (count)
        verdict_remark(out,
                       "output tokens of %" PRIu64
                       " answer%s are counts of events, which may hold several "
                       "tokens each",
                       count, plural(count));
}

static void tokens_unknown(const struct facts *facts, struct verdict *out)
{
    uint64_t count = facts->whole->by_source[TOKENS_NONE];
    if (count)
        verdict_remark(out,
                       "output tokens of %" PRIu64 " answer%s are not known and are missing in the "
                       "throughput",
                       count, plural(count));
}

static void token_errors(const struct facts *facts, struct verdict *out)
{
    uint64_t count = facts->whole->token_errors;
    if (count)
        verdict_remark(out, "parse_responses failed on %" PRIu64 " answer%s", count, plural(count));
}

static void uncounted(const struct facts *facts, struct verdict *out)
{
    uint64_t count = facts->whole->uncounted;
    if (count)
        verdict_remark(out, "the tokenizer could not count the tokens of %" PRIu64 " answer%s",
                       count, plural(count));
}

/* Either it is another model's tokenizer, or the server counts what it does not send. */
static void usage_apart(const struct facts *facts, struct verdict *out)
{
    static const char *const names[] = {[TOKENS_PROMPT] = "input", [TOKENS_COMPLETION] = "output"};
    for (size_t i = 0; i < TOKEN_KINDS; i++) {
        const struct token_check *check = &facts->whole->check[i];
        if (token_check_apart(check, (enum token_kind)i))
            verdict_remark(out,
                           "the server's usage has %" PRId64
                           " %s tokens where the tokenizer counts %" PRId64 " (%" PRIu64
                           " of %" PRIu64 " answers differ)",
                           check->usage, names[i], check->tokenizer, check->differ, check->answers);
    }
}

void verdict_tokens(const struct facts *facts, struct verdict *out)
{
    mixed_sources(facts, out);
    tokens_are_events(facts, out);
    tokens_unknown(facts, out);
    token_errors(facts, out);
    uncounted(facts, out);
    usage_apart(facts, out);
}
