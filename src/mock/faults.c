#include "mock/faults.h"

#include <stdlib.h>
#include <string.h>

#include "base/embedded.h"
#include "base/mem.h"
#include "base/rng.h"
#include "base/units.h"

const struct mock_fault mock_fault_rows[] = {
    {.name = "silent", .outcome = "timeout_read", .meaning = "reads the request and says nothing"},
    {.name = "close-first",
     .outcome = "reset",
     .meaning = "closes the connection before the first byte of the answer"},
    {.name = "reset-first",
     .outcome = "reset",
     .meaning = "resets the connection before the first byte of the answer"},
    {.name = "close-kept",
     .outcome = "ok",
     .meaning = "closes a kept connection as its next request comes",
     .kept = true},
    {.name = "reset-kept",
     .outcome = "ok",
     .meaning = "resets a kept connection as its next request comes",
     .kept = true},
    {.name = "close-head",
     .outcome = "truncated",
     .meaning = "closes in the middle of the response's headers"},
    {.name = "reset-head",
     .outcome = "reset",
     .meaning = "resets in the middle of the response's headers"},
    {.name = "reset-event",
     .outcome = "reset",
     .meaning = "resets in the middle of the fourth event, or of the body",
     .query = "reset=3&half=1",
     .least = 8},
    {.name = "cut-chunk",
     .outcome = "truncated",
     .meaning = "closes in the middle of the fourth event's chunk, or of the body",
     .query = "abort=3&half=1",
     .least = 8},
    {.name = "cut-length",
     .outcome = "truncated",
     .meaning = "closes in an event, short of its Content-Length"},
    {.name = "no-end",
     .outcome = "truncated",
     .meaning = "ends the HTTP message with neither end marker nor finish reason",
     .query = "noend=1",
     .streams = true},
    {.name = "empty",
     .outcome = "empty",
     .meaning = "ends properly without any text",
     .query = "empty=1"},
    {.name = "empty-body", .outcome = "empty", .meaning = "answers 200 with Content-Length: 0"},
    {.name = "stall",
     .outcome = "timeout_read",
     .meaning = "stops after three tokens, or in the body, and keeps the connection",
     .query = "stall=3",
     .least = 8},
    {.name = "drip", .outcome = "timeout_total", .meaning = "sends a byte a second for ever"},
    {.name = "http-429", .outcome = "http_429", .meaning = "answers 429 with Retry-After"},
    {.name = "http-404", .outcome = "http_4xx", .meaning = "answers 404"},
    {.name = "http-500", .outcome = "http_5xx", .meaning = "answers 500 with HTML"},
    {.name = "http-302", .outcome = "http_other", .meaning = "answers 302"},
    {.name = "error-first",
     .outcome = "stream_error",
     .meaning = "answers 200 and says an error before any token",
     .query = "error=0",
     .plain = "error-plain"},
    {.name = "error-late",
     .outcome = "stream_error",
     .meaning = "says an error after 400 tokens",
     .query = "error=400",
     .least = 401,
     .streams = true},
    {.name = "error-field",
     .outcome = "stream_error",
     .meaning = "says an error in a field of its own (\"error: {…}\") after the first event"},
    {.name = "bad-chunk", .outcome = "bad_response", .meaning = "sends a chunk size of letters"},
    {.name = "bad-http", .outcome = "bad_response", .meaning = "speaks another protocol"},
    {.name = "bad-gzip", .outcome = "bad_response", .meaning = "sends as gzip what is none"},
    {.name = "html", .outcome = "bad_response", .meaning = "answers 200 with HTML"},
    {.name = "huge-event",
     .outcome = "too_large",
     .meaning = "sends an event of 100 MB without a line end"},
    {.name = "header-flood", .outcome = "too_large", .meaning = "sends header lines for ever"},
    {.name = "huge-body", .outcome = "too_large", .meaning = "sends events for ever"},
    {.name = "bad-text",
     .outcome = "ok",
     .meaning = "sends text with bytes that are no UTF-8, a NUL and a lone surrogate"},
    {.name = "late-events", .outcome = "ok", .meaning = "sends events after the end marker"},
    {.name = "usage-twice", .outcome = "ok", .meaning = "says usage three times, growing"},
    {.name = "usage-null", .outcome = "ok", .meaning = "says \"usage\": null"},
    {.name = "hold",
     .outcome = "ok",
     .meaning = "leaves the HTTP message open after the end marker",
     .query = "hold=1",
     .streams = true},
    {.name = "one-segment", .outcome = "ok", .meaning = "sends all events in one segment"},
    {.name = "byte-by-byte",
     .outcome = "ok",
     .meaning = "sends every byte of the events in a segment of its own"},
};
const size_t mock_fault_count = sizeof mock_fault_rows / sizeof *mock_fault_rows;

