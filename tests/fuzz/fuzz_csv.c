/* CSV: however the text is cut, records and fields are the same. The choice is the separator. */
#include "fuzz.h"

#include "csv_log.h"

static void read_text(struct buf *log, struct span text, size_t cut, const void *separator)
{
    csv_log_text(log, text, cut, *(const char *)separator);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct fuzz_input input = fuzz_input(data, size);
    fuzz_cuts(read_text, input.text, input.cut, &",;\t|"[input.choice % 4]);
    return 0;
}
