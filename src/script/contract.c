#include "script/contract.h"

#include "script/contract_rows.h"

const struct script_word *script_word_at(size_t i)
{
    static const struct script_words *const tables[] = {
        &script_words_script,
        &script_words_answer,
        &script_words_modules,
    };
    for (size_t table = 0; table < sizeof tables / sizeof *tables; table++) {
        if (i < tables[table]->count)
            return &tables[table]->rows[i];
        i -= tables[table]->count;
    }
    return NULL;
}
