#include "app/report_kinds.h"

#include <string.h>

#include "out/console.h"
#include "out/report_qianfan.h"
#include "out/report_zh.h"

static const struct {
    const char *name;
    void (*print)(FILE *out, const struct report *report, struct secrets *secrets);
} kinds[] = {
    {"table", console_report},
    {"qianfan", report_qianfan},
    {"zh", report_zh},
    {"none", NULL},
};

enum { KINDS = sizeof kinds / sizeof *kinds };

/* KINDS when there is none of that name. */
static size_t find(const char *name)
{
    size_t i = 0;
    while (i < KINDS && strcmp(kinds[i].name, name) != 0)
        i++;
    return i;
}

bool report_kinds_check(const struct list *names, struct err *err)
{
    for (size_t i = 0; i < names->count; i++)
        if (find(names->items[i]) == KINDS)
            return err_set(err,
                           "--report %s: there is none of that name; reports are table, "
                           "qianfan, zh and none, and it takes all words up to the next option",
                           names->items[i]);
    return true;
}

bool report_kinds_wanted(const struct list *names, const char *name)
{
    for (size_t i = 0; i < names->count; i++)
        if (strcmp(names->items[i], name) == 0)
            return true;
    return false;
}

bool report_kinds_print(const struct list *names, FILE *out, const struct report *report,
                        struct secrets *secrets)
{
    bool printed[KINDS] = {false};
    bool any = false;
    for (size_t i = 0; i < names->count; i++) {
        size_t found = find(names->items[i]);
        if (found == KINDS || printed[found] || !kinds[found].print)
            continue;
        if (any)
            fputc('\n', out);
        kinds[found].print(out, report, secrets);
        printed[found] = any = true;
    }
    return any;
}
