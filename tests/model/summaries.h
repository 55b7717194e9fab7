/* Two summaries, compared field by field. */
#pragma once

#include "made.h"
#include "model/stats.h"

static inline void check_counts(const char *name, const struct summary *got,
                                const struct summary *want)
{
#define COUNT(field)                                                                               \
    {                                                                                              \
#field, offsetof(struct summary, field)                                                    \
    }
    static const struct {
        const char *field;
        size_t offset;
    } counts[] = {
        COUNT(ok),
        COUNT(failed),
        COUNT(cancelled),
        COUNT(scored),
        COUNT(streamed),
        COUNT(plain),
        COUNT(resent),
        COUNT(reused),
        COUNT(token_errors),
        COUNT(prompt_tokens),
        COUNT(completion_tokens),
        COUNT(cached_tokens),
        COUNT(reasoning_tokens),
        COUNT(text_chars),
        COUNT(events),
        COUNT(text_events),
        COUNT(coalesced_events),
        COUNT(reads),
        COUNT(answer_bytes),
        COUNT(gaps),
        COUNT(coalesced_gaps),
        COUNT(impossible_times),
        COUNT(beyond_range),
    };
#undef COUNT
    for (size_t i = 0; i < sizeof counts / sizeof *counts; i++) {
        int64_t a, b;
        char what[120];
        memcpy(&a, (const char *)got + counts[i].offset, sizeof a);
        memcpy(&b, (const char *)want + counts[i].offset, sizeof b);
        snprintf(what, sizeof what, "%s: %s", name, counts[i].field);
        CHECK_INT(what, a, b);
    }
    for (size_t i = 0; i < OUTCOME_COUNT; i++)
        CHECK_INT(outcome_name((enum outcome)i), got->by_outcome[i], want->by_outcome[i]);
    for (size_t i = 0; i < TOKEN_SOURCES; i++) {
        CHECK_INT(token_source_name((enum token_source)i), got->by_source[i], want->by_source[i]);
        CHECK_INT(token_source_name((enum token_source)i), got->by_prompt_source[i],
                  want->by_prompt_source[i]);
    }
    CHECK_INT(name, got->steady, want->steady);
    check_near(name, got->window_s, want->window_s, EXACTLY);
}

static inline void check_distribution(const char *name, const struct summary_metric *got,
                                      const struct summary_metric *want, double tolerance)
{
    CHECK_INT(name, got->present, want->present);
    CHECK_INT(name, got->exact, want->exact);
    for (size_t i = 0; i < STATISTICS; i++) {
        char what[200];
        snprintf(what, sizeof what, "%s %s", name, statistic_name((enum statistic)i));
        check_near(what, got->value[i], want->value[i], tolerance);
    }
}

static inline void check_same_summary(const char *name, const struct summary *got,
                                      const struct summary *want)
{
    check_counts(name, got, want);
    for (size_t i = 0; i < METRIC_COUNT; i++) {
        char what[120];
        snprintf(what, sizeof what, "%s: %s", name, metric_at(i)->name);
        check_distribution(what, &got->metric[i], &want->metric[i], 1e-9);
    }
    CHECK_INT("own metrics", got->own_count, want->own_count);
    for (size_t i = 0; i < want->own_count; i++) {
        CHECK_TEXT(name, got->own[i].metric->name, want->own[i].metric->name);
        CHECK_INT(want->own[i].metric->name, got->own[i].failed, want->own[i].failed);
        check_distribution(want->own[i].metric->name, &got->own[i].value, &want->own[i].value,
                           1e-9);
    }
    check_distribution("felt latency", &got->felt_latency, &want->felt_latency, 1e-9);
    check_distribution("felt ttft", &got->felt_ttft, &want->felt_ttft, 1e-9);
    check_distribution("ttft on new", &got->ttft_new, &want->ttft_new, 1e-9);
    check_distribution("ttft on kept", &got->ttft_kept, &want->ttft_kept, 1e-9);
}
