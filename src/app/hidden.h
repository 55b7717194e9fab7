/* Which values of the command line and the environment are secrets. */
#pragma once

#include "app/options.h"
#include "base/log.h"
#include "base/secrets.h"

/* Registers the keys, the values of headers that carry credentials, and what is secret in the URLs
 * (login, token-like fields), and the scripts' own options that are secret. Warns of values too
 * short to be hidden. */
void hidden_add(struct secrets *secrets, const struct options *options, struct log *log);
