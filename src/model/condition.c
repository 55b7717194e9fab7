#include "model/condition.h"

#include <ctype.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "base/near.h"
#include "base/units.h"

/* ---- what can be compared ---- */

static double error_rate(const struct summary *summary)
{
    uint64_t ended = summary->ok + summary->failed;
    return ended ? (double)summary->failed / (double)ended : (double)NAN;
}

static double due(const struct summary *summary)
{
    return (double)summary->facts.due;
}

static double failed(const struct summary *summary)
{
    return (double)summary->failed;
}

static double not_started(const struct summary *summary)
{
    return (double)summary->facts.not_started;
}

static double resent(const struct summary *summary)
{
    return (double)summary->resent;
}

/* Besides these, each outcome by its name is a count of requests. */
static const struct fact {
    const char *name;
    enum metric_unit unit;
    double (*of)(const struct summary *summary);
} facts[] = {
    {"error_rate", UNIT_SHARE, error_rate}, {"due", UNIT_COUNT, due},
    {"failed", UNIT_COUNT, failed},         {"not_started", UNIT_COUNT, not_started},
    {"resent", UNIT_COUNT, resent},
};
enum { FACTS = sizeof facts / sizeof *facts };

/* Other ways to write statistic_name. */
static const struct {
    const char *name;
    enum statistic statistic;
} aliases[] = {
    {"p99.9", STAT_P99_9}, {"p999", STAT_P99_9},    {"avg", STAT_MEAN},
    {"median", STAT_P50},  {"count", STAT_COUNT_N}, {"stddev", STAT_STD},
};
enum { ALIASES = sizeof aliases / sizeof *aliases };

/* The metrics there are: the table's, and behind them a script's own, which are known from what it
 * declares or from a summary. */
struct known {
    const struct own_metrics *declared;
    const struct summary *summary;
};

static size_t metric_total(const struct known *known)
{
    size_t own = known->summary    ? known->summary->own_count
                 : known->declared ? known->declared->count
                                   : 0;
    return METRIC_COUNT + own;
}

static const struct own_metric *own_of(const struct known *known, size_t id)
{
    id -= METRIC_COUNT;
    return known->summary ? known->summary->own[id].metric : &known->declared->items[id];
}

static const char *metric_name(const struct known *known, size_t id)
{
    return id < METRIC_COUNT ? metric_at(id)->name : own_of(known, id)->name;
}

static enum metric_unit metric_unit(const struct known *known, size_t id)
{
    return id < METRIC_COUNT ? metric_at(id)->unit : own_of(known, id)->kind;
}

static bool is_one_number(const struct known *known, size_t id)
{
    return id < METRIC_COUNT ? id >= METRIC_SAMPLED : own_of(known, id)->over == OVER_STAGE;
}

/* metric_total when there is none of that name. */
static size_t metric_of(const struct known *known, struct span name)
{
    size_t id = 0, total = metric_total(known);
    while (id < total && !span_equals(name, metric_name(known, id)))
        id++;
    return id;
}

/* STATISTICS when there is none of that name. */
static enum statistic statistic_of(struct span name)
{
    for (enum statistic i = 0; i < STATISTICS; i++)
        if (span_equals(name, statistic_name(i)))
            return i;
    for (size_t i = 0; i < ALIASES; i++)
        if (span_equals(name, aliases[i].name))
            return aliases[i].statistic;
    return STATISTICS;
}

/* ---- the figure ---- */

enum figure_kind { FIGURE_FACT, FIGURE_OUTCOME, FIGURE_METRIC };

struct figure {
    enum figure_kind kind;
    size_t id;
    enum statistic statistic;
    enum metric_unit unit;
    const char *word; /* for the unit */
};

static bool take_fact(struct span text, struct figure *out)
{
    for (size_t i = 0; i < FACTS; i++)
        if (span_equals(text, facts[i].name)) {
            *out = (struct figure){.kind = FIGURE_FACT, .id = i, .unit = facts[i].unit, .word = ""};
            return true;
        }
    for (size_t i = 0; i < OUTCOME_COUNT; i++)
        if (span_equals(text, outcome_name((enum outcome)i))) {
            *out = (struct figure){.kind = FIGURE_OUTCOME, .id = i, .unit = UNIT_COUNT, .word = ""};
            return true;
        }
    return false;
}

