/* The certificate with which this client names itself. */
#pragma once

#include <stdbool.h>

#include "base/err.h"

struct http_config;

/* Whether certificate and key can be read and belong together; nothing is sent anywhere. True
 * without one. libcurl must have begun. */
bool identity_check(const struct http_config *config, struct err *err) MUST_CHECK;
