/* What the files that judge a stage share; nobody else looks at it. */
#pragma once

#include "model/report.h"

struct facts {
    const struct summary *whole, *steady;
    const struct trust *trust;
};

/* A sentence that leaves the verdict sound. */
void verdict_remark(struct verdict *out, const char *format, ...) PRINTF_LIKE(2, 3);
/* All that is to be said of how tokens were counted: at most VERDICT_TOKENS remarks. */
enum { VERDICT_TOKENS = 7 };
void verdict_tokens(const struct facts *facts, struct verdict *out);

static inline const char *plural(uint64_t count)
{
    return count == 1 ? "" : "s";
}
