/* NDJSON framing: however a stream is cut, the lines are the same. The choice is the ceiling. */
#include "fuzz.h"

#include "ndjson_log.h"

static void read_body(struct buf *log, struct span body, size_t cut, const void *limit)
{
    ndjson_log_body(log, body, cut, *(const size_t *)limit);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct fuzz_input input = fuzz_input(data, size);
    size_t limit = input.choice >= 128 ? input.choice - 128U : 1 << 20;
    fuzz_cuts(read_body, input.text, input.cut, &limit);
    return 0;
}
