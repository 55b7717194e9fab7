/* The help in its forms: from about.h and the option tables, and from the rows of the Lua contract.
 */
#pragma once

#include "base/buf.h"

struct command;
struct script_options;

enum { HELP_LIMIT = 1 << 20 }; /* bytes of any of them; a ceiling for the caller's buffer */

/* For a terminal of that width; the program's own help is that of `run`. `own`: the options of
 * scripts, shown behind the command's; NULL = none. */
void help_text(const struct command *command, const struct script_options *own, unsigned width,
               struct buf *out);
void help_man(struct buf *out);                 /* llmbench.1 as roff */
void help_options_md(struct buf *out);          /* docs/options.md */
void help_lua(unsigned width, struct buf *out); /* the Lua contract, for a terminal */
void help_lua_md(struct buf *out);              /* the tables of docs/scripting.md */