static bool take_metric(const struct known *known, size_t id, enum statistic statistic,
                        struct figure *out)
{
    enum metric_unit unit = statistic == STAT_COUNT_N ? UNIT_COUNT : metric_unit(known, id);
    const char *word = unit == UNIT_OWN ? own_of(known, id)->unit : metric_unit_name(unit);
    *out = (struct figure){FIGURE_METRIC, id, statistic, unit, word};
    return true;
}

/* A statistic and a metric in one text: "p99_ttft", "ttft_p99" or "ttft.p99". */
struct halves {
    struct span statistic, metric;
};

/* The way number `way` (0…1) to cut the text at this place. */
static bool halves_at(struct span text, size_t cut, unsigned way, struct halves *out)
{
    struct span left = span_of(text.data, cut),
                right = span_of(text.data + cut + 1, text.len - cut - 1);
    bool dot = text.data[cut] == '.';
    if ((!dot && text.data[cut] != '_') || (dot && way == 0))
        return false;
    *out = way == 0 ? (struct halves){left, right} : (struct halves){right, left};
    return true;
}

/* False: no part of it is a metric. The statistic may be none. */
static bool split(const struct known *known, struct span text, struct halves *out)
{
    bool found = false;
    for (size_t cut = 1; cut + 1 < text.len; cut++)
        for (unsigned way = 0; way < 2; way++) {
            struct halves halves;
            if (!halves_at(text, cut, way, &halves) ||
                metric_of(known, halves.metric) == metric_total(known))
                continue;
            if (!found)
                *out = halves;
            found = true;
            if (statistic_of(halves.statistic) == STATISTICS)
                continue;
            *out = halves;
            return true;
        }
    return found;
}

static bool no_statistic(struct span wrong, struct err *err)
{
    return err_set(err,
                   "there is no statistic '%.*s'; there are n, mean, std, min, max, p1, p5, p10, "
                   "p25, p50, p66, p75, p80, p90, p95, p98, p99 and p99.9",
                   (int)wrong.len, wrong.data);
}

static const char *near_metric(const struct known *known, struct span text)
{
    struct near near = near_to(text);
    for (size_t i = 0; i < metric_total(known); i++)
        near_try(&near, span_text(metric_name(known, i)), metric_name(known, i));
    return near.found;
}

/* A name with a typing error in the metric's part, with its statistic. */
static const char *near_with_statistic(const struct known *known, struct span text, char *out,
                                       size_t size)
{
    for (size_t i = 2; i < 2 * text.len - 2; i++) {
        struct halves halves;
        if (!halves_at(text, i / 2, i % 2, &halves) || statistic_of(halves.statistic) == STATISTICS)
            continue;
        const char *found = near_metric(known, halves.metric);
        if (!found || is_one_number(known, metric_of(known, span_text(found))))
            return found;
        snprintf(out, size, "%.*s_%s", (int)halves.statistic.len, halves.statistic.data, found);
        return out;
    }
    return NULL;
}

static const char *near_alone(const struct known *known, struct span text, char *out, size_t size)
{
    struct near near = near_to(text);
    for (size_t i = 0; i < FACTS; i++)
        near_try(&near, span_text(facts[i].name), facts[i].name);
    for (size_t i = 0; i < OUTCOME_COUNT; i++)
        near_try(&near, span_text(outcome_name((enum outcome)i)), outcome_name((enum outcome)i));
    for (size_t i = 0; i < metric_total(known); i++)
        near_try(&near, span_text(metric_name(known, i)), metric_name(known, i));
    size_t id = near.found ? metric_of(known, span_text(near.found)) : metric_total(known);
    if (id == metric_total(known) || is_one_number(known, id))
        return near.found;
    snprintf(out, size, "p99_%s", near.found);
    return out;
}

