/* Which values of the command line are secrets. */
#pragma once

#include "base/log.h"
#include "base/secrets.h"
#include "model/run_spec.h"

/* Registers the API key, the values of headers that carry credentials, and the password in the URL.
 * Warns of values too short to be hidden. */
void hidden_add(struct secrets *secrets, const struct run_spec *spec, struct log *log);
