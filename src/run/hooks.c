#include "run/hooks.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/mem.h"
#include "script/watch.h"
#include "wire/utf8.h"

bool hooks_open(struct hooks *hooks, const struct script_config *config,
                const struct script *composer, struct err *err)
{
    const struct script_facts *facts = script_facts(composer);
    struct script_config main_config = *config;
    *hooks = (struct hooks){
        .shared = config->shared,
        .log = config->log,
        .interval = facts->has_interval,
        .done = facts->has_done,
    };
    if (!hooks->interval && !hooks->done)
        return true;
    main_config.role = SCRIPT_MAIN;
    hooks->script = script_open(&main_config, err);
    return hooks->script && script_set_setup(hooks->script, script_setup_result(composer), err);
}

void hooks_begin(struct hooks *hooks, uint64_t now_ns)
{
    hooks->next_ns = now_ns + NS_PER_S;
}

/* What a script says goes to a terminal too: no byte that is no UTF-8, nothing that steers it. The
 * log itself sees to ASCII. */
static void log_said(struct log *log, enum log_level level, const char *before, const char *text)
{
    struct buf clean;
    buf_init(&clean, SIZE_MAX);
    for (const char *at = text, *end = text + strlen(text); at < end;) {
        bool valid = true;
        unsigned len = utf8_step(at, end, &valid);
        if (valid && (len == 1 || !utf8_steers(utf8_code(at, len))))
            buf_add(&clean, at, len);
        else
            buf_add_text(&clean, UTF8_REPLACEMENT);
        at += len;
    }
    char *shown = buf_take(&clean);
    log_write(log, level, "%s%s", before, shown);
    free(shown);
}

static void interval_failed(struct hooks *hooks, struct line *line, const struct err *err)
{
    char *overdue = script_take_overdue(hooks->script);
    if (overdue)
        line_overdue(line, overdue);
    else
        log_error(hooks->log, "%s\ninterval is not called again", err->text);
    free(overdue);
}

void hooks_tick(struct hooks *hooks, struct line *line, const struct live *live, uint64_t now_ns)
{
    struct err err;
    char *said;
    if (!hooks->interval || now_ns < hooks->next_ns)
        return;
    while (hooks->next_ns <= now_ns)
        hooks->next_ns += NS_PER_S;
    hooks->interval = script_interval(hooks->script, live, &said, &err);
    if (!hooks->interval)
        interval_failed(hooks, line, &err);
    if (said)
        log_said(hooks->log, LOG_INFO, "", said);
    free(said);
}

static void log_lines(const struct hooks *hooks, const struct report *report)
{
    const struct list *lines = &report->said.lines;
    char before[32];
    snprintf(before, sizeof before, "stage %u: ", report->stage);
    for (size_t i = 0; i < lines->count; i++)
        log_said(hooks->log, LOG_NOTE, before, lines->items[i]);
}

void hooks_report(struct hooks *hooks, struct report *report, bool last)
{
    struct err err;
    struct said *said = &report->said;
    said->counters = shared_counters(hooks->shared, &said->counter_count);
    if (!hooks->done)
        return;
    if (!script_done(hooks->script, report, last, &err)) {
        log_error(hooks->log, "%s", err.text);
        said->error = mem_text(err.text);
        free(script_take_overdue(hooks->script)); /* the error says it */
    }
    log_lines(hooks, report);
}
