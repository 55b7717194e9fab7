#include "script/contract.h"

#include "script/contract_rows.h"

const struct script_word *script_word_at(size_t i)
{
    /* What read_event returns is looked up for each event: it comes first. */
    static const struct script_words *const tables[] = {
        &script_words_answer,  &script_words_script, &script_words_main,
        &script_words_modules, &script_words_bench,
    };
    for (size_t table = 0; table < sizeof tables / sizeof *tables; table++) {
        if (i < tables[table]->count)
            return &tables[table]->rows[i];
        i -= tables[table]->count;
    }
    return NULL;
}

const struct word_group *word_group_at(size_t i)
{
    static const struct word_group groups[] = {
        {WORD_API, "api", "fields and hooks of an API script"},
        {WORD_DATASET, "dataset", "fields and hooks of a data set script"},
        {WORD_OPTION, "option", "fields of one of a script's own options"},
        {WORD_ITEM, "item", "fields of an item of a data set"},
        {WORD_CTX, "ctx", "fields of ctx"},
        {WORD_SEND, "send", "fields of build_request's second result"},
        {WORD_DELTA, "delta", "fields of what read_event returns"},
        {WORD_USAGE, "usage", "fields of its usage"},
        {WORD_METRIC, "metric", "fields of one of its own metrics"},
        {WORD_SAMPLE, "sample", "fields of the sample that such a metric is computed of"},
        {WORD_STATS, "stats", "fields of what interval gets"},
        {WORD_SUMMARY, "summary", "fields of what done gets"},
        {WORD_DONE, "done", "fields of what done returns"},
        {WORD_FIGURE, "figure", "fields of an element of its metrics"},
        {WORD_MODULE, "module", "functions of the modules"},
        {WORD_BENCH, "bench", "functions of the module bench, in an experiment"},
    };
    _Static_assert(sizeof groups / sizeof *groups == WORD_KINDS, "each kind has its group");
    return i < WORD_KINDS ? &groups[i] : NULL;
}
