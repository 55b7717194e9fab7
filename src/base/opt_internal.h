/* What opt.c, opt_parse.c and opt_help.c share; nobody else includes this. */
#pragma once

#include "base/opt.h"
#include "base/span.h"

/* The row of that name or alias, '-' and '_' alike; set->count when there is none. */
size_t opt_index(const struct opt_set *set, struct span name);

/* The known long name that was plausibly meant, or NULL. Borrowed from the rows; an alias is
 * answered by its row's name. */
const char *opt_nearest(const struct opt_set *set, struct span name);

/* Walks a row's long names, its own first; start with a zero span. */
bool opt_next_name(const struct opt_row *row, struct span *name);

/* Stores the value unless the row has one of a higher origin; then it is only checked. */
bool opt_set_value(struct opt_set *set, size_t row, const char *text, enum opt_origin origin,
                   struct err *err);
