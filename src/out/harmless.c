#include "out/harmless.h"

#include <stdint.h>
#include <string.h>

#include "wire/utf8.h"

static void add_control(struct buf *out, uint32_t code)
{
    static const char known[] = "\n\r\t", letters[] = "nrt";
    const char *at = code && code < 0x20 ? strchr(known, (int)code) : NULL;
    if (at)
        buf_printf(out, "\\%c", letters[at - known]);
    else if (code < 0x80)
        buf_printf(out, "\\x%02x", (unsigned)code);
    else
        buf_printf(out, "\\u%04x", (unsigned)code);
}

/* One character; returns its length in bytes. */
static unsigned add_character(struct buf *out, const char *at, const char *end, bool lines)
{
    bool valid = true;
    unsigned len = utf8_step(at, end, &valid);
    uint32_t code = valid ? utf8_code(at, len) : 0;
    if (!valid)
        buf_add_text(out, UTF8_REPLACEMENT);
    else if (utf8_steers(code) && !(lines && (code == '\n' || code == '\t')))
        add_control(out, code);
    else
        buf_add(out, at, len);
    return len;
}

/* The characters from..to of the text. */
static void add_range(struct buf *out, struct span text, uint64_t from, uint64_t to, bool lines)
{
    const char *at = text.data, *end = text.data + text.len;
    bool valid = true;
    for (uint64_t i = 0; at < end && i < to; i++)
        at += i < from ? utf8_step(at, end, &valid) : add_character(out, at, end, lines);
}

static uint64_t characters(struct span text)
{
    uint64_t count = 0;
    bool valid = true;
    for (const char *at = text.data, *end = text.data + text.len; at < end; count++)
        at += utf8_step(at, end, &valid);
    return count;
}

static void add(struct buf *out, struct span text, uint64_t first, uint64_t last, bool lines)
{
    if (!text.len)
        return;
    uint64_t count = characters(text);
    if (count <= first + last) {
        add_range(out, text, 0, count, lines);
        return;
    }
    add_range(out, text, 0, first, lines);
    buf_printf(out, " … (%llu characters)", (unsigned long long)(count - first - last));
    if (last) {
        buf_add_text(out, " … ");
        add_range(out, text, count - last, count, lines);
    }
}

void harmless_line(struct buf *out, struct span text, uint64_t first, uint64_t last)
{
    add(out, text, first, last, false);
}

void harmless_lines(struct buf *out, struct span text, uint64_t first)
{
    add(out, text, first, 0, true);
}

/* ---- headers ---- */

static bool is_blank(char c)
{
    return c == ' ' || c == '\t';
}

/* Where the value begins in "Name: value". A line without a colon is no header: to be on the safe
 * side all behind its first word is its value. */
static size_t value_of(struct span line)
{
    const char *colon = line.len ? memchr(line.data, ':', line.len) : NULL;
    size_t at = colon ? (size_t)(colon - line.data) + 1 : 0;
    while (!colon && at < line.len && !strchr("=; \t", line.data[at]))
        at++;
    while (at < line.len && is_blank(line.data[at]))
        at++;
    return at;
}

void harmless_header(struct buf *out, struct span line, uint64_t first, struct secrets *secrets,
                     bool *confidential)
{
    bool continues = line.len && is_blank(line.data[0]);
    size_t value = continues ? 1 : value_of(line);
    struct buf hidden;
    buf_init(&hidden, SIZE_MAX / 4);
    *confidential = continues ? *confidential : secrets_name(span_of(line.data, value));
    if (line.len)
        secrets_hide(secrets, *confidential ? span_of(line.data, value) : line, &hidden);
    harmless_line(out, buf_span(&hidden), first, 0);
    if (*confidential)
        buf_add_text(out, "[redacted]");
    buf_fini(&hidden);
}
