#include "check.h"

#include <glob.h>

#include "base/mem.h"
#include "sse_log.h"
#include "wire/json.h"
#include "wire/sse.h"

#define TEXT(literal)                                                                              \
    {                                                                                              \
        .data = (literal), .len = sizeof(literal) - 1                                              \
    }

enum { LIMIT = 1 << 20 };

/* ---- tricky cases by hand ---- */

static const struct {
    const char *name;
    struct span in;
    size_t limit; /* 0 = LIMIT */
    const char *want;
} cases[] = {
    {.name = "empty", .in = TEXT(""), .want = ""},
    {.name = "lf", .in = TEXT("data: a\n\n"), .want = "event \"a\" @8\n"},
    {.name = "cr",
     .in = TEXT("data: a\r\rdata: b\r\r"),
     .want = "event \"a\" @8\nevent \"b\" @17\n"},
    {.name = "crlf: the CR completes",
     .in = TEXT("data: a\r\n\r\ndata: b\r\n\r\n"),
     .want = "event \"a\" @9\nevent \"b\" @20\n"},
    {.name = "lf after crlf",
     .in = TEXT("data: a\r\n\ndata: b\n\r\n"),
     .want = "event \"a\" @9\nevent \"b\" @18\n"},
    {.name = "crlf then cr", .in = TEXT("data: a\r\n\r"), .want = "event \"a\" @9\n"},
    {.name = "crlf is one line end",
     .in = TEXT("data: a\r\ndata: b\r\n\r\n"),
     .want = "event \"a\\nb\" @18\n"},
    {.name = "lf cr are two line ends",
     .in = TEXT("data: a\n\rdata: b\n\r"),
     .want = "event \"a\" @8\nevent \"b\" @17\n"},
    {.name = "no space", .in = TEXT("data:a\n\n"), .want = "event \"a\" @7\n"},
    {.name = "two spaces", .in = TEXT("data:  a \n\n"), .want = "event \" a \" @10\n"},
    {.name = "tab stays", .in = TEXT("data:\ta\n\n"), .want = "event \"\\ta\" @8\n"},
    {.name = "colons in data", .in = TEXT("data: a: b:c\n\n"), .want = "event \"a: b:c\" @13\n"},
    {.name = "empty data is an event",
     .in = TEXT("data\n\ndata:\n\ndata: \n\n"),
     .want = "event \"\" @5\nevent \"\" @12\nevent \"\" @20\n"},
    {.name = "several lines",
     .in = TEXT("data: a\ndata\ndata: b\n\n"),
     .want = "event \"a\\n\\nb\" @21\n"},
    {.name = "empty lines of data", .in = TEXT("data\ndata\n\n"), .want = "event \"\\n\" @10\n"},
    {.name = "nul in data", .in = TEXT("data: a\0b\n\n"), .want = "event \"a\\u0000b\" @10\n"},
    {.name = "comments",
     .in = TEXT(": a\n:\n:b\ndata: x\n:c\n\n"),
     .want = "comment \" a\" @3\ncomment \"\" @5\ncomment \"b\" @8\ncomment \"c\" @19\n"
             "event \"x\" @20\n"},
    {.name = "bom",
     .in = TEXT("\xef\xbb\xbf"
                "data: a\n\n"),
     .want = "event \"a\" @11\n"},
    {.name = "bom twice",
     .in = TEXT("\xef\xbb\xbf\xef\xbb\xbf"
                "data: a\n\ndata: b\n\n"),
     .want = "field \"a\" name \"\xef\xbb\xbf"
             "data\" line \"\xef\xbb\xbf"
             "data: a\" @13\nevent \"b\" @23\n"},
    {.name = "bom later",
     .in = TEXT("\n\xef\xbb\xbf"
                "data: a\n\n"),
     .want = "field \"a\" name \"\xef\xbb\xbf"
             "data\" line \"\xef\xbb\xbf"
             "data: a\" @11\n"},
    {.name = "bom alone", .in = TEXT("\xef\xbb\xbf"), .want = ""},
    {.name = "bom and a blank line",
     .in = TEXT("\xef\xbb\xbf\n\xef\xbb\xbf\n"),
     .want = "field \"\" name \"\xef\xbb\xbf\" line \"\xef\xbb\xbf\" @7\n"},
    {.name = "half a bom",
     .in = TEXT("\xef\xbb\n"),
     .want = "field \"\" name \"\xef\xbf\xbd\" line \"\xef\xbf\xbd\" @2\n"},
    {.name = "id in force",
     .in = TEXT("id: 1\ndata: a\n\ndata: b\n\nid\ndata: c\n\n"),
     .want = "event \"a\" id \"1\" @14\nevent \"b\" id \"1\" @23\nevent \"c\" @35\n"},
    {.name = "id of a block without data",
     .in = TEXT("id: 1\n\ndata: a\n\n"),
     .want = "event \"a\" id \"1\" @15\n"},
    {.name = "id with nul",
     .in = TEXT("id: 1\nid: a\0b\ndata: a\n\n"),
     .want = "event \"a\" id \"1\" @22\n"},
    {.name = "retry",
     .in = TEXT("retry: 3000\nretry:5\n"),
     .want = "retry \"3000\" @11\nretry \"5\" @19\n"},
    {.name = "bad retries",
     .in = TEXT("retry: 1x\nretry:\nretry\nretry: -1\nretry:  1\n"),
     .want = ""},
    {.name = "event name",
     .in = TEXT("event: a\nevent: b\ndata: x\n\ndata: y\n\n"),
     .want = "event \"x\" name \"b\" @26\nevent \"y\" @35\n"},
    {.name = "event name emptied",
     .in = TEXT("event: a\nevent\ndata: x\n\n"),
     .want = "event \"x\" @23\n"},
    {.name = "event only", .in = TEXT("event: ping\n\ndata: x\n\n"), .want = "event \"x\" @21\n"},
    {.name = "data before the name",
     .in = TEXT("data: x\nevent: a\n\n"),
     .want = "event \"x\" name \"a\" @17\n"},
    {.name = "field names are exact",
     .in = TEXT("Data: a\ndata : b\n data: c\n\n"),
     .want = "field \"a\" name \"Data\" line \"Data: a\" @7\n"
             "field \"b\" name \"data \" line \"data : b\" @16\n"
             "field \"c\" name \" data\" line \" data: c\" @25\n"},
    {.name = "error field",
     .in = TEXT("error: {\"code\":500}\n\ndata: [DONE]\n\n"),
     .want = "field \"{\\\"code\\\":500}\" name \"error\" line \"error: {\\\"code\\\":500}\" @19\n"
             "event \"[DONE]\" @34\n"},
    {.name = "bare json",
     .in = TEXT("data: a\n\n{\"error\": 1}\n\n"),
     .want = "event \"a\" @8\n"
             "field \"1}\" name \"{\\\"error\\\"\" line \"{\\\"error\\\": 1}\" @21\n"},
    {.name = "several events at once",
     .in = TEXT("data: a\n\n\n\ndata: b\n\nevent: n\ndata: c\n\n"),
     .want = "event \"a\" @8\nevent \"b\" @19\nevent \"c\" name \"n\" @37\n"},
    {.name = "no blank line",
     .in = TEXT("data: a\n\ndata: b\n"),
     .want = "event \"a\" @8\nevent \"b\" @16 unfinished\n"},
    {.name = "no line end",
     .in = TEXT("event: n\ndata: a\ndata: b"),
     .want = "event \"a\\nb\" name \"n\" @23 unfinished\n"},
    {.name = "cut in a crlf", .in = TEXT("data: a\r"), .want = "event \"a\" @7 unfinished\n"},
    {.name = "cut after a crlf", .in = TEXT("data: a\r\n"), .want = "event \"a\" @8 unfinished\n"},
    {.name = "cut in a field",
     .in = TEXT("data: a\ndat"),
     .want = "field \"\" name \"dat\" line \"dat\" @10 unfinished\n"
             "event \"a\" @10 unfinished\n"},
    {.name = "cut in a comment", .in = TEXT(": a"), .want = "comment \" a\" @2 unfinished\n"},
    {.name = "cut in a retry", .in = TEXT("retry: 3"), .want = "retry \"3\" @7 unfinished\n"},
    {.name = "event line unfinished", .in = TEXT("event: a\n"), .want = ""},
    {.name = "just under the limit",
     .limit = 7,
     .in = TEXT("data: a\ndata:bc\n\n"),
     .want = "event \"a\\nbc\" @16\n"},
    {.name = "line over the limit",
     .limit = 8,
     .in = TEXT("data: a\n\ndata: bcd\n\ndata: e\n\n"),
     .want = "event \"a\" @8\nstopped line\n"},
    {.name = "unfinished line over the limit",
     .limit = 8,
     .in = TEXT("data: a\n\ndata: bcd"),
     .want = "event \"a\" @8\nstopped line\n"},
    {.name = "data over the limit",
     .limit = 8,
     .in = TEXT("data: a\n\ndata: ab\ndata: cd\ndata: efg\n\n"),
     .want = "event \"a\" @8\nstopped line\n"},
    {.name = "joined data over the limit",
     .limit = 8,
     .in = TEXT("data: a\n\ndata: ab\ndata: cd\ndata: ef\ndata: gh\n\n"),
     .want = "event \"a\" @8\nstopped data\n"},
};

