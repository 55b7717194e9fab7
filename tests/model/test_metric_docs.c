/* docs/metrics.md holds copies of four tables; each must equal the one in the program. */
#include "check.h"
#include "model/metric.h"
#include "model/outcome.h"
#include "model/stats.h"

enum { MAX_CELLS = 8 };

struct row {
    char *cells[MAX_CELLS];
    size_t count;
};

/* Cuts "| a | b |" in place; back quotes around a cell are taken off. */
static struct row cut(char *line)
{
    struct row row = {.count = 0};
    char *cell = line + 1;
    for (char *bar; (bar = strchr(cell, '|')) && row.count < MAX_CELLS; cell = bar + 1) {
        char *end = bar;
        while (*cell == ' ')
            cell++;
        while (end > cell && end[-1] == ' ')
            end--;
        if (end - cell >= 2 && *cell == '`' && end[-1] == '`') {
            cell++;
            end--;
        }
        *end = '\0';
        row.cells[row.count++] = cell;
    }
    return row;
}

typedef void check_row(size_t number, const struct row *row);

/* Calls `check` for each row of the first table below the heading; returns how many there were. */
static size_t each_row(const char *heading, check_row *check)
{
    FILE *file = fopen(TEST_DATA "/../../docs/metrics.md", "r");
    assert_non_null(file);
    char line[2048];
    bool inside = false;
    size_t lines = 0;
    while (fgets(line, sizeof line, file)) {
        line[strcspn(line, "\n")] = '\0';
        if (strncmp(line, "## ", 3) == 0)
            inside = strcmp(line + 3, heading) == 0;
        if (!inside || line[0] != '|')
            continue;
        struct row row = cut(line);
        if (lines++ >= 2) /* after the head and the rule below it */
            check(lines - 3, &row);
    }
    fclose(file);
    return lines < 2 ? 0 : lines - 2;
}

static void check_metric(size_t number, const struct row *row)
{
    if (number >= METRIC_COUNT)
        fail_msg("a row too many: %s", row->cells[0]);
    const struct metric *metric = metric_at(number);
    CHECK_INT(metric->name, row->count, 6);
    CHECK_TEXT("name", row->cells[0], metric->name);
    CHECK_TEXT(metric->name, row->cells[1], metric->title);
    CHECK_TEXT(metric->name, row->cells[2], metric_unit_name(metric->unit));
    CHECK_TEXT(metric->name, row->cells[3], metric_over_name(metric->over));
    CHECK_TEXT(metric->name, row->cells[4], metric->formula);
}

static void check_outcome(size_t number, const struct row *row)
{
    if (number >= OUTCOME_COUNT)
        fail_msg("a row too many: %s", row->cells[0]);
    CHECK_INT(row->cells[0], row->count, 2);
    CHECK_TEXT("outcome", row->cells[0], outcome_name((enum outcome)number));
    CHECK_TEXT(row->cells[0], row->cells[1], outcome_meaning((enum outcome)number));
}

static void check_source(size_t number, const struct row *row)
{
    if (number >= TOKEN_SOURCES)
        fail_msg("a row too many: %s", row->cells[0]);
    CHECK_TEXT("source", row->cells[0], token_source_name((enum token_source)number));
}

static void check_statistic(size_t number, const struct row *row)
{
    if (number >= STATISTICS)
        fail_msg("a row too many: %s", row->cells[0]);
    enum statistic statistic = (enum statistic)number;
    CHECK_TEXT("statistic", row->cells[0], statistic_name(statistic));
    uint64_t enough = strtoull(row->cells[2], NULL, 10);
    CHECK_INT(row->cells[0], statistic_trusted(statistic, enough), true);
    CHECK_INT(row->cells[0], statistic_trusted(statistic, enough - 1), false);
}

static void check_kind(size_t number, const struct row *row)
{
    static const char kinds[] = "ocrtfudepx";
    if (number >= sizeof kinds - 1)
        fail_msg("a row too many: %s", row->cells[0]);
    struct event event = {.kind = kinds[number]};
    CHECK_INT("kind", row->cells[0][0], kinds[number]);
    CHECK_TEXT(row->cells[0], row->cells[2], event_has_text(&event) ? "yes" : "no");
    CHECK_TEXT(row->cells[0], row->cells[3], event_is_data(&event) ? "yes" : "no");
}

static void test_tables(void **state)
{
    (void)state;
    static const struct {
        const char *heading;
        check_row *check;
        size_t rows;
    } tables[] = {
        {"Metrics", check_metric, METRIC_COUNT},
        {"Outcomes", check_outcome, OUTCOME_COUNT},
        {"Tokens", check_source, TOKEN_SOURCES},
        {"Statistics", check_statistic, STATISTICS},
        {"Events", check_kind, sizeof "ocrtfudepx" - 1},
    };
    for (size_t i = 0; i < sizeof tables / sizeof *tables; i++)
        CHECK_INT(tables[i].heading, each_row(tables[i].heading, tables[i].check), tables[i].rows);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_tables)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