_Static_assert(sizeof mock_fault_rows / sizeof *mock_fault_rows <= MOCK_FAULTS_MOST,
               "the statistics count each");

const struct mock_fault *mock_fault_find(struct span name)
{
    for (size_t i = 0; i < mock_fault_count; i++)
        if (span_equals(name, mock_fault_rows[i].name))
            return &mock_fault_rows[i];
    return NULL;
}

static bool load(struct mock_scenario *scenario, const char *name, struct err *err)
{
    char *path = mem_printf("%s.scenario", name);
    const struct embedded_file *file =
        embedded_find(embedded_faults_files, embedded_faults_file_count, path);
    bool ok = file ? mock_scenario_parse(scenario, path,
                                         span_of((const char *)file->data, file->len), NULL, err)
                   : err_set(err, "%s is not part of this program", path);
    free(path);
    return ok;
}

static bool read_use(struct mock_fault_use *use, const char *name, const char *share,
                     struct err *err)
{
    use->row = mock_fault_find(span_text(name));
    use->share = 1;
    if (!use->row)
        return err_set(err, "\"%s\" is no fault: --fault list shows them", name);
    if (share && !units_share(share, &use->share, err))
        return err_prefix(err, "--fault %s", name);
    const char *plain = use->row->plain ? use->row->plain : name;
    if (!use->row->query && !load(&use->stream, name, err))
        return false;
    return (use->row->query && !use->row->plain) || load(&use->plain, plain, err);
}

static double shares(const struct mock_faults *faults)
{
    double sum = 0;
    for (size_t i = 0; i < faults->count; i++)
        sum += faults->uses[i].share;
    return sum;
}

static struct mock_fault_use *use_new(struct mock_faults *faults)
{
    faults->uses = mem_resize(faults->uses, faults->count + 1, sizeof *faults->uses);
    struct mock_fault_use *use = &faults->uses[faults->count++];
    *use = (struct mock_fault_use){0};
    return use;
}

bool mock_faults_add_all(struct mock_faults *faults, struct err *err)
{
    for (size_t i = 0; i < mock_fault_count; i++)
        if (!read_use(use_new(faults), mock_fault_rows[i].name, NULL, err))
            return false;
    return true;
}

bool mock_faults_add(struct mock_faults *faults, const char *text, struct err *err)
{
    const char *colon = strchr(text, ':');
    char *name = mem_copy(text, colon ? (size_t)(colon - text) : strlen(text));
    bool ok = read_use(use_new(faults), name, colon ? colon + 1 : NULL, err);
    free(name);
    if (ok && shares(faults) > 1 + 1e-9)
        return err_set(err,
                       "the shares of the faults add up to %g: a request has one fault at most, "
                       "so write them as NAME:SHARE with a sum of at most 1",
                       shares(faults));
    return ok;
}

void mock_faults_fini(struct mock_faults *faults)
{
    for (size_t i = 0; i < faults->count; i++) {
        mock_scenario_fini(&faults->uses[i].stream);
        mock_scenario_fini(&faults->uses[i].plain);
    }
    free(faults->uses);
    *faults = (struct mock_faults){0};
}

bool mock_fault_fits(const struct mock_fault *fault, bool streamed, bool kept)
{
    return (kept || !fault->kept) && (streamed || !fault->streams);
}

const struct mock_fault_use *mock_faults_pick(const struct mock_faults *faults, uint64_t seed,
                                              uint64_t request, bool streamed, bool kept)
{
    struct rng rng;
    rng_init(&rng, seed ^ (request * UINT64_C(0x9e3779b97f4a7c15)));
    double at = rng_unit(&rng);
    for (size_t i = 0; i < faults->count; i++) {
        const struct mock_fault_use *use = &faults->uses[i];
        at -= use->share;
        if (at < 0)
            return mock_fault_fits(use->row, streamed, kept) ? use : NULL;
    }
    return NULL;
}

void mock_faults_list(struct buf *out)
{
    for (size_t i = 0; i < mock_fault_count; i++) {
        const struct mock_fault *row = &mock_fault_rows[i];
        buf_printf(out, "%-13s %-13s the server %s%s\n", row->name, row->outcome, row->meaning,
                   row->streams ? " (streams only)" : "");
    }
}
