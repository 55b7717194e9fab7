#include "script/lines.h"

#include <ctype.h>
#include <stdbool.h>
#include <string.h>

static bool in_word(char letter)
{
    return isalnum((unsigned char)letter) || letter == '_';
}

static struct span skip(struct span rest, const char *letters)
{
    while (rest.len > 0 && rest.data[0] && strchr(letters, rest.data[0]))
        rest = span_of(rest.data + 1, rest.len - 1);
    return rest;
}

/* What stands behind a name that is given a value: '=', or the parameters of a function. */
static bool gives_value(struct span behind, bool function)
{
    behind = skip(behind, " \t\"']");
    if (behind.len == 0)
        return false;
    if (behind.data[0] == '(')
        return function;
    return behind.data[0] == '=' && (behind.len == 1 || behind.data[1] != '=');
}

/* Without its comment. Two dashes within a string end it, too: then no place is named. */
static struct span code_of(struct span line)
{
    for (size_t i = 0; i + 1 < line.len; i++)
        if (line.data[i] == '-' && line.data[i + 1] == '-')
            return span_of(line.data, i);
    return line;
}

/* Whether the name that follows is that of a function being defined: "function x.". */
static bool defines_function(struct span before)
{
    static const char word[] = "function";
    const size_t len = sizeof word - 1;
    while (before.len > 0 &&
           (in_word(before.data[before.len - 1]) || strchr(".:", before.data[before.len - 1])))
        before.len--;
    while (before.len > 0 && before.data[before.len - 1] == ' ')
        before.len--;
    return before.len >= len && memcmp(before.data + before.len - len, word, len) == 0;
}

/* How surely a line gives the field its value. */
enum sure { NOT, PERHAPS /* "field =", of any table */, SURELY /* "script.field =" */, SURES };

static enum sure line_gives(struct span line, const char *field)
{
    enum sure best = NOT;
    size_t len = strlen(field);
    for (size_t i = 0; i + len <= line.len; i++) {
        if (memcmp(line.data + i, field, len) != 0 || (i > 0 && in_word(line.data[i - 1])) ||
            (i + len < line.len && in_word(line.data[i + len])))
            continue;
        bool function = defines_function(span_of(line.data, i));
        if (!gives_value(span_of(line.data + i + len, line.len - i - len), function))
            continue;
        if (i > 0 && line.data[i - 1] == '.')
            return SURELY;
        best = PERHAPS;
    }
    return best;
}

unsigned line_of_field(struct span text, const char *field)
{
    unsigned found[SURES] = {0}, count[SURES] = {0};
    for (unsigned number = 1; text.len > 0; number++) {
        const char *end = memchr(text.data, '\n', text.len);
        size_t len = end ? (size_t)(end - text.data) : text.len;
        enum sure sure = line_gives(code_of(span_of(text.data, len)), field);
        found[sure] = number;
        count[sure]++;
        len += end != NULL;
        text = span_of(text.data + len, text.len - len);
    }
    enum sure sure = count[SURELY] ? SURELY : PERHAPS;
    return count[sure] == 1 ? found[sure] : 0;
}
