#include "run/keeping.h"

#include <string.h>

#include "model/run_spec.h"
#include "model/sample.h"

void keeping_init(struct keeping *keeping, const struct run_spec *spec)
{
    static const char *const names[] = {
        [KEEP_ALL] = "all", [KEEP_FAILED] = "failed", [KEEP_NONE] = "none"};
    *keeping = (struct keeping){.max_bytes = spec->store_max_bytes};
    for (enum keep i = KEEP_ALL; i <= KEEP_NONE; i++)
        if (spec->store && strcmp(spec->store, names[i]) == 0)
            keeping->what = i;
}

static bool asked_for(const struct keeping *keeping, const struct sample *sample)
{
    return keeping->what == KEEP_ALL ||
           (keeping->what == KEEP_FAILED && outcome_is_failure(sample->outcome));
}

/* What stands in the columns request, response_messages and text. */
static uint64_t bodies_bytes(const struct sample *sample)
{
    return sample->exchange->request->body_len + sample->responses_len + sample->text_len;
}

static bool has_room(struct keeping *keeping, uint64_t bytes)
{
    uint64_t max = keeping->max_bytes;
    if (max && (bytes > max || keeping->bytes > max - bytes))
        keeping->full = true;
    return !keeping->full;
}

bool keeping_wants(struct keeping *keeping, const struct sample *sample)
{
    if (sample->bodies_left_out)
        return false;
    if (!asked_for(keeping, sample)) {
        keeping->not_asked++;
        return false;
    }
    uint64_t bytes = bodies_bytes(sample);
    if (!has_room(keeping, bytes)) {
        keeping->past_max++;
        return false;
    }
    keeping->bytes += bytes;
    return true;
}
