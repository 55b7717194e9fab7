#include "model/report.h"

#include <stdlib.h>
#include <string.h>

#include "base/mem.h"

static const struct {
    const char *name, *sentence;
} ends[] = {
    [RUN_END_NUMBER] = {"number", "the asked number of requests had been started"},
    [RUN_END_DATA] = {"data", "the data had been used up"},
    [RUN_END_DURATION] = {"duration", "the asked duration was over"},
    [RUN_END_INTERRUPTED] = {"interrupted", "the run was interrupted"},
    [RUN_END_SCRIPT_ERRORS] = {"script_errors", "the script failed too often"},
    [RUN_END_DATA_FAILED] = {"data_failed", "the data set failed"},
    [RUN_END_STAGE_FAILED] = {"stage_failed", "a stage could not start"},
    [RUN_END_HOOK_TIMEOUT] = {"hook_timeout", "a hook did not return in time"},
    [RUN_END_ERRORS] = {"errors", "too many requests had failed"},
    [RUN_END_CUT_OFF] = {"cut_off", "the program was killed, or left, before the end"},
    [RUN_END_MEMORY] = {"memory", "requests and answers on their way had reached --max-memory"},
};

_Static_assert(sizeof ends / sizeof *ends == RUN_END_CUT_OFF + 1, "a row for each end");

const char *run_end_name(enum run_end end)
{
    return ends[end].name;
}

const char *run_end_sentence(enum run_end end)
{
    return ends[end].sentence;
}

bool run_end_find(const char *name, enum run_end *end)
{
    for (size_t i = 0; i < sizeof ends / sizeof *ends; i++)
        if (strcmp(ends[i].name, name) == 0) {
            *end = (enum run_end)i;
            return true;
        }
    return false;
}

void run_facts_fini(struct run_facts *facts)
{
    free(facts->name);
    free(facts->url);
    free(facts->model);
    free(facts->api);
    free(facts->dataset);
    free(facts->data_source);
    free(facts->tokenizer);
    free(facts->db_path);
    free(facts->log_path);
    free(facts->host);
    free(facts->calibration);
    free(facts->calibrated);
    free(facts->options_json);
    free(facts->given);
    free(facts->files);
    free(facts->own);
    *facts = (struct run_facts){0};
}

void report_judge(struct report *report, const struct list *conditions)
{
    report->judgements = mem_zero(conditions->count, sizeof *report->judgements);
    report->judgement_count = conditions->count;
    for (size_t i = 0; i < conditions->count; i++)
        condition_judge(conditions->items[i], &report->whole, &report->judgements[i]);
}

bool report_failed(const struct report *report)
{
    for (size_t i = 0; i < report->judgement_count; i++)
        if (report->judgements[i].failed)
            return true;
    return false;
}

void report_fini(struct report *report)
{
    said_fini(&report->said);
    free(report->stop_reason);
    free(report->options);
    free(report->own_error);
    free(report->judgements);
    list_fini(&report->first_errors);
    report->stop_reason = report->own_error = NULL;
    report->judgements = NULL;
    report->judgement_count = 0;
}

void reports_fini(struct reports *reports)
{
    for (size_t i = 0; i < reports->count; i++)
        report_fini(&reports->items[i]);
    free(reports->items);
    *reports = (struct reports){0};
}
