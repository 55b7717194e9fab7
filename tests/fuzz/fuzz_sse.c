/* SSE framing: however a stream is cut, the items are the same. The last three bytes of the input
 * are no part of it: two choose the cut, one the ceiling. */
#include "fuzz.h"

#include "sse_log.h"

static bool check_order(void *arg, const struct sse_item *item)
{
    uint64_t *last = arg;
    if (item->last_byte < *last)
        return false;
    *last = item->last_byte;
    return true;
}

/* Items come in the order of their last bytes, all of them inside the stream. */
static void check_offsets(struct span body)
{
    uint64_t last = 0;
    struct sse sse;
    sse_init(&sse, SIZE_MAX);
    bool ok = sse_feed(&sse, body.data, body.len, check_order, &last) &&
              sse_end(&sse, check_order, &last);
    sse_fini(&sse);
    if (!ok || (body.len > 0 && last >= body.len))
        fuzz_fail("an item's last byte lies before another's or past the stream", body);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size < 3)
        return 0;
    struct span body = span_of((const char *)data, size - 3);
    const uint8_t *choice = data + body.len;
    size_t cut = body.len ? (size_t)(choice[0] << 8 | choice[1]) % body.len : 0;
    size_t limit = choice[2] >= 128 ? choice[2] - 128U : 1 << 20;
    struct buf whole, part;
    buf_init(&whole, SIZE_MAX);
    buf_init(&part, SIZE_MAX);
    sse_log_body(&whole, body, body.len, limit);
    sse_log_body(&part, body, cut, limit);
    fuzz_same(&whole, &part, "cut", body);
    buf_clear(&part);
    sse_log_body(&part, body, 0, limit);
    fuzz_same(&whole, &part, "single bytes", body);
    check_offsets(body);
    buf_fini(&whole);
    buf_fini(&part);
    return 0;
}
