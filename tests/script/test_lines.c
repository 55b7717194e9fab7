/* The line at which a script gives a field a value, or none where that is not certain. */
#include "check.h"
#include "script/lines.h"

static const struct {
    const char *text, *field;
    unsigned line;
} cases[] = {
    {"", "path", 0},
    {"path", "path", 0},
    {"path =", "path", 1},
    {"x\npath = 1", "path", 2},
    {"\n\napi.path='v1'\n", "path", 3},
    {"return {\n  path = 'x', text = false }", "text", 2},
    {"local a\napi[\"path\"] = 1", "path", 2},
    {"api['path']=1", "path", 1},
    {"function api.path() end", "path", 1},
    {"api.path()", "path", 0},
    {"x = function() api.path() end", "path", 0},
    {"function path() end", "path", 1},
    {"if api.path == 1 then end", "path", 0},
    {"if api.path == 1 then api.path = 2 end", "path", 1},
    {"api.path = 1\napi.path = 2", "path", 0},
    {"x = { path = 1 }\napi.path = 2\nx = { path = 3 }", "path", 2},
    {"x = { path = 1 }\nx = { path = 3 }", "path", 0},
    {"-- path = 5\napi.path = 2", "path", 2},
    {"api.x = 1 -- path = 5", "path", 0},
    {"api.paths = 1\napi.my_path = 1\nurl_path = 1", "path", 0},
    {"api.path = 1\r\napi.text = 2\r\n", "text", 2},
};

static void the_line_that_gives_a_field(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        CHECK_INT(cases[i].text, line_of_field(span_text(cases[i].text), cases[i].field),
                  cases[i].line);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(the_line_that_gives_a_field)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
