/* NDJSON framing: however a stream is cut, the lines are the same. The last three bytes of the
 * input are no part of it: two choose the cut, one the ceiling. */
#include "fuzz.h"

#include "ndjson_log.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size < 3)
        return 0;
    struct span body = span_of((const char *)data, size - 3);
    const uint8_t *choice = data + body.len;
    size_t cut = body.len ? (size_t)(choice[0] << 8 | choice[1]) % body.len : 0;
    size_t limit = choice[2] >= 128 ? choice[2] - 127U : 1 << 20;
    struct buf whole, part;
    buf_init(&whole, SIZE_MAX);
    buf_init(&part, SIZE_MAX);
    ndjson_log_body(&whole, body, body.len, limit);
    ndjson_log_body(&part, body, cut ? cut : 1, limit);
    fuzz_same(&whole, &part, "cut", body);
    buf_clear(&part);
    ndjson_log_body(&part, body, 0, limit);
    fuzz_same(&whole, &part, "single bytes", body);
    buf_fini(&whole);
    buf_fini(&part);
    return 0;
}
