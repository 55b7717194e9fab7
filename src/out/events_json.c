#include "out/events_json.h"

#include "base/clock.h"

uint64_t events_origin_ns(const struct exchange *exchange)
{
    return exchange->sent_ns ? exchange->sent_ns : exchange->started_ns;
}

/* By hand, since an answer may have thousands of events and main writes them while the run goes on.
 */
static void add_integer(struct buf *out, int64_t value)
{
    char digits[24];
    size_t at = sizeof digits;
    uint64_t rest = value < 0 ? 0 - (uint64_t)value : (uint64_t)value;
    do
        digits[--at] = (char)('0' + rest % 10);
    while ((rest /= 10) != 0);
    if (value < 0)
        digits[--at] = '-';
    buf_add(out, digits + at, sizeof digits - at);
}

/* Difference of two clock readings; wraps to the right sign. */
static int64_t offset_ns(uint64_t time, uint64_t origin)
{
    return (int64_t)(time - origin);
}

enum field { FIELD_TIME, FIELD_READ, FIELD_BYTES, FIELD_TOKENS, FIELD_INDEX };

static int64_t field_of(const struct event *event, enum field field, uint64_t origin)
{
    switch (field) {
    case FIELD_TIME: return offset_ns(event->time_ns, origin);
    case FIELD_READ: return event->read;
    case FIELD_BYTES: return event->bytes;
    case FIELD_TOKENS: return event->tokens;
    case FIELD_INDEX: return event->index;
    }
    return 0;
}

static bool any(const struct sample *sample, enum field field)
{
    for (size_t i = 0; i < sample->event_count; i++)
        if (field_of(&sample->events[i], field, 0))
            return true;
    return false;
}

static void add_list(struct buf *out, const char *key, const struct sample *sample,
                     enum field field)
{
    uint64_t origin = events_origin_ns(sample->exchange);
    buf_add_text(out, key);
    for (size_t i = 0; i < sample->event_count; i++) {
        if (i)
            buf_add_char(out, ',');
        add_integer(out, field_of(&sample->events[i], field, origin));
    }
    buf_add_char(out, ']');
}

static void add_kinds(struct buf *out, const struct sample *sample)
{
    buf_add_text(out, ",\"k\":\"");
    for (size_t i = 0; i < sample->event_count; i++)
        buf_add_char(out, sample->events[i].kind);
    buf_add_char(out, '"');
}

static void add_coalesced(struct buf *out, const struct sample *sample)
{
    const char *comma = "";
    buf_add_text(out, ",\"coalesced\":[");
    for (size_t i = 0; i < sample->event_count; i++) {
        if (!sample->events[i].coalesced)
            continue;
        buf_add_text(out, comma);
        add_integer(out, (int64_t)i);
        comma = ",";
    }
    buf_add_char(out, ']');
}

void events_json(const struct sample *sample, struct buf *out)
{
    add_list(out, "{\"t\":[", sample, FIELD_TIME);
    add_kinds(out, sample);
    add_list(out, ",\"read\":[", sample, FIELD_READ);
    add_list(out, ",\"bytes\":[", sample, FIELD_BYTES);
    if (any(sample, FIELD_TOKENS))
        add_list(out, ",\"tokens\":[", sample, FIELD_TOKENS);
    if (any(sample, FIELD_INDEX))
        add_list(out, ",\"index\":[", sample, FIELD_INDEX);
    add_coalesced(out, sample);
    buf_add_char(out, '}');
}

static void add_unix_seconds(struct buf *out, int64_t ns)
{
    int64_t micros = ns / (int64_t)NS_PER_US;
    char fraction[7];
    int64_t rest = micros % 1000000;
    for (int i = 5; i >= 0; i--, rest /= 10)
        fraction[i] = (char)('0' + rest % 10);
    add_integer(out, micros / 1000000);
    buf_add_char(out, '.');
    buf_add(out, fraction, 6);
}

void events_chunk_times(const struct sample *sample, int64_t wall_offset_ns, struct buf *out)
{
    const char *comma = "";
    buf_add_char(out, '[');
    for (size_t i = 0; i < sample->event_count; i++) {
        const struct event *event = &sample->events[i];
        if (!event_is_data(event))
            continue;
        buf_add_text(out, comma);
        add_unix_seconds(out, (int64_t)event->time_ns + wall_offset_ns);
        comma = ",";
    }
    buf_add_char(out, ']');
}