/* "throughput": every number of a stage whose name has the word. */
static bool unknown_figure(const struct known *known, struct span text, struct err *err)
{
    char near[2 * OWN_NAME], word[CONDITION_SIZE], list[200] = "";
    const char *found = near_with_statistic(known, text, near, sizeof near);
    found = found ? found : near_alone(known, text, near, sizeof near);
    snprintf(word, sizeof word, "%.*s", (int)text.len, text.data);
    if (found)
        return err_set(err, "there is no '%s'; did you mean %s?", word, found);
    for (size_t i = METRIC_SAMPLED; i < METRIC_COUNT; i++)
        if (strstr(metric_at(i)->name, word))
            snprintf(list + strlen(list), sizeof list - strlen(list), "%s%s", *list ? ", " : "",
                     metric_at(i)->name);
    return err_set(err, "there is no '%s'; %s %s", word,
                   *list ? "there are" : "a figure is a statistic of a metric, such as",
                   *list ? list
                         : "p99_ttft (docs/metrics.md lists them), an outcome, or error_rate");
}

static bool read_statistic(const struct known *known, const struct halves *halves,
                           struct figure *out, struct err *err)
{
    size_t id = metric_of(known, halves->metric);
    enum statistic statistic = statistic_of(halves->statistic);
    if (is_one_number(known, id))
        return err_set(err, "%.*s is one number a stage and has no statistics; write it alone",
                       (int)halves->metric.len, halves->metric.data);
    if (statistic == STATISTICS)
        return no_statistic(halves->statistic, err);
    return take_metric(known, id, statistic, out);
}

static bool read_figure(const struct known *known, struct span text, struct figure *out,
                        bool *unknown, struct err *err)
{
    struct halves halves;
    size_t id = metric_of(known, text);
    int len = (int)text.len;
    *unknown = false;
    if (take_fact(text, out))
        return true;
    if (id < metric_total(known) && is_one_number(known, id))
        return take_metric(known, id, STAT_MEAN, out);
    if (id < metric_total(known))
        return err_set(err,
                       "'%.*s' has a value for each request; say which statistic, such as "
                       "p99_%.*s or mean_%.*s",
                       len, text.data, len, text.data, len, text.data);
    if (split(known, text, &halves))
        return read_statistic(known, &halves, out, err);
    *unknown = true;
    return unknown_figure(known, text, err);
}

/* ---- the whole condition ---- */

struct condition {
    struct figure figure;
    bool below, or_equal; /* "<", "<=" */
    double limit;
};

static struct span trimmed(const char *from, size_t len)
{
    struct span text = span_without_tail(span_of(from, len));
    while (text.len && isspace((unsigned char)*text.data))
        text = span_of(text.data + 1, text.len - 1);
    return text;
}

/* "12.5", with the unit's own name behind it or without. */
static bool read_plain(const char *text, const char *unit, double *limit, struct err *err)
{
    char digits[CONDITION_SIZE];
    size_t len = strlen(text), tail = strlen(unit);
    if (tail && len > tail && strcmp(text + len - tail, unit) == 0)
        len -= tail;
    struct span number = trimmed(text, len);
    snprintf(digits, sizeof digits, "%.*s", (int)number.len, number.data);
    return units_number(digits, limit, err);
}

static bool read_limit(const char *text, const struct figure *figure, double *limit,
                       struct err *err)
{
    uint64_t ns = 0;
    if (figure->unit == UNIT_SHARE)
        return units_share(text, limit, err);
    if (figure->unit != UNIT_SECONDS)
        return read_plain(text, figure->word, limit, err);
    bool ok = units_duration(text, &ns, err);
    *limit = clock_seconds(ns);
    return ok;
}

/* Of a figure that may come from a script: any limit that some unit can read. */
static bool read_any_limit(const char *text, struct err *err)
{
    static const struct figure shares = {.unit = UNIT_SHARE}, times = {.unit = UNIT_SECONDS};
    double limit = 0;
    return read_plain(text, "", &limit, NULL) || read_limit(text, &shares, &limit, NULL) ||
           read_limit(text, &times, &limit, err);
}

/* "error_rate>1" of somebody who means one in a hundred would pass whatever happens. */
static bool can_hold(const struct condition *condition, struct err *err)
{
    const struct figure *figure = &condition->figure;
    bool never = condition->below ? condition->limit <= 0 : condition->limit >= 1;
    bool ours = figure->kind != FIGURE_METRIC || figure->id < METRIC_COUNT;
    return figure->unit != UNIT_SHARE || !ours || condition->or_equal || !never ||
           err_set(err, "a share is between 0 and 1, so this never holds; one in a hundred is 1%%");
}

