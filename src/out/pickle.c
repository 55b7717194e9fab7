#include "out/pickle.h"

#include <string.h>

#define OPCODES(literal)                                                                           \
    {                                                                                              \
        .data = (literal), .len = sizeof(literal) - 1                                              \
    }

/* PROTO 2; STOP. A list is EMPTY_LIST MARK … APPENDS, a dict EMPTY_DICT MARK key value … SETITEMS.
 */
static const struct span begin = OPCODES("\x80\x02"), end = OPCODES(".");
static const struct span opcodes[] = {
    [JSON_OBJECT_BEGIN] = OPCODES("}("), [JSON_OBJECT_END] = OPCODES("u"),
    [JSON_ARRAY_BEGIN] = OPCODES("]("),  [JSON_ARRAY_END] = OPCODES("e"),
    [JSON_TRUE] = OPCODES("\x88"),       [JSON_FALSE] = OPCODES("\x89"),
    [JSON_NULL] = OPCODES("N"),
};

void pickle_begin(struct buf *out)
{
    buf_add_span(out, begin);
}

void pickle_end(struct buf *out)
{
    buf_add_span(out, end);
}

void pickle_list_begin(struct buf *out)
{
    buf_add_span(out, opcodes[JSON_ARRAY_BEGIN]);
}

void pickle_list_end(struct buf *out)
{
    buf_add_span(out, opcodes[JSON_ARRAY_END]);
}

/* An opcode and four bytes, the lowest first. */
static void add_with_u32(struct buf *out, char opcode, uint32_t value)
{
    char bytes[5] = {opcode};
    for (unsigned i = 0; i < 4; i++)
        bytes[1 + i] = (char)(value >> 8 * i & 0xff);
    buf_add(out, bytes, sizeof bytes);
}

void pickle_text(struct buf *out, struct span text)
{
    if (text.len > UINT32_MAX) {
        out->full = true;
        return;
    }
    add_with_u32(out, 'X', (uint32_t)text.len); /* BINUNICODE */
    buf_add_span(out, text);
}

/* BINFLOAT: the highest byte first. */
static void add_float(struct buf *out, double value)
{
    uint64_t bits;
    char bytes[9] = {'G'};
    memcpy(&bits, &value, sizeof bits);
    for (unsigned i = 0; i < 8; i++)
        bytes[1 + i] = (char)(bits >> (56 - 8 * i) & 0xff);
    buf_add(out, bytes, sizeof bytes);
}

static bool is_whole(struct span text)
{
    for (size_t i = 0; i < text.len; i++)
        if (text.data[i] == '.' || text.data[i] == 'e' || text.data[i] == 'E')
            return false;
    return true;
}

void pickle_number(struct buf *out, struct span text)
{
    int64_t value;
    size_t digits = text.len - (text.len > 0 && text.data[0] == '-');
    if (!is_whole(text)) {
        add_float(out, json_number(text));
    } else if (json_integer(text, &value) && value >= INT32_MIN && value <= INT32_MAX) {
        add_with_u32(out, 'J', (uint32_t)(int32_t)value); /* BININT */
    } else if (digits <= PICKLE_MAX_DIGITS) {
        buf_add_char(out, 'L'); /* LONG: as decimal text */
        buf_add_span(out, text);
        buf_add_text(out, "L\n");
    } else {
        pickle_text(out, text);
    }
}

bool pickle_json(struct buf *out, struct json *json)
{
    for (;;) {
        enum json_token token = json_next(json);
        switch (token) {
        case JSON_END: return true;
        case JSON_ERROR: return false;
        case JSON_KEY:
        case JSON_STRING: pickle_text(out, json->text); break;
        case JSON_NUMBER: pickle_number(out, json->text); break;
        default: buf_add_span(out, opcodes[token]);
        }
    }
}
