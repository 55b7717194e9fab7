#include "io/stamp.h"

#include "base/clock.h"

uint64_t stamp_now_ns(void)
{
    return clock_now_ns();
}

uint64_t stamp_sent_ns(void)
{
    return clock_now_ns();
}

/* Each read fills libcurl's buffer from its start, so a piece that lies behind the last one came
 * with it. */
static bool stamp_same_read(const struct stamp_read *read, uint64_t turn, const char *data,
                            bool decoded)
{
    if (read->turn != turn)
        return false;
    uintptr_t at = (uintptr_t)data, end = (uintptr_t)read->end;
    return decoded || (at >= end && at - end < STAMP_BUFFER);
}

bool stamp_read(struct stamp_read *read, uint64_t turn, const char *data, size_t len, bool decoded)
{
    uint64_t now = clock_now_ns();
    bool same = stamp_same_read(read, turn, data, decoded);
    if (!same) {
        read->own_ns = now;
        read->kernel_ns = 0;
    }
    read->turn = turn;
    read->end = data + len;
    return !same;
}
