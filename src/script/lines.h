/* At which line of a script's text a field is given. Lua keeps the lines of functions alone. No
 * Lua here. */
#pragma once

#include "base/span.h"

/* The line, from 1, on which alone `field = …`, `.field = …`, `["field"] = …` or `function
 * x.field(…)` stands; 0 = on none, or on several. Lines with `.field` go before the others, which
 * may speak of some other table. Comments that begin with two dashes are not looked at. */
unsigned line_of_field(struct span text, const char *field);
