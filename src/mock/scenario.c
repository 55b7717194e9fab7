#include "mock/scenario.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/mem.h"
#include "base/units.h"

enum { FILL_BLOCK = 64 << 10, WORD_MOST = 15 };

struct reader {
    struct mock_scenario *out;
    const char *folder;
    struct span rest;                 /* of the line */
    size_t cap;                       /* of out->steps */
    size_t bytes;                     /* that the steps hold */
    size_t open[MOCK_SCENARIO_DEPTH]; /* repeats without their end */
    size_t depth;
    bool sent; /* something of this answer */
    bool over; /* a step has ended the connection */
};

/* ---- words ---- */

static bool is_blank(char c)
{
    return c == ' ' || c == '\t' || c == '\r';
}

static void skip_blanks(struct span *rest)
{
    while (rest->len && is_blank(*rest->data))
        *rest = span_of(rest->data + 1, rest->len - 1);
}

/* The next word into `word`, which holds WORD_MOST characters; empty at the end of the line. */
static bool take_word(struct reader *reader, char *word, struct err *err)
{
    size_t len = 0;
    skip_blanks(&reader->rest);
    while (len < reader->rest.len && !is_blank(reader->rest.data[len]))
        len++;
    if (len > WORD_MOST || memchr(reader->rest.data, '\0', len))
        return err_set(err, "\"%.*s\" is no word of a scenario", (int)(len < 40 ? len : 40),
                       reader->rest.data);
    memcpy(word, reader->rest.data, len);
    word[len] = '\0';
    reader->rest = span_of(reader->rest.data + len, reader->rest.len - len);
    return true;
}

static int hex_digit(char c)
{
    static const char digits[] = "0123456789abcdef";
    const char *at = c ? strchr(digits, c >= 'A' && c <= 'F' ? c - 'A' + 'a' : c) : NULL;
    return at ? (int)(at - digits) : -1;
}

/* What follows a backslash; false when it is no escape. */
static bool take_escape(struct span *rest, struct buf *out, struct err *err)
{
    static const char names[] = "rnt0\\\"'", meant[] = "\r\n\t\0\\\"'";
    char c = rest->len ? *rest->data : '\0';
    const char *at = c ? strchr(names, c) : NULL;
    int high = rest->len > 1 ? hex_digit(rest->data[1]) : -1;
    int low = rest->len > 2 ? hex_digit(rest->data[2]) : -1;
    size_t taken = at ? 1 : 3;
    if (at)
        buf_add_char(out, meant[at - names]);
    else if (c == 'x' && high >= 0 && low >= 0)
        buf_add_char(out, (char)(high * 16 + low));
    else
        return err_set(err, "after a backslash stands one of r n t 0 \\ \" ' or xHH");
    *rest = span_of(rest->data + taken, rest->len - taken);
    return true;
}

/* The bytes of a text in single or double quotes, appended to `out`. */
static bool take_text(struct reader *reader, struct buf *out, struct err *err)
{
    struct span *rest = &reader->rest;
    skip_blanks(rest);
    char quote = rest->len ? *rest->data : '\0';
    if (quote != '"' && quote != '\'')
        return err_set(err, "a text in quotes has to follow");
    *rest = span_of(rest->data + 1, rest->len - 1);
    while (rest->len && *rest->data != quote) {
        char c = *rest->data;
        *rest = span_of(rest->data + 1, rest->len - 1);
        if (c != '\\')
            buf_add_char(out, c);
        else if (!take_escape(rest, out, err))
            return false;
    }
    if (!rest->len)
        return err_set(err, "the text has no closing quote");
    *rest = span_of(rest->data + 1, rest->len - 1);
    return true;
}

static bool take_duration(struct reader *reader, uint64_t *ns, struct err *err)
{
    char word[WORD_MOST + 1];
    return take_word(reader, word, err) && units_duration(word, ns, err);
}

/* ---- steps ---- */

static struct mock_step *add_step(struct reader *reader, enum mock_step_kind kind)
{
    struct mock_scenario *out = reader->out;
    if (out->count == reader->cap) {
        reader->cap = reader->cap ? reader->cap * 2 : 16;
        out->steps = mem_resize(out->steps, reader->cap, sizeof *out->steps);
    }
    struct mock_step *step = &out->steps[out->count++];
    *step = (struct mock_step){.kind = kind};
    return step;
}

