/* After a run of several stages: one line a stage. */
#pragma once

#include <stdio.h>

struct reports;

void console_compare(FILE *out, const struct reports *reports);
