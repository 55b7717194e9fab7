#include "mock/stats.h"

#include <math.h>
#include <stdlib.h>

#include "base/clock.h"
#include "base/hist.h"
#include "base/mem.h"
#include "wire/json.h"

void mock_stats_init(struct mock_stats *stats, uint64_t now_ns)
{
    *stats = (struct mock_stats){.lateness = hist_new(), .since_ns = now_ns};
    stats->in_flight.last_ns = now_ns;
    stats->arrivals = mem_zero(MOCK_MAX_ARRIVALS, sizeof *stats->arrivals);
}

void mock_stats_fini(struct mock_stats *stats)
{
    hist_free(stats->lateness);
    free(stats->hashes.places);
    free(stats->arrivals);
    *stats = (struct mock_stats){0};
}

void mock_stats_reset(struct mock_stats *stats, uint64_t now_ns)
{
    uint64_t open = stats->open, flying = stats->in_flight.now;
    mock_stats_fini(stats);
    mock_stats_init(stats, now_ns);
    stats->open = open;
    stats->in_flight.now = stats->in_flight.max = flying;
    stats->in_flight.max_ns = stats->in_flight.last_arrival_ns = now_ns;
}

/* ---- distinct bodies ---- */

/* FNV-1a, 64 bits. */
static uint64_t hash_of(struct span body)
{
    uint64_t hash = UINT64_C(0xcbf29ce484222325);
    for (size_t i = 0; i < body.len; i++)
        hash = (hash ^ (unsigned char)body.data[i]) * UINT64_C(0x100000001b3);
    return hash;
}

/* The place that holds the hash, or the free one where it belongs. */
static size_t find_place(const struct mock_hash_set *set, uint64_t hash)
{
    size_t at = (size_t)(hash ^ (hash >> 32)) & (set->cap - 1);
    while (set->places[at] && set->places[at] != hash)
        at = (at + 1) & (set->cap - 1);
    return at;
}

static void grow(struct mock_hash_set *set)
{
    struct mock_hash_set old = *set;
    set->cap = old.cap ? old.cap * 2 : 1024;
    set->places = mem_zero(set->cap, sizeof *set->places);
    for (size_t i = 0; i < old.cap; i++)
        if (old.places[i])
            set->places[find_place(set, old.places[i])] = old.places[i];
    free(old.places);
}

static void remember(struct mock_hash_set *set, uint64_t hash)
{
    if (hash == 0) {
        set->count += !set->has_zero;
        set->has_zero = true;
        return;
    }
    if (set->count * 2 >= set->cap)
        grow(set);
    size_t at = find_place(set, hash);
    if (set->places[at])
        return;
    if (set->count >= MOCK_MAX_DISTINCT) {
        set->capped = true;
        return;
    }
    set->places[at] = hash;
    set->count++;
}

/* ---- in flight ---- */

static void account(struct mock_in_flight *flight, uint64_t now_ns)
{
    uint64_t passed = now_ns > flight->last_ns ? now_ns - flight->last_ns : 0;
    flight->area += (double)flight->now * (double)passed;
    flight->busy_ns += flight->now ? passed : 0;
    flight->last_ns += passed;
}

void mock_stats_arrive(struct mock_stats *stats, struct span body, uint64_t now_ns)
{
    struct mock_in_flight *flight = &stats->in_flight;
    account(flight, now_ns);
    flight->now++;
    flight->area_at_last = flight->area;
    flight->last_arrival_ns = now_ns;
    if (flight->now > flight->max) {
        flight->max = flight->now;
        flight->max_ns = now_ns;
        flight->area_at_max = flight->area;
    }
    uint64_t hash = hash_of(body);
    stats->bodies++;
    stats->body_hash_sum += hash;
    remember(&stats->hashes, hash);
    stats->arrivals[stats->arrival_count++ % MOCK_MAX_ARRIVALS] = now_ns;
}

void mock_stats_leave(struct mock_stats *stats, uint64_t now_ns)
{
    account(&stats->in_flight, now_ns);
    stats->in_flight.now--;
}

void mock_stats_error(struct mock_stats *stats, int status)
{
    if (status >= 400 && status < 600)
        stats->errors[status - 400]++;
}

/* ---- the report ---- */

static void write_quotient(struct buf *out, const char *name, double sum, double by)
{
    buf_printf(out, ",\"%s\":", name);
    json_write_number(out, by > 0 ? sum / by : NAN);
}

static void write_requests(const struct mock_stats *stats, struct buf *out)
{
    static const char *const names[MOCK_ENDPOINTS] = {"chat", "completions", "models", "auth",
                                                      "other"};
    uint64_t total = 0;
    for (size_t i = 0; i < MOCK_ENDPOINTS; i++)
        total += stats->requests[i];
    buf_printf(out, "{\"requests\":{\"total\":%llu", (unsigned long long)total);
    for (size_t i = 0; i < MOCK_ENDPOINTS; i++)
        buf_printf(out, ",\"%s\":%llu", names[i], (unsigned long long)stats->requests[i]);
    buf_add_text(out, "},\"errors\":{");
    const char *comma = "";
    for (int i = 0; i < 200; i++)
        if (stats->errors[i]) {
            buf_printf(out, "%s\"%d\":%llu", comma, 400 + i, (unsigned long long)stats->errors[i]);
            comma = ",";
        }
    buf_add_text(out, "}");
}