/* Takes the buffer's bytes. */
static bool add_bytes(struct reader *reader, enum mock_step_kind kind, uint64_t ns,
                      struct buf *bytes, struct err *err)
{
    if (!bytes->len && !bytes->full)
        return err_set(err, "there is nothing to send");
    if (bytes->full || bytes->len > MOCK_SCENARIO_BYTES - reader->bytes)
        return err_set(err, "a scenario sends at most %d MiB, repeated ones counted once",
                       MOCK_SCENARIO_BYTES >> 20);
    struct mock_step *step = add_step(reader, kind);
    step->ns = ns;
    step->len = bytes->len;
    step->bytes = buf_take(bytes);
    reader->bytes += step->len;
    reader->sent = true;
    return true;
}

static bool read_send(struct reader *reader, struct buf *bytes, struct err *err)
{
    return take_text(reader, bytes, err) && add_bytes(reader, MOCK_STEP_SEND, 0, bytes, err);
}

static bool read_line(struct reader *reader, struct buf *bytes, struct err *err)
{
    return take_text(reader, bytes, err) && buf_add_text(bytes, "\r\n") &&
           add_bytes(reader, MOCK_STEP_SEND, 0, bytes, err);
}

static bool read_chunk(struct reader *reader, struct buf *bytes, struct err *err)
{
    struct buf inner;
    buf_init(&inner, MOCK_SCENARIO_BYTES);
    bool ok = take_text(reader, &inner, err);
    buf_printf(bytes, "%zx\r\n", inner.len);
    buf_add_span(bytes, buf_span(&inner));
    buf_add_text(bytes, "\r\n");
    buf_fini(&inner);
    return ok && add_bytes(reader, MOCK_STEP_SEND, 0, bytes, err);
}

static bool read_length(struct reader *reader, struct buf *bytes, struct err *err)
{
    char word[WORD_MOST + 1];
    int64_t length;
    if (!take_word(reader, word, err) || !units_integer(word, &length, err))
        return false;
    buf_printf(bytes, "Content-Length: %lld\r\n\r\n", (long long)length);
    return add_bytes(reader, MOCK_STEP_SEND, 0, bytes, err);
}

static bool add_file(const char *path, struct buf *bytes, struct err *err)
{
    FILE *in = fopen(path, "rb");
    if (!in)
        return err_set(err, "%s: %s", path, strerror(errno));
    char *block = mem_alloc(FILL_BLOCK);
    size_t got;
    while ((got = fread(block, 1, FILL_BLOCK, in)) > 0 && buf_add(bytes, block, got))
        ;
    bool ok = !ferror(in) || err_set(err, "%s: %s", path, strerror(errno));
    free(block);
    fclose(in);
    return ok;
}

static bool read_send_file(struct reader *reader, struct buf *bytes, struct err *err)
{
    struct buf name;
    buf_init(&name, 4096);
    bool ok = take_text(reader, &name, err);
    char *text = buf_take(&name);
    char *path = text[0] == '/' || !reader->folder ? mem_text(text)
                                                   : mem_printf("%s/%s", reader->folder, text);
    ok = ok && (reader->folder || err_set(err, "this scenario may name no files")) &&
         add_file(path, bytes, err) && add_bytes(reader, MOCK_STEP_SEND, 0, bytes, err);
    free(text);
    free(path);
    return ok;
}

static void close_repeat(struct reader *reader)
{
    struct mock_step *end = add_step(reader, MOCK_STEP_END);
    end->jump = reader->open[--reader->depth];
    reader->out->steps[end->jump].jump = reader->out->count - 1;
}

static bool open_repeat(struct reader *reader, uint64_t times, struct err *err)
{
    if (reader->depth == MOCK_SCENARIO_DEPTH)
        return err_set(err, "repeats stand in each other at most %d deep", MOCK_SCENARIO_DEPTH);
    reader->open[reader->depth++] = reader->out->count;
    add_step(reader, MOCK_STEP_REPEAT)->times = times;
    return true;
}

