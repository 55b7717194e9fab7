#include "wire/json.h"

#include <float.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/mem.h"

static const double exact_integers = 9007199254740992.0; /* 2^53 */

bool json_integer(struct span text, int64_t *value)
{
    bool negative = text.len > 0 && text.data[0] == '-';
    size_t i = negative ? 1 : 0;
    if (i == text.len || (text.data[i] == '0' && text.len > i + 1))
        return false;
    int64_t sum = 0; /* kept negative, where there is room for one more */
    for (; i < text.len; i++) {
        if (text.data[i] < '0' || text.data[i] > '9')
            return false;
        if (__builtin_mul_overflow(sum, 10, &sum) ||
            __builtin_sub_overflow(sum, text.data[i] - '0', &sum))
            return false;
    }
    if (!negative && sum == INT64_MIN)
        return false;
    *value = negative ? sum : -sum;
    return true;
}

double json_number(struct span text)
{
    int64_t integer;
    if (text.len < 16 && json_integer(text, &integer) && integer != 0)
        return (double)integer;
    char small[64];
    if (text.len >= sizeof small) {
        char *copy = mem_copy(text.data, text.len);
        double value = strtod(copy, NULL);
        free(copy);
        return value;
    }
    if (text.len > 0)
        memcpy(small, text.data, text.len);
    small[text.len] = '\0';
    return strtod(small, NULL);
}

void json_write_number(struct buf *out, double value)
{
    if (!isfinite(value)) {
        buf_add_text(out, "null");
        return;
    }
    char text[64];
    if (fabs(value) <= exact_integers && floor(value) == value) {
        snprintf(text, sizeof text, "%.0f", value);
        buf_add_text(out, text);
        return;
    }
    /* 15 digits are always kept by a normal double, so fewer need no trial: %g drops the zeros. */
    int digits = fabs(value) < DBL_MIN ? 1 : 15;
    do
        snprintf(text, sizeof text, "%.*g", digits, value);
    while (strtod(text, NULL) != value && ++digits <= 17);
    buf_add_text(out, text);
}
