#include "app/data_places.h"

#include <stdlib.h>
#include <string.h>

#include "base/mem.h"

enum { PLACES_MOST = 1000 };

static const char *said(const char *text)
{
    return text ? text : "";
}

struct data_place *data_place_of(struct data_places *places, const struct run_spec *spec,
                                 struct err *err)
{
    /* --prompt goes before every data set, --dataset before that of --script. */
    char *key = spec->prompt
                    ? mem_text("--prompt")
                    : mem_printf("%s\n%s\n%s", said(spec->dataset), said(spec->dataset_path),
                                 spec->dataset ? "" : said(spec->script));
    for (size_t i = 0; i < places->count; i++) {
        if (strcmp(places->items[i].key, key) != 0)
            continue;
        free(key);
        return &places->items[i];
    }
    if (places->count == PLACES_MOST) {
        free(key);
        err_set(err, "an experiment may use at most %d data sets", PLACES_MOST);
        return NULL;
    }
    places->items = mem_resize(places->items, places->count + 1, sizeof *places->items);
    places->items[places->count] = (struct data_place){.key = key};
    return &places->items[places->count++];
}

void data_places_fini(struct data_places *places)
{
    for (size_t i = 0; i < places->count; i++)
        free(places->items[i].key);
    free(places->items);
    *places = (struct data_places){0};
}
