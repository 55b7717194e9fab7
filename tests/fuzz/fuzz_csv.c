/* CSV: however the text is cut, records and fields are the same. The last three bytes of the input
 * are no part of it: two choose the cut, one the separator. */
#include "fuzz.h"

#include "csv_log.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size < 3)
        return 0;
    struct span text = span_of((const char *)data, size - 3);
    const uint8_t *choice = data + text.len;
    size_t cut = text.len ? (size_t)(choice[0] << 8 | choice[1]) % text.len : 0;
    char separator = ",;\t|"[choice[2] % 4];
    struct buf whole, part;
    buf_init(&whole, SIZE_MAX);
    buf_init(&part, SIZE_MAX);
    csv_log_text(&whole, text, text.len, separator);
    csv_log_text(&part, text, cut, separator);
    fuzz_same(&whole, &part, "cut", text);
    buf_clear(&part);
    csv_log_text(&part, text, 0, separator);
    fuzz_same(&whole, &part, "single bytes", text);
    buf_fini(&whole);
    buf_fini(&part);
    return 0;
}
