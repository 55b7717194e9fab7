#include "token/vocabulary_load.h"

bool vocabulary_load(struct vocabulary *vocabulary, const struct node *model, const char *what,
                     struct err *err)
{
    const struct node *map = node_get(model, "vocab");
    if (!node_is(map, JSON_OBJECT_BEGIN))
        return err_set(err, "%s.vocab must be an object", what);
    vocabulary_expect(vocabulary, map->count);
    for (const struct node *key = node_first(map); key; key = node_next(map, key)) {
        int64_t id = 0;
        struct span text = node_text(key);
        if (key[1].token != JSON_NUMBER || !json_integer(node_text(&key[1]), &id) || id < 0)
            return err_set(err, "%s.vocab: the id of \"%.*s\" must be a whole number from 0 on",
                           what, SHOWN(text));
        if (!vocabulary_add(vocabulary, what, text, (uint64_t)id, err))
            return false;
    }
    return true;
}
