#include "io/stamp.h"

#include "base/clock.h"

/* Both clocks are steered alike, so their distance changes by steps alone; a reading is exact to
 * some hundred nanoseconds. */
enum {
    READING_NS = 5000,       /* a reading that took longer says nothing */
    STEP_NS = 50000,         /* the least change that is a step */
    ODD_NS = 1000000,        /* a stamp that seems older than this is worth another reading */
    READING_EVERY = 50000000 /* ns */
};

bool stamp_read(struct stamp_read *read, struct seam_read last, uint64_t turn)
{
    uint64_t number = last.serial ? last.serial : turn;
    if (read->number == number)
        return false;
    read->number = number;
    read->own_ns = last.serial ? last.own_ns : clock_now_ns();
    read->kernel_ns = last.kernel_ns;
    read->more = last.more;
    return true;
}

static uint64_t distance(int64_t a, int64_t b)
{
    return a > b ? (uint64_t)a - (uint64_t)b : (uint64_t)b - (uint64_t)a;
}

void stamp_clock_sample(struct stamp_clock *clock, uint64_t before_ns, uint64_t wall_ns,
                        uint64_t after_ns)
{
    if (after_ns - before_ns > READING_NS)
        return;
    int64_t offset = (int64_t)(wall_ns - before_ns - (after_ns - before_ns) / 2);
    uint64_t step = distance(offset, clock->offset_ns);
    if (clock->sampled_ns && step < STEP_NS) {
        clock->sampled_ns = after_ns;
        return; /* the first offset stays: readings differ by noise alone */
    }
    if (clock->sampled_ns) {
        clock->said.steps++;
        if (step > clock->said.largest_ns)
            clock->said.largest_ns = step;
        clock->valid_ns = after_ns;
    }
    clock->offset_ns = offset;
    clock->sampled_ns = after_ns;
}

bool stamp_clock_due(const struct stamp_clock *clock, uint64_t wall_ns, uint64_t own_ns)
{
    uint64_t at_ns = wall_ns - (uint64_t)clock->offset_ns;
    return !clock->sampled_ns || own_ns - clock->sampled_ns > READING_EVERY || at_ns > own_ns ||
           own_ns - at_ns > ODD_NS;
}

uint64_t stamp_clock_convert(const struct stamp_clock *clock, uint64_t wall_ns, uint64_t own_ns)
{
    uint64_t at_ns = wall_ns - (uint64_t)clock->offset_ns;
    if (!clock->sampled_ns || at_ns > own_ns || at_ns < clock->valid_ns)
        return 0;
    return at_ns;
}