static void write_bodies(const struct mock_stats *stats, struct buf *out)
{
    buf_printf(out,
               ",\"bodies\":{\"count\":%llu,\"distinct\":%zu,\"distinct_capped\":%s,"
               "\"body_hash_sum\":\"%llu\"}",
               (unsigned long long)stats->bodies, stats->hashes.count,
               stats->hashes.capped ? "true" : "false", (unsigned long long)stats->body_hash_sum);
}

static void write_in_flight(struct mock_in_flight *flight, uint64_t now_ns, struct buf *out)
{
    account(flight, now_ns);
    double steady_ns = flight->max ? (double)flight->last_arrival_ns - (double)flight->max_ns : 0;
    buf_printf(out, ",\"in_flight\":{\"now\":%llu,\"max\":%llu", (unsigned long long)flight->now,
               (unsigned long long)flight->max);
    write_quotient(out, "mean", flight->area, (double)flight->busy_ns);
    write_quotient(out, "steady_mean", flight->area_at_last - flight->area_at_max, steady_ns);
    write_quotient(out, "steady_s", steady_ns, 1e9);
    buf_add_text(out, "}");
}

static void write_lateness(const struct hist *lateness, struct buf *out)
{
    buf_printf(out, ",\"lateness_us\":{\"count\":%llu", (unsigned long long)hist_count(lateness));
    write_quotient(out, "p50", hist_quantile(lateness, 0.5), 1e3);
    write_quotient(out, "p99", hist_quantile(lateness, 0.99), 1e3);
    write_quotient(out, "max", hist_max(lateness), 1e3);
    buf_add_text(out, "}");
}

static void write_counts(const struct mock_stats *stats, struct buf *out)
{
    const struct {
        const char *name;
        uint64_t value;
    } rows[] = {
        {"streams", stats->streams},
        {"plain", stats->plain},
        {"completed", stats->completed},
        {"aborted_by_client", stats->aborted_by_client},
        {"faults", stats->faults},
        {"scenario", stats->scenario},
        {"events", stats->events},
        {"tokens", stats->tokens},
        {"prompt_tokens", stats->prompt_tokens},
        {"completion_tokens", stats->completion_tokens},
        {"sends", stats->sends},
        {"blocked", stats->blocked},
        {"bytes_in", stats->bytes_in},
        {"bytes_out", stats->bytes_out},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
        buf_printf(out, ",\"%s\":%llu", rows[i].name, (unsigned long long)rows[i].value);
    buf_printf(out, ",\"connections\":{\"accepted\":%llu,\"open\":%llu,\"accept_stalls\":%llu}",
               (unsigned long long)stats->accepted, (unsigned long long)stats->open,
               (unsigned long long)stats->accept_stalls);
}

static void write_faults(const struct mock_stats *stats, struct buf *out)
{
    const char *comma = "";
    buf_add_text(out, ",\"by_fault\":{");
    for (size_t i = 0; i < mock_fault_count; i++)
        if (stats->by_fault[i]) {
            buf_printf(out, "%s\"%s\":%llu", comma, mock_fault_rows[i].name,
                       (unsigned long long)stats->by_fault[i]);
            comma = ",";
        }
    buf_add_text(out, "}");
}

static void write_arrivals(const struct mock_stats *stats, struct buf *out)
{
    uint64_t count = stats->arrival_count;
    uint64_t from = count > MOCK_MAX_ARRIVALS ? count - MOCK_MAX_ARRIVALS : 0;
    buf_add_text(out, ",\"arrivals\":[");
    for (uint64_t i = from; i < count; i++)
        buf_printf(out, "%s%llu", i > from ? "," : "",
                   (unsigned long long)stats->arrivals[i % MOCK_MAX_ARRIVALS]);
    buf_add_text(out, "]");
}

void mock_stats_write(struct mock_stats *stats, uint64_t now_ns, bool with_arrivals,
                      struct buf *out)
{
    write_requests(stats, out);
    write_counts(stats, out);
    write_faults(stats, out);
    write_bodies(stats, out);
    write_in_flight(&stats->in_flight, now_ns, out);
    write_lateness(stats->lateness, out);
    buf_printf(out, ",\"now_ns\":%llu", (unsigned long long)now_ns);
    write_quotient(out, "seconds", (double)(now_ns - stats->since_ns), 1e9);
    write_quotient(out, "cpu_seconds", (double)clock_thread_cpu_ns(), 1e9);
    if (with_arrivals)
        write_arrivals(stats, out);
    buf_add_text(out, "}\n");
}
