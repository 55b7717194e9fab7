#include "out/calibration.h"

#include <cjson/cJSON.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/clock.h"
#include "base/mem.h"
#include "base/units.h"
#include "out/table.h"

enum { TEXT = 64 };

char *calibration_load_text(bool open, double load, char *out, size_t size)
{
    if (open)
        snprintf(out, size, "%.6g requests/s", load);
    else
        snprintf(out, size, "%.0f stream%s", load, load == 1 ? "" : "s");
    return out;
}

/* ---- for the terminal ---- */

static void add_spread(struct table *table, const char *label, struct calibration_spread spread)
{
    char a[TEXT], b[TEXT], c[TEXT];
    table_add(table, label);
    if (!spread.n || isnan(spread.p50))
        table_add(table, "not measured");
    else
        table_addf(table, "p50 %s, p99 %s, max %s", units_show_seconds(a, sizeof a, spread.p50),
                   units_show_seconds(b, sizeof b, spread.p99),
                   units_show_seconds(c, sizeof c, spread.max));
}

static void show_load(const struct calibration *calibration, FILE *out)
{
    char load[TEXT], ttft[TEXT], itl[TEXT];
    fprintf(out, "Calibration of llmbench %s on %s (%s)\n", calibration->version,
            calibration->machine, calibration->host);
    fprintf(out,
            "%s for %.3g s on %llu worker%s, against the mock server in another process: first "
            "token after %s, then one every %s, %llu an answer\n\n",
            calibration_load_text(calibration->open, calibration->base.load, load, sizeof load),
            calibration->seconds, (unsigned long long)calibration->threads,
            calibration->threads == 1 ? "" : "s",
            units_show_seconds(ttft, sizeof ttft, calibration->ttft_s),
            units_show_seconds(itl, sizeof itl, calibration->itl_s),
            (unsigned long long)calibration->tokens);
}

static void show_base(const struct calibration_probe *base, FILE *out)
{
    struct table *table = table_new("ll");
    add_spread(table, "TTFT error", base->ttft);
    add_spread(table, "ITL error", base->itl);
    add_spread(table, "Receive delay", base->receive);
    table_add(table, "Gaps with events that came together");
    table_addf(table, "%.1f%%", 100 * base->coalesced_share);
    table_add(table, "CPU, of one core");
    table_addf(table, "worker %.0f%%, composer %.0f%%, scorer %.0f%%", 100 * base->worker_cpu_share,
               100 * base->composer_cpu_share, 100 * base->scorer_cpu_share);
    add_spread(table, "The server was late by", base->late);
    table_add(table, "Answers");
    table_addf(table, "%llu, %llu of them without the server's stamps",
               (unsigned long long)base->answers, (unsigned long long)base->unread);
    table_add(table, "Verdict");
    table_addf(table, "%s%s%s", base->sound ? "sound" : "not sound", base->sound ? "" : ": ",
               base->why);
    table_draw(table, false, out);
    table_free(table);
}

static void show_search(const struct calibration *calibration, FILE *out)
{
    char load[TEXT], beyond[TEXT];
    bool open = calibration->open;
    calibration_load_text(open, calibration->sound_up_to, load, sizeof load);
    calibration_load_text(open, calibration->stops_at, beyond, sizeof beyond);
    if (calibration->sound_up_to > 0)
        fprintf(out, "\nHighest load at which the verdict stays sound: %s (%zu loads in %.0f s)\n",
                load, calibration->probe_count, calibration->search_s);
    else
        fprintf(out, "\nNo load was found at which the verdict is sound (%zu loads in %.0f s)\n",
                calibration->probe_count, calibration->search_s);
    switch (calibration->limit) {
    case CALIBRATION_NOT_SEARCHED: break;
    case CALIBRATION_CLIENT: fprintf(out, "not at %s: %s\n", beyond, calibration->why); break;
    case CALIBRATION_SERVER:
        fprintf(out, "at %s the mock server was late itself: this program may bear more\n", beyond);
        break;
    case CALIBRATION_TIME: break;
    case CALIBRATION_MOST: fputs("the mock server is made for no more\n", out); break;
    }
    if (calibration->out_of_time)
        fputs("the time for the search was over; --search gives it more\n", out);
}

void calibration_show(const struct calibration *calibration, FILE *out)
{
    show_load(calibration, out);
    show_base(&calibration->base, out);
    if (calibration->base.server_late)
        fputs("\nThis does not count: the server itself was late, since the machine is too busy or "
              "too small for both.\n",
              out);
    if (calibration->limit != CALIBRATION_NOT_SEARCHED)
        show_search(calibration, out);
}

/* ---- JSON ---- */

static void add_spread_json(cJSON *object, const char *key, struct calibration_spread spread)
{
    cJSON *into = cJSON_AddObjectToObject(object, key);
    cJSON_AddNumberToObject(into, "n", (double)spread.n);
    cJSON_AddNumberToObject(into, "p50", spread.p50);
    cJSON_AddNumberToObject(into, "p99", spread.p99);
    cJSON_AddNumberToObject(into, "max", spread.max);
}

