/* Which values of the command line and the environment are secrets. */
#pragma once

#include "base/log.h"
#include "base/secrets.h"
#include "model/run_spec.h"

/* Registers the keys, the values of headers that carry credentials, and what is secret in the URLs
 * (login, token-like fields). Warns of values too short to be hidden. */
void hidden_add(struct secrets *secrets, const struct run_spec *spec, struct log *log);
