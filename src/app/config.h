/* Options from a JSON file (--config), and all options as such a file (--dump-config). Main thread.
 *
 * The file is one object whose keys are the names of options, '-' and '_' alike. Keys that begin
 * with '_' are remarks, but for "_origin" as config_dump writes it: a default that was dumped is a
 * default when it is read again, not a wish of the user's. */
#pragma once

#include "base/buf.h"
#include "base/err.h"
#include "base/list.h"
#include "base/opt.h"
#include "base/span.h"

enum { CONFIG_LIMIT = 64 << 20 }; /* bytes of such a file, read or dumped */

/* Gives the set what the file says, with origin OPT_CONFIG. False: the sentence names file, line
 * and key. */
bool config_read(struct opt_set *set, const char *path, struct err *err) MUST_CHECK;
/* The first look, for tables that are not whole yet: keys that are no options are passed over. */
bool config_look(struct opt_set *set, const char *path, struct err *err) MUST_CHECK;
/* What an experiment says of one run, an object like the file's, with origin OPT_EXPERIMENT. false
 * for what is no flag takes the value away that others gave; such names are added to `without`.
 * `look`: as config_look. */
bool config_take(struct opt_set *set, struct span given, bool look, struct list *without,
                 struct err *err) MUST_CHECK;
/* The same from a text that config_dump made. */
bool config_text(struct opt_set *set, struct span text, bool look, struct err *err) MUST_CHECK;
/* Appends everything that has a value, and under "_origin" where each came from. Options that are
 * secrets are redacted; secrets within other options are left to the caller. */
void config_dump(const struct opt_set *set, struct buf *out);