/* A text over and over, up to so many bytes: whole blocks in a repeat, then the rest. */
static bool read_fill(struct reader *reader, struct buf *bytes, struct err *err)
{
    char word[WORD_MOST + 1];
    uint64_t size;
    struct buf block;
    if (!take_word(reader, word, err) || !units_size(word, &size, err) ||
        !take_text(reader, bytes, err))
        return false;
    if (!size || !bytes->len || bytes->len > FILL_BLOCK)
        return err_set(err, "fill takes a size of at least 1 and a text of 1 to %d bytes",
                       FILL_BLOCK);
    buf_init(&block, FILL_BLOCK);
    for (size_t i = 0; i < FILL_BLOCK / bytes->len; i++)
        buf_add_span(&block, buf_span(bytes));
    buf_fini(bytes);
    buf_init(bytes, FILL_BLOCK);
    uint64_t blocks = size / block.len;
    buf_add(bytes, block.data, (size_t)(size % block.len));
    bool ok = true;
    if (blocks) {
        ok = open_repeat(reader, blocks, err) && add_bytes(reader, MOCK_STEP_SEND, 0, &block, err);
        if (ok)
            close_repeat(reader);
    }
    buf_fini(&block);
    return ok && (!bytes->len || add_bytes(reader, MOCK_STEP_SEND, 0, bytes, err));
}

static bool read_drip(struct reader *reader, struct buf *bytes, struct err *err)
{
    uint64_t ns;
    return take_duration(reader, &ns, err) && take_text(reader, bytes, err) &&
           add_bytes(reader, MOCK_STEP_DRIP, ns, bytes, err);
}

static bool read_wait(struct reader *reader, struct buf *bytes, struct err *err)
{
    uint64_t ns;
    (void)bytes;
    if (!take_duration(reader, &ns, err))
        return false;
    add_step(reader, MOCK_STEP_WAIT)->ns = ns;
    return true;
}

static bool read_repeat(struct reader *reader, struct buf *bytes, struct err *err)
{
    char word[WORD_MOST + 1];
    int64_t times = 0;
    (void)bytes;
    if (!take_word(reader, word, err))
        return false;
    if (strcmp(word, "forever") == 0)
        return open_repeat(reader, UINT64_MAX, err);
    if (!units_integer(word, &times, NULL) || times < 1)
        return err_set(err, "\"%s\" is neither a number of times nor \"forever\"", word);
    return open_repeat(reader, (uint64_t)times, err);
}

static bool read_end(struct reader *reader, struct buf *bytes, struct err *err)
{
    (void)bytes;
    if (!reader->depth)
        return err_set(err, "there is no repeat that could end here");
    if (reader->open[reader->depth - 1] + 1 == reader->out->count)
        return err_set(err, "there is nothing to repeat");
    close_repeat(reader);
    return true;
}

static bool read_chunked(struct reader *reader, struct buf *bytes, struct err *err)
{
    buf_add_text(bytes, "Transfer-Encoding: chunked\r\n\r\n");
    return add_bytes(reader, MOCK_STEP_SEND, 0, bytes, err);
}

/* ---- lines ---- */

static const struct row {
    const char *word;
    /* NULL: a step of that kind, which takes nothing and ends its answer */
    bool (*read)(struct reader *reader, struct buf *bytes, struct err *err);
    enum mock_step_kind kind;
} rows[] = {
    {.word = "send", .read = read_send},
    {.word = "line", .read = read_line},
    {.word = "chunked", .read = read_chunked},
    {.word = "length", .read = read_length},
    {.word = "chunk", .read = read_chunk},
    {.word = "fill", .read = read_fill},
    {.word = "send-file", .read = read_send_file},
    {.word = "drip", .read = read_drip},
    {.word = "wait", .read = read_wait},
    {.word = "repeat", .read = read_repeat},
    {.word = "end", .read = read_end},
    {.word = "answer", .kind = MOCK_STEP_ANSWER},
    {.word = "next", .kind = MOCK_STEP_NEXT},
    {.word = "stall", .kind = MOCK_STEP_STALL},
    {.word = "close", .kind = MOCK_STEP_CLOSE},
    {.word = "reset", .kind = MOCK_STEP_RESET},
};

static const struct row *find(const char *word)
{
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
        if (strcmp(rows[i].word, word) == 0)
            return &rows[i];
    return NULL;
}

static bool unknown_word(const char *word, struct err *err)
{
    char known[200] = "";
    size_t len = 0;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
        len += (size_t)snprintf(known + len, sizeof known - len, " %s", rows[i].word);
    return err_set(err, "\"%s\" is none of the words%s", word, known);
}

