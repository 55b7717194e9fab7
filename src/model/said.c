#include "model/said.h"

#include <stdlib.h>

void said_fini(struct said *said)
{
    free(said->counters);
    list_fini(&said->lines);
    free(said->metrics);
    free(said->error);
    *said = (struct said){0};
}