static cJSON *probe_json(const struct calibration_probe *probe)
{
    cJSON *object = cJSON_CreateObject();
    cJSON_AddNumberToObject(object, "load", probe->load);
    cJSON_AddNumberToObject(object, "achieved", probe->achieved);
    cJSON_AddBoolToObject(object, "sound", probe->sound);
    cJSON_AddStringToObject(object, "why", probe->why);
    cJSON_AddBoolToObject(object, "server_late", probe->server_late);
    cJSON_AddNumberToObject(object, "answers", (double)probe->answers);
    cJSON_AddNumberToObject(object, "unread", (double)probe->unread);
    add_spread_json(object, "ttft_error", probe->ttft);
    add_spread_json(object, "itl_error", probe->itl);
    add_spread_json(object, "receive_delay", probe->receive);
    add_spread_json(object, "server_lateness", probe->late);
    cJSON_AddNumberToObject(object, "coalesced_share", probe->coalesced_share);
    cJSON_AddNumberToObject(object, "worker_cpu_share", probe->worker_cpu_share);
    cJSON_AddNumberToObject(object, "composer_cpu_share", probe->composer_cpu_share);
    cJSON_AddNumberToObject(object, "scorer_cpu_share", probe->scorer_cpu_share);
    return object;
}

static cJSON *search_json(const struct calibration *calibration)
{
    cJSON *search = cJSON_CreateObject();
    cJSON_AddNumberToObject(search, "sound_up_to", calibration->sound_up_to);
    cJSON_AddNumberToObject(search, "stops_at", calibration->stops_at);
    cJSON_AddStringToObject(search, "limit", calibration_limit_name(calibration->limit));
    cJSON_AddStringToObject(search, "why", calibration->why);
    cJSON_AddBoolToObject(search, "out_of_time", calibration->out_of_time);
    cJSON_AddNumberToObject(search, "seconds", calibration->search_s);
    cJSON *probes = cJSON_AddArrayToObject(search, "probes");
    for (size_t i = 0; i < calibration->probe_count; i++)
        cJSON_AddItemToArray(probes, probe_json(&calibration->probes[i]));
    return search;
}

char *calibration_json(const struct calibration *calibration)
{
    char at[TEXT];
    cJSON *object = cJSON_CreateObject();
    clock_format(at, sizeof at, "%Y-%m-%dT%H:%M:%S%z", calibration->wall_ns);
    cJSON_AddStringToObject(object, "calibrated", at);
    cJSON_AddStringToObject(object, "version", calibration->version);
    cJSON_AddStringToObject(object, "machine", calibration->machine);
    cJSON_AddStringToObject(object, "host", calibration->host);
    cJSON_AddStringToObject(object, "unit", calibration->open ? "requests/s" : "streams");
    cJSON_AddNumberToObject(object, "ttft_s", calibration->ttft_s);
    cJSON_AddNumberToObject(object, "itl_s", calibration->itl_s);
    cJSON_AddNumberToObject(object, "tokens", (double)calibration->tokens);
    cJSON_AddNumberToObject(object, "seconds", calibration->seconds);
    cJSON_AddNumberToObject(object, "threads", (double)calibration->threads);
    cJSON_AddItemToObject(object, "base", probe_json(&calibration->base));
    if (calibration->limit == CALIBRATION_NOT_SEARCHED)
        cJSON_AddNullToObject(object, "search");
    else
        cJSON_AddItemToObject(object, "search", search_json(calibration));
    char *text = cJSON_Print(object), *copy = mem_printf("%s\n", text);
    cJSON_free(text);
    cJSON_Delete(object);
    return copy;
}

/* ---- what a run says of it ---- */

static const char *text_at(const cJSON *object, const char *key)
{
    const char *text = cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(object, key));
    return text ? text : "";
}

static double number_at(const cJSON *object, const char *key)
{
    const cJSON *item = cJSON_GetObjectItemCaseSensitive(object, key);
    return cJSON_IsNumber(item) ? item->valuedouble : (double)NAN;
}

static void add_differences(struct buf *line, const cJSON *object, const char *version,
                            const char *machine, const char *host)
{
    const char *then = text_at(object, "version"), *there = text_at(object, "machine"),
               *like = text_at(object, "host");
    if (strcmp(then, version) != 0)
        buf_printf(line, "; that was llmbench %.40s", then);
    if (strcmp(there, machine) != 0 || strcmp(like, host) != 0)
        buf_printf(line, "; that was another machine (%.80s, %.120s)", there, like);
}

static char *line_of(const cJSON *object, const char *version, const char *machine,
                     const char *host)
{
    enum { LIMIT = 1024 };
    char error[TEXT], load[TEXT], most[TEXT];
    const cJSON *base = cJSON_GetObjectItemCaseSensitive(object, "base"),
                *search = cJSON_GetObjectItemCaseSensitive(object, "search");
    double itl = number_at(cJSON_GetObjectItemCaseSensitive(base, "itl_error"), "p99");
    double up_to = number_at(search, "sound_up_to");
    bool open = strcmp(text_at(object, "unit"), "requests/s") == 0;
    if (isnan(itl) || isnan(number_at(base, "load")) || strlen(text_at(object, "calibrated")) < 10)
        return NULL;
    struct buf line;
    buf_init(&line, LIMIT);
    buf_printf(&line, "%.10s: ITL error p99 %s at %s", text_at(object, "calibrated"),
               units_show_seconds(error, sizeof error, itl),
               calibration_load_text(open, number_at(base, "load"), load, sizeof load));
    if (up_to > 0)
        buf_printf(&line, "; sound up to %s",
                   calibration_load_text(open, up_to, most, sizeof most));
    add_differences(&line, object, version, machine, host);
    return buf_take(&line);
}

char *calibration_line(struct span json, const char *version, const char *machine, const char *host)
{
    cJSON *object = cJSON_ParseWithLength(json.data, json.len);
    char *line = object ? line_of(object, version, machine, host) : NULL;
    cJSON_Delete(object);
    return line;
}
