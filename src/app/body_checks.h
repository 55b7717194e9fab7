/* The options that go into the request body as a whole (--query-template, --hyperparameters,
 * --parameters, --extra-args): files are read, what is no JSON object is refused. */
#pragma once

#include "base/err.h"
#include "model/run_spec.h"

bool body_checks(struct run_spec *spec, struct err *err) MUST_CHECK;
