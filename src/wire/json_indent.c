#include "wire/json.h"

struct indent {
    struct buf *out;
    const char *at, *end;
    unsigned margin;
    unsigned depth;
};

static bool is_json(struct span text)
{
    struct json json;
    enum json_token token;
    json_init(&json, text.data, text.len);
    do
        token = json_next(&json);
    while (token != JSON_END && token != JSON_ERROR);
    json_fini(&json);
    return token == JSON_END;
}

static bool is_blank(char c)
{
    return c == ' ' || c == '\t' || c == '\n' || c == '\r';
}

static void new_line(struct indent *indent)
{
    buf_add_char(indent->out, '\n');
    for (unsigned i = 0; i < indent->margin + 2 * indent->depth; i++)
        buf_add_char(indent->out, ' ');
}

/* From quote to quote. */
static void copy_string(struct indent *indent)
{
    const char *from = indent->at++;
    while (*indent->at != '"')
        indent->at += *indent->at == '\\' ? 2 : 1;
    indent->at++;
    buf_add(indent->out, from, (size_t)(indent->at - from));
}

/* An empty one stays together. */
static void open_bracket(struct indent *indent)
{
    buf_add_char(indent->out, *indent->at++);
    while (is_blank(*indent->at))
        indent->at++;
    if (*indent->at == '}' || *indent->at == ']') {
        buf_add_char(indent->out, *indent->at++);
        return;
    }
    indent->depth++;
    new_line(indent);
}

static void copy_mark(struct indent *indent)
{
    char c = *indent->at;
    if (c == '}' || c == ']') {
        indent->depth--;
        new_line(indent);
    }
    buf_add_char(indent->out, c);
    indent->at++;
    if (c == ',')
        new_line(indent);
    else if (c == ':')
        buf_add_char(indent->out, ' ');
}

bool json_indent(struct buf *out, struct span text, unsigned margin)
{
    if (!is_json(text))
        return false;
    struct indent indent = {
        .out = out, .at = text.data, .end = text.data + text.len, .margin = margin};
    for (unsigned i = 0; i < margin; i++)
        buf_add_char(out, ' ');
    while (indent.at < indent.end) {
        if (is_blank(*indent.at))
            indent.at++;
        else if (*indent.at == '"')
            copy_string(&indent);
        else if (*indent.at == '{' || *indent.at == '[')
            open_bracket(&indent);
        else
            copy_mark(&indent);
    }
    return true;
}