static void check_log(const char *name, size_t cut, const struct buf *got, struct span want)
{
    if (got->len != want.len || (want.len && memcmp(got->data, want.data, want.len) != 0))
        fail_msg("%s, cut at %zu: got\n%.*s\nwant\n%.*s", name, cut, (int)got->len,
                 got->data ? got->data : "", (int)want.len, want.data);
}

/* Cuts at every `step`-th byte, and in single bytes (cut 0). */
static void check_cuts(const char *name, struct span body, size_t limit, size_t step,
                       struct span want)
{
    struct buf log;
    buf_init(&log, SIZE_MAX);
    for (size_t cut = 0; cut <= body.len; cut += cut < 2000 || body.len - cut <= 2000 ? 1 : step) {
        buf_clear(&log);
        sse_log_body(&log, body, cut, limit);
        check_log(name, cut, &log, want);
    }
    buf_fini(&log);
}

static void test_cases(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        check_cuts(cases[i].name, cases[i].in, cases[i].limit ? cases[i].limit : LIMIT, 1,
                   span_text(cases[i].want));
}

/* ---- recorded bodies ---- */

enum { MAX_EVENTS = 64 };

/* What an independent parser found in a body. */
struct demand {
    struct buf text;       /* names and data of all events, retries, the count of comments */
    char *ids[MAX_EVENTS]; /* NULL: the event's own block has none */
    size_t events;
    long long errors;
};

