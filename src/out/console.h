/* The report on stdout: summary table, metrics, percentiles, errors, trust block. Reads the metrics
 * table; knows no formula. At most 100 columns but for paths; colour only on a terminal. */
#pragma once

#include <stdio.h>

struct report;
struct secrets;

/* The secrets are hidden in sentences that came from outside (an error body may repeat the key it
 * refused). */
void console_report(FILE *out, const struct report *report, struct secrets *secrets);
