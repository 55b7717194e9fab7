/* Conditions of --fail-on, a text each: refused with a sentence, or judged; and what is not refused
 * and has a value fails exactly when its opposite does not. */
#include "fuzz.h"

#include <math.h>

#include "base/mem.h"
#include "model/condition.h"

static const struct own_metrics own = {
    .count = 2,
    .items = {{.name = "score", .unit = "points", .kind = UNIT_OWN, .over = OVER_SUCCESSES},
              {.name = "told", .unit = "count", .kind = UNIT_COUNT, .over = OVER_STAGE}},
};

/* Every third metric has no values; the others' are all different. */
static struct summary *summary_new(void)
{
    struct summary *summary = MEM_NEW(struct summary);
    for (size_t i = 0; i < METRIC_COUNT + own.count; i++) {
        struct summary_metric *metric =
            i < METRIC_COUNT ? &summary->metric[i] : &summary->own[i - METRIC_COUNT].value;
        metric->present = i % 3 != 2;
        for (size_t s = 0; s < STATISTICS; s++)
            metric->value[s] = (double)i / 8 + (double)s / 64;
    }
    for (size_t i = 0; i < OUTCOME_COUNT; i++)
        summary->by_outcome[i] = i;
    summary->own_count = own.count;
    for (size_t i = 0; i < own.count; i++)
        summary->own[i].metric = &own.items[i];
    summary->ok = 5;
    summary->failed = 2;
    summary->facts.due = 9;
    summary->facts.not_started = 2;
    return summary;
}

/* ">" for "<=" and so on; NULL = there is no room. */
static char *opposite(const char *text)
{
    size_t at = strcspn(text, "<>");
    bool or_equal = text[at] && text[at + 1] == '=';
    if (!text[at] || strlen(text) + 1 >= CONDITION_SIZE)
        return NULL;
    return mem_printf("%.*s%c%s%s", (int)at, text, text[at] == '<' ? '>' : '<', or_equal ? "" : "=",
                      text + at + 1 + or_equal);
}

static void judge(const char *text, const struct summary *summary, bool known, struct span input)
{
    struct judgement judgement, other;
    condition_judge(text, summary, &judgement);
    if (strcmp(judgement.condition, text) != 0 || !judgement.shown[0])
        fuzz_fail("another condition is judged, or nothing is shown", input);
    if (isnan(judgement.value) != (judgement.why[0] != 0) ||
        (isnan(judgement.value) && !judgement.failed))
        fuzz_fail("no value fails, and says why", input);
    if (!known && !isnan(judgement.value))
        fuzz_fail("what is not known has a value", input);
    char *against = isnan(judgement.value) ? NULL : opposite(text);
    if (against) {
        condition_judge(against, summary, &other);
        if (other.failed == judgement.failed || other.value != judgement.value)
            fuzz_fail("the opposite fails likewise", input);
    }
    free(against);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct span input = span_of((const char *)data, size);
    struct err err = {.text = ""}, later = {.text = ""};
    char *text = mem_copy(input.data, input.len);
    struct summary *summary = summary_new();
    bool known = condition_check(text, &own, false, &err),
         may_be = condition_check(text, &own, true, &later);
    if ((!known && !err.text[0]) || (!may_be && !later.text[0]))
        fuzz_fail("refused without a sentence", input);
    if (known && !may_be)
        fuzz_fail("what is known may not even be", input);
    if (known != condition_check_in(text, summary, &err))
        fuzz_fail("the stage knows other figures than the script has", input);
    if (may_be)
        judge(text, summary, known, input);
    free(summary);
    free(text);
    return 0;
}