static struct buf read_file(const char *path)
{
    struct buf file;
    buf_init(&file, SIZE_MAX);
    FILE *stream = fopen(path, "rb");
    if (!stream)
        fail_msg("cannot open %s", path);
    char bytes[4096];
    size_t len;
    while ((len = fread(bytes, 1, sizeof bytes, stream)) > 0)
        buf_add(&file, bytes, len);
    fclose(stream);
    return file;
}

static void add_event(struct buf *text, struct span name, struct span data)
{
    json_write_string(text, name);
    buf_add_char(text, ' ');
    json_write_string(text, data);
    buf_add_char(text, '\n');
}

static void demand_event(struct demand *demand, struct json *json)
{
    char *event = NULL, *data = NULL, *id = NULL;
    size_t event_len = 0, data_len = 0;
    while (json_next(json) == JSON_KEY) {
        char key = json->text.data[0];
        if (json_next(json) != JSON_STRING)
            continue;
        char *copy = mem_copy(json->text.data, json->text.len);
        if (key == 'e')
            event = copy, event_len = json->text.len;
        else if (key == 'd')
            data = copy, data_len = json->text.len;
        else
            id = copy;
    }
    add_event(&demand->text, span_of(event, event_len), span_of(data, data_len));
    assert_true(demand->events < MAX_EVENTS);
    demand->ids[demand->events++] = id;
    free(event);
    free(data);
}

