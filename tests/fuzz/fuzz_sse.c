/* SSE framing: however a stream is cut, the items are the same. The choice is the ceiling. */
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

static void read_body(struct buf *log, struct span body, size_t cut, const void *limit)
{
    sse_log_body(log, body, cut, *(const size_t *)limit);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct fuzz_input input = fuzz_input(data, size);
    size_t limit = input.choice >= 128 ? input.choice - 128U : 1 << 20;
    fuzz_cuts(read_body, input.text, input.cut, &limit);
    check_offsets(input.text);
    return 0;
}