/* A step that ends its answer; what a repeat would do with it is nothing that could be meant. */
static bool add_last(struct reader *reader, enum mock_step_kind kind, const char *word,
                     struct err *err)
{
    bool goes_on = kind == MOCK_STEP_NEXT || kind == MOCK_STEP_ANSWER;
    if (reader->depth)
        return err_set(err, "\"%s\" cannot be repeated", word);
    if (kind == MOCK_STEP_ANSWER && reader->sent)
        return err_set(err, "\"%s\" is a whole answer: nothing can be sent before it", word);
    if (kind == MOCK_STEP_NEXT && !reader->sent)
        return err_set(err, "before \"next\" something has to be sent; \"answer\" ends by itself");
    add_step(reader, kind);
    reader->over = !goes_on;
    reader->sent = false;
    return true;
}

static bool read_row(struct reader *reader, const struct row *row, struct err *err)
{
    struct buf bytes;
    if (!row->read)
        return add_last(reader, row->kind, row->word, err);
    buf_init(&bytes, MOCK_SCENARIO_BYTES);
    bool ok = row->read(reader, &bytes, err);
    buf_fini(&bytes);
    return ok;
}

static bool read_step(struct reader *reader, struct err *err)
{
    char word[WORD_MOST + 1];
    skip_blanks(&reader->rest);
    if (!reader->rest.len || *reader->rest.data == '#')
        return true;
    if (reader->over)
        return err_set(err, "nothing can follow: the connection is over");
    if (!take_word(reader, word, err))
        return false;
    const struct row *row = find(word);
    if (!row)
        return unknown_word(word, err);
    if (!read_row(reader, row, err))
        return false;
    skip_blanks(&reader->rest);
    if (reader->rest.len && *reader->rest.data != '#')
        return err_set(err, "\"%.*s\" does not belong to \"%s\"",
                       (int)(reader->rest.len < 40 ? reader->rest.len : 40), reader->rest.data,
                       word);
    return reader->out->count <= MOCK_SCENARIO_STEPS ||
           err_set(err, "a scenario has at most %d steps", MOCK_SCENARIO_STEPS);
}

static bool read_lines(struct reader *reader, struct span text, size_t *number, struct err *err)
{
    for (*number = 1; text.len; ++*number) {
        const char *end = memchr(text.data, '\n', text.len);
        size_t len = end ? (size_t)(end - text.data) : text.len;
        reader->rest = span_of(text.data, len);
        if (!read_step(reader, err))
            return false;
        len += end ? 1 : 0;
        text = span_of(text.data + len, text.len - len);
    }
    if (reader->depth)
        return err_set(err, "a repeat has no end");
    return reader->out->count > 0 || err_set(err, "the scenario is empty");
}

bool mock_scenario_parse(struct mock_scenario *scenario, const char *name, struct span text,
                         const char *folder, struct err *err)
{
    *scenario = (struct mock_scenario){0};
    struct reader reader = {.out = scenario, .folder = folder};
    size_t number = 1;
    if (read_lines(&reader, text, &number, err))
        return true;
    mock_scenario_fini(scenario);
    return err_prefix(err, "%s:%zu", name, number);
}

bool mock_scenario_load(struct mock_scenario *scenario, const char *path, struct err *err)
{
    struct buf text;
    *scenario = (struct mock_scenario){0};
    buf_init(&text, MOCK_SCENARIO_BYTES);
    const char *slash = strrchr(path, '/');
    char *folder = slash ? mem_copy(path, (size_t)(slash - path + 1)) : mem_text(".");
    bool ok = add_file(path, &text, err);
    if (ok && text.full)
        ok = err_set(err, "%s: a scenario is at most %d MiB long", path, MOCK_SCENARIO_BYTES >> 20);
    ok = ok && mock_scenario_parse(scenario, path, buf_span(&text), folder, err);
    buf_fini(&text);
    free(folder);
    return ok;
}

void mock_scenario_fini(struct mock_scenario *scenario)
{
    for (size_t i = 0; i < scenario->count; i++)
        free(scenario->steps[i].bytes);
    free(scenario->steps);
    *scenario = (struct mock_scenario){0};
}