/* The counts follow the events in `text`, so they are gathered first. */
static void demand_read(struct demand *demand, const char *path)
{
    struct buf file = read_file(path), counts;
    *demand = (struct demand){.events = 0};
    buf_init(&demand->text, SIZE_MAX);
    buf_init(&counts, SIZE_MAX);
    struct json json;
    json_init(&json, file.data, file.len);
    assert_int_equal(json_next(&json), JSON_OBJECT_BEGIN);
    while (json_next(&json) == JSON_KEY) {
        char key = json.text.data[0];
        enum json_token token = json_next(&json);
        if (key == 'e' && token == JSON_ARRAY_BEGIN)
            while (json_next(&json) == JSON_OBJECT_BEGIN)
                demand_event(demand, &json);
        else if (key == 'r')
            while (json_next(&json) == JSON_NUMBER)
                buf_printf(&counts, "retry %.*s\n", (int)json.text.len, json.text.data);
        else if (key == 'c')
            buf_printf(&counts, "comments %.*s\n", (int)json.text.len, json.text.data);
        else
            demand->errors = strtoll(json.text.data, NULL, 10);
    }
    if (json_next(&json) != JSON_END)
        fail_msg("%s: %s", path, json_error(&json));
    buf_add_span(&demand->text, buf_span(&counts));
    json_fini(&json);
    buf_fini(&counts);
    buf_fini(&file);
}

static void demand_free(struct demand *demand)
{
    for (size_t i = 0; i < demand->events; i++)
        free(demand->ids[i]);
    buf_fini(&demand->text);
}

/* What we find, in the same form. */
struct finding {
    const char *path;
    const struct demand *demand;
    struct buf text, retries;
    size_t events, comments, fields;
};

static bool find_item(void *arg, const struct sse_item *item)
{
    struct finding *finding = arg;
    if (item->unfinished) /* beyond the standard, so not in the demanded list */
        return true;
    switch (item->kind) {
    case SSE_COMMENT: finding->comments++; return true;
    case SSE_FIELD: finding->fields++; return true;
    case SSE_RETRY:
        buf_printf(&finding->retries, "retry %.*s\n", (int)item->data.len, item->data.data);
        return true;
    case SSE_EVENT: break;
    }
    add_event(&finding->text, item->name, item->data);
    size_t n = finding->events++;
    const char *id = n < finding->demand->events ? finding->demand->ids[n] : NULL;
    if (id && !span_equals(item->id, id))
        fail_msg("%s, event %zu: got id \"%.*s\", want \"%s\"", finding->path, n, (int)item->id.len,
                 item->id.data, id);
    return true;
}

/* Retry lines that hold anything but digits: the standard ignores them, that parser counts them. */
static long long bad_retries(struct span body)
{
    long long count = 0;
    const char *at = body.data, *end = body.data + body.len;
    while (at < end) {
        size_t len = 0;
        while (at + len < end && at[len] != '\n' && at[len] != '\r')
            len++;
        bool ended = at + len < end;
        if (ended && len >= 5 && memcmp(at, "retry", 5) == 0 && (len == 5 || at[5] == ':')) {
            size_t digits = len > 6 && at[6] == ' ' ? 7 : 6, i = digits;
            while (i < len && at[i] >= '0' && at[i] <= '9')
                i++;
            count += digits >= len || i < len;
        }
        at += len + 1;
    }
    return count;
}

