#include "app/help_lines.h"

#include <stdbool.h>
#include <string.h>

enum { INDENT = 2, COLUMN = 24 }; /* of a term, and of its explanation */

static void add_blanks(struct buf *out, size_t count)
{
    for (size_t i = 0; i < count; i++)
        buf_add_char(out, ' ');
}

void lines_wrapped(struct buf *out, const char *text, size_t at, size_t indent, size_t width)
{
    for (const char *word = text; *word;) {
        size_t len = strcspn(word, " ");
        bool begins_line = at == indent;
        if (!begins_line && at + 1 + len > width) {
            buf_add_char(out, '\n');
            add_blanks(out, indent);
            at = indent;
        } else if (!begins_line) {
            buf_add_char(out, ' ');
            at++;
        }
        buf_add(out, word, len);
        at += len;
        word += len + strspn(word + len, " ");
    }
    buf_add_char(out, '\n');
}

void lines_term(struct buf *out, const char *term, const char *text, size_t width)
{
    size_t end = INDENT + strlen(term);
    add_blanks(out, INDENT);
    buf_add_text(out, term);
    if (end + 2 > COLUMN) {
        buf_add_char(out, '\n');
        end = 0;
    }
    add_blanks(out, COLUMN - end);
    lines_wrapped(out, text, COLUMN, COLUMN, width);
}