static bool condition_read(const char *text, const struct known *known, bool more,
                           struct condition *out, struct err *err)
{
    size_t at = strcspn(text, "<>=!");
    const char *rest = text + at;
    struct span figure = trimmed(text, at);
    bool unknown = false;
    if (strlen(text) >= CONDITION_SIZE)
        return err_set(err, "a condition has at most %d bytes", CONDITION_SIZE - 1);
    if ((*rest != '<' && *rest != '>') || !figure.len)
        return err_set(err, "a condition is a figure, one of > >= < <=, and a limit, such as "
                            "p99_ttft>500ms");
    out->below = *rest == '<';
    out->or_equal = rest[1] == '=';
    rest += 1 + out->or_equal;
    struct span bare = trimmed(rest, strlen(rest));
    char limit[CONDITION_SIZE];
    snprintf(limit, sizeof limit, "%.*s", (int)bare.len, bare.data);
    if (!read_figure(known, figure, &out->figure, &unknown, err))
        return unknown && more ? read_any_limit(limit, err) : false;
    return read_limit(limit, &out->figure, &out->limit, err) && can_hold(out, err);
}

bool condition_check(const char *text, const struct own_metrics *own, bool more, struct err *err)
{
    struct condition condition = {.limit = 0};
    struct known known = {.declared = own};
    return condition_read(text, &known, more, &condition, err);
}

bool condition_check_in(const char *text, const struct summary *summary, struct err *err)
{
    struct condition condition = {.limit = 0};
    struct known known = {.summary = summary};
    return condition_read(text, &known, false, &condition, err);
}

/* ---- judging ---- */

static const struct summary_metric *values_of(const struct summary *summary, size_t id)
{
    return id < METRIC_COUNT ? &summary->metric[id] : &summary->own[id - METRIC_COUNT].value;
}

static double value_of(const struct figure *figure, const struct summary *summary)
{
    if (figure->kind == FIGURE_FACT)
        return facts[figure->id].of(summary);
    if (figure->kind == FIGURE_OUTCOME)
        return (double)summary->by_outcome[figure->id];
    const struct summary_metric *values = values_of(summary, figure->id);
    if (!values->present)
        return figure->statistic == STAT_COUNT_N ? 0 : (double)NAN;
    return values->value[figure->statistic];
}

static bool holds(const struct condition *condition, double value)
{
    double limit = condition->limit;
    if (condition->below)
        return condition->or_equal ? value <= limit : value < limit;
    return condition->or_equal ? value >= limit : value > limit;
}

static void show(const struct figure *figure, struct judgement *out)
{
    if (isnan(out->value))
        snprintf(out->shown, sizeof out->shown, "-");
    else if (figure->unit == UNIT_SECONDS)
        units_show_seconds(out->shown, sizeof out->shown, out->value);
    else if (figure->unit == UNIT_SHARE)
        snprintf(out->shown, sizeof out->shown, "%.4g%%", 100 * out->value);
    else if (figure->unit == UNIT_COUNT)
        snprintf(out->shown, sizeof out->shown, "%.10g", out->value);
    else
        snprintf(out->shown, sizeof out->shown, "%.6g %s", out->value, figure->word);
}

static void mark(const struct figure *figure, const struct summary *summary, struct judgement *out)
{
    if (figure->kind != FIGURE_METRIC || isnan(out->value) || figure->statistic <= STAT_MEAN)
        return;
    double n = values_of(summary, figure->id)->value[STAT_COUNT_N];
    out->marked = !statistic_trusted(figure->statistic, n > 0 ? (uint64_t)n : 0);
}

void condition_judge(const char *text, const struct summary *summary, struct judgement *out)
{
    struct condition condition = {.limit = 0};
    struct known known = {.summary = summary};
    struct err err;
    *out = (struct judgement){.value = (double)NAN, .failed = true, .shown = "-"};
    snprintf(out->condition, sizeof out->condition, "%s", text);
    if (!condition_read(text, &known, false, &condition, &err)) {
        snprintf(out->why, sizeof out->why, "%.*s", (int)sizeof out->why - 1, err.text);
        return;
    }
    out->value = value_of(&condition.figure, summary);
    show(&condition.figure, out);
    mark(&condition.figure, summary, out);
    if (isnan(out->value))
        snprintf(out->why, sizeof out->why, "no request gave a value");
    else
        out->failed = holds(&condition, out->value);
}