static void check_demand(const char *path, struct span body, const struct demand *demand)
{
    struct finding finding = {.path = path, .demand = demand};
    buf_init(&finding.text, SIZE_MAX);
    buf_init(&finding.retries, SIZE_MAX);
    struct sse sse;
    sse_init(&sse, LIMIT);
    /* that parser's two deviations, see data/sse/README.md */
    if (body.len > 0 && body.data[body.len - 1] == '\r')
        body.len--;
    if (body.len >= 3 && memcmp(body.data, "\xef\xbb\xbf", 3) == 0)
        assert_true(sse_feed(&sse, "\xef\xbb\xbf", 3, find_item, &finding));
    assert_true(sse_feed(&sse, body.data, body.len, find_item, &finding));
    assert_true(sse_end(&sse, find_item, &finding));
    /* keys of the demanded list: comments before retry */
    buf_printf(&finding.text, "comments %zu\n", finding.comments);
    buf_add_span(&finding.text, buf_span(&finding.retries));
    check_log(path, body.len, &finding.text, buf_span(&demand->text));
    CHECK_INT(path, finding.fields + (size_t)bad_retries(body), demand->errors);
    sse_fini(&sse);
    buf_fini(&finding.text);
    buf_fini(&finding.retries);
}

static void check_body(const char *path)
{
    struct buf body = read_file(path), log;
    char *list = mem_printf("%.*s.json", (int)strlen(path) - 4, path);
    struct demand demand;
    demand_read(&demand, list);
    check_demand(path, buf_span(&body), &demand);

    buf_init(&log, SIZE_MAX);
    sse_log_body(&log, buf_span(&body), body.len, LIMIT);
    /* the middle of the one huge body is a run of one letter: cuts there are all alike */
    check_cuts(path, buf_span(&body), LIMIT, 331, buf_span(&log));

    buf_fini(&log);
    demand_free(&demand);
    free(list);
    buf_fini(&body);
}

static void test_bodies(void **state)
{
    (void)state;
    glob_t found;
    assert_int_equal(glob(TEST_DATA "/sse/*.sse", 0, NULL, &found), 0);
    CHECK_INT("bodies", found.gl_pathc, 77);
    for (size_t i = 0; i < found.gl_pathc; i++)
        check_body(found.gl_pathv[i]);
    globfree(&found);
}

/* ---- manners ---- */

struct stop {
    size_t seen, after;
    const char *begin, *end; /* the fed piece */
    size_t inside;           /* how many data spans lay in it */
};

static bool count_and_stop(void *arg, const struct sse_item *item)
{
    struct stop *stop = arg;
    stop->inside += item->data.data >= stop->begin && item->data.data < stop->end;
    return ++stop->seen < stop->after;
}

static void test_stop(void **state)
{
    (void)state;
    struct span body = TEXT("data: a\n\ndata: b\n\ndata: c\n\n");
    struct stop stop = {.after = 2};
    struct sse sse;
    sse_init(&sse, LIMIT);
    assert_false(sse_feed(&sse, body.data, body.len, count_and_stop, &stop));
    assert_false(sse.line.full || sse.data.full);
    assert_false(sse_feed(&sse, body.data, body.len, count_and_stop, &stop));
    assert_false(sse_end(&sse, count_and_stop, &stop));
    CHECK_INT("items", stop.seen, 2);
    sse_fini(&sse);
}

static void test_borrows(void **state)
{
    (void)state;
    struct span body = TEXT("event: n\ndata: a\n\ndata: b\r\n\r\n: c\n");
    struct stop stop = {.after = 99, .begin = body.data, .end = body.data + body.len};
    struct sse sse;
    sse_init(&sse, LIMIT);
    assert_true(sse_feed(&sse, body.data, body.len, count_and_stop, &stop));
    CHECK_INT("items", stop.seen, 3);
    CHECK_INT("spans in the fed bytes", stop.inside, 3);
    assert_null(sse.data.data);
    sse_fini(&sse);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_cases),
        cmocka_unit_test(test_bodies),
        cmocka_unit_test(test_stop),
        cmocka_unit_test(test_borrows),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
