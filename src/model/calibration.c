#include "model/calibration.h"

#include <stdlib.h>

static const char *const limits[] = {
    [CALIBRATION_NOT_SEARCHED] = "not_searched",
    [CALIBRATION_CLIENT] = "client",
    [CALIBRATION_SERVER] = "server",
    [CALIBRATION_TIME] = "time",
    [CALIBRATION_MOST] = "most",
};

const char *calibration_limit_name(enum calibration_limit limit)
{
    return limits[limit];
}

void calibration_fini(struct calibration *calibration)
{
    free(calibration->host);
    free(calibration->machine);
    free(calibration->probes);
    *calibration = (struct calibration){0};
}
