/* What a stage's trust says of the stations that stand behind the workers, and of what the workers
 * themselves had to wait for. After all its threads have ended. Main thread. */
#pragma once

struct stage;
struct report;

/* Fills in the report's trust; its summaries are there. */
void stage_behind(const struct stage *stage, struct report *report);
