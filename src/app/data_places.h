/* How far the runs of an experiment have come in each data set, so that no run is served from the
 * prefix cache of the one before. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "model/run_spec.h"

struct data_place {
    char *key;      /* what the data is made from, owned */
    uint64_t items; /* that have been used */
    bool looked;    /* a run has looked for it: what could not be downloaded then is not now */
};

struct data_places {
    struct data_place *items;
    size_t count;
};

/* The place of this run's data, until the next call; NULL: there are too many. */
struct data_place *data_place_of(struct data_places *places, const struct run_spec *spec,
                                 struct err *err);
void data_places_fini(struct data_places *places);
