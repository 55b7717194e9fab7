#include "out/stamps.h"

#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/hist.h"
#include "base/mem.h"
#include "model/sample.h"
#include "wire/json.h"
#include "wire/sse.h"

enum { EVENT_LIMIT = 1 << 20 };

struct stamps {
    uint64_t ttft_ns, itl_ns;
    struct hist *ttft, *itl, *late;
    uint64_t answers, unread;

    /* of the answer that is being read */
    const struct sample *sample;
    size_t event;     /* number of the next one */
    uint64_t read_ns; /* the server had the request */
    uint64_t tokens;  /* text events so far */
    uint64_t last_sent_ns, last_time_ns;
    bool odd;
};

/* ---- an event's payload ---- */

struct server_times {
    uint64_t sent_ns, read_ns; /* 0 = it does not say */
};

static uint64_t take_ns(struct json *json)
{
    int64_t ns = 0;
    return json_next(json) == JSON_NUMBER && json_integer(json->text, &ns) && ns > 0 ? (uint64_t)ns
                                                                                     : 0;
}

static bool is_key(const struct json *json, const char *key)
{
    return json->text.len == strlen(key) && memcmp(json->text.data, key, json->text.len) == 0;
}

static struct server_times server_times(struct span data)
{
    struct server_times times = {0};
    struct json json;
    json_init(&json, data.data, data.len);
    if (json_next(&json) == JSON_OBJECT_BEGIN)
        while (json_next(&json) == JSON_KEY) {
            if (is_key(&json, "sent_ns"))
                times.sent_ns = take_ns(&json);
            else if (is_key(&json, "read_ns"))
                times.read_ns = take_ns(&json);
            else
                json_next(&json);
            if (!json_skip(&json))
                break;
        }
    json_fini(&json);
    return times;
}

/* ---- an answer ---- */

static uint64_t apart(uint64_t a, uint64_t b)
{
    return a > b ? a - b : b - a;
}

static void first_token(struct stamps *stamps, uint64_t time_ns, uint64_t sent_ns)
{
    uint64_t measured = time_ns - stamps->sample->exchange->sent_ns;
    hist_record(stamps->ttft, apart(measured, sent_ns - stamps->read_ns));
}

static void token(struct stamps *stamps, const struct event *event, uint64_t sent_ns)
{
    uint64_t due_ns = stamps->read_ns + stamps->ttft_ns + stamps->tokens * stamps->itl_ns;
    hist_record(stamps->late, sent_ns > due_ns ? sent_ns - due_ns : 0);
    if (!stamps->tokens)
        first_token(stamps, event->time_ns, sent_ns);
    else
        hist_record(stamps->itl,
                    apart(event->time_ns - stamps->last_time_ns, sent_ns - stamps->last_sent_ns));
    stamps->tokens++;
    stamps->last_sent_ns = sent_ns;
    stamps->last_time_ns = event->time_ns;
}

/* The scorer framed the same bytes into the same events. */
static bool take_event(void *arg, const struct sse_item *item)
{
    struct stamps *stamps = arg;
    const struct sample *sample = stamps->sample;
    if (stamps->event >= sample->event_count) {
        stamps->odd = true;
        return false;
    }
    const struct event *event = &sample->events[stamps->event++];
    struct server_times times = server_times(item->data);
    if (times.read_ns)
        stamps->read_ns = times.read_ns;
    if (!event_has_text(event))
        return true;
    stamps->odd |= !times.sent_ns || !stamps->read_ns || event->index != 0;
    if (!stamps->odd)
        token(stamps, event, times.sent_ns);
    return !stamps->odd;
}

static bool take_sample(void *self, const struct sample *sample, bool with_bodies, struct err *err)
{
    struct stamps *stamps = self;
    const struct buf *body = &sample->exchange->body;
    struct sse sse;
    (void)with_bodies, (void)err;
    if (sample->outcome != OUTCOME_OK)
        return true;
    stamps->sample = sample;
    stamps->event = 0;
    stamps->read_ns = stamps->tokens = 0;
    stamps->odd = false;
    sse_init(&sse, EVENT_LIMIT);
    if (sse_feed(&sse, body->data, body->len, take_event, stamps))
        (void)sse_end(&sse, take_event, stamps);
    sse_fini(&sse);
    stamps->answers++;
    stamps->unread += stamps->odd || stamps->tokens == 0;
    return true;
}

/* ---- life ---- */

static void open_hists(struct stamps *stamps)
{
    stamps->ttft = hist_new();
    stamps->itl = hist_new();
    stamps->late = hist_new();
    stamps->answers = stamps->unread = 0;
}

static void close_hists(struct stamps *stamps)
{
    hist_free(stamps->ttft);
    hist_free(stamps->itl);
    hist_free(stamps->late);
}

struct stamps *stamps_new(uint64_t ttft_ns, uint64_t itl_ns)
{
    struct stamps *stamps = MEM_NEW(struct stamps);
    stamps->ttft_ns = ttft_ns;
    stamps->itl_ns = itl_ns;
    open_hists(stamps);
    return stamps;
}

void stamps_free(struct stamps *stamps)
{
    if (!stamps)
        return;
    close_hists(stamps);
    free(stamps);
}

void stamps_clear(struct stamps *stamps)
{
    close_hists(stamps);
    open_hists(stamps);
}

struct sink stamps_sink(struct stamps *stamps)
{
    return (struct sink){.name = "calibration", .self = stamps, .sample = take_sample};
}

static struct calibration_spread spread_of(const struct hist *hist)
{
    return (struct calibration_spread){
        .n = hist_count(hist),
        .p50 = hist_quantile(hist, 0.5) / 1e9,
        .p99 = hist_quantile(hist, 0.99) / 1e9,
        .max = hist_max(hist) / 1e9,
    };
}

void stamps_report(const struct stamps *stamps, struct calibration_probe *probe)
{
    probe->answers = stamps->answers;
    probe->unread = stamps->unread;
    probe->ttft = spread_of(stamps->ttft);
    probe->itl = spread_of(stamps->itl);
    probe->late = spread_of(stamps->late);
}
