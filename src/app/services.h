/* What the program does for scripts: blocking HTTP over libcurl, in setup and refresh. May be
 * called from any one thread at a time. */
#pragma once

#include "script/script.h"

struct run_spec;

/* Certificates and --connect-timeout as the run has them; `spec` is borrowed, and so is
 * `tokenizer`, NULL = none. */
struct script_services services_of(const struct run_spec *spec,
                                   const struct script_tokenizer *tokenizer);
