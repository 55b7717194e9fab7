/* The end block of a stress test as users of the Qianfan SDK know it: its labels, each with the
 * definition of docs/metrics.md, and a legend that says which. Reads the metrics table; knows no
 * formula but the shares and the minute. */
#pragma once

#include <stdio.h>

struct report;
struct secrets;

/* `secrets` may be NULL. The path of the log stands at the end. */
void report_qianfan(FILE *out, const struct report *report, struct secrets *secrets);
