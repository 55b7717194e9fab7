/* The mock's reader of HTTP requests: however the bytes of a connection are cut, the requests are
 * the same; and the readers of each dialect, over whatever came as one. */
#include "fuzz.h"

#include "base/mem.h"
#include "mock/dialect.h"
#include "portions.h"
#include "wire/json.h"

enum { MAX_BODY = 4096, MAX_REQUESTS = 64 };

static void log_request(struct buf *log, const struct mock_http *http)
{
    struct span accept =
        http->state == MOCK_HTTP_DONE ? mock_http_header(http, "accept") : span_of(NULL, 0);
    const struct span parts[] = {http->method,        http->path, http->query,
                                 http->authorization, accept,     buf_span(&http->body)};
    buf_printf(log, "%d %d %d%d%d\n", (int)http->state, http->status, http->old, http->close,
               http->chunked);
    if (http->state == MOCK_HTTP_BAD)
        buf_add_text(log, http->problem);
    else
        for (size_t i = 0; i < sizeof parts / sizeof *parts; i++) {
            buf_add_span(log, parts[i]);
            buf_add_char(log, '\n');
        }
}

/* What is wrong is said as JSON, or as an event of a stream. */
static void check_refusal(const struct mock_shape *shape, struct mock_ask *ask,
                          struct mock_refusal *no, struct span input)
{
    struct buf out;
    struct json json;
    buf_init(&out, SIZE_MAX);
    if (no->status < 400 || !no->message[0])
        fuzz_fail("refused without a status or a sentence", input);
    if (shape->disguise)
        shape->disguise(ask, no);
    shape->refusal(&out, no);
    json_init(&json, out.data ? out.data : "", out.len);
    if (!no->event && (json_next(&json) != JSON_OBJECT_BEGIN || !json_skip(&json) ||
                       json_next(&json) != JSON_END || json.replaced))
        fuzz_fail("a refusal is no JSON", input);
    json_fini(&json);
    buf_fini(&out);
}

static void read_as(const struct mock_shape *shape, const struct mock_http *http, struct span input)
{
    struct mock_refusal no = {.status = 0};
    struct mock_ask ask = {.choices = 0};
    if (!shape->parse(http, &ask, &no)) {
        check_refusal(shape, &ask, &no, input);
        return;
    }
    if (ask.choices == 0 || ask.per_event == 0 || ask.max_tokens < -1 || ask.min_tokens < -1)
        fuzz_fail("nothing is asked for, or less than that", input);
    mock_ask_fini(&ask);
}

/* Every dialect looks at it, whatever path it came on. */
static void read_request(const struct mock_http *http, struct span input)
{
    static const char *const dialects[] = {"openai", "dashscope", "zhipu",     "qianfan", "trtllm",
                                           "tgi",    "ollama",    "anthropic", "custom"};
    struct err err;
    for (size_t i = 0; i < sizeof dialects / sizeof *dialects; i++) {
        const struct mock_dialect *dialect = mock_dialect_find(dialects[i], &err);
        if (!dialect)
            fuzz_fail(err.text, input);
        for (size_t k = 0; k < dialect->route_count; k++) {
            const struct mock_shape *shape = dialect->routes[k].shape;
            shape = shape ? shape : dialect->shape;
            if (shape->parse)
                read_as(shape, http, input);
        }
    }
}

/* The whole input as the body of one request. */
static void read_body(struct span body)
{
    struct mock_http http;
    char head[80];
    int len = snprintf(head, sizeof head,
                       "POST / HTTP/1.1\r\nHost: h\r\nContent-Length: %zu\r\n\r\n", body.len);
    mock_http_init(&http, body.len + 1);
    mock_http_feed(&http, head, (size_t)len);
    mock_http_feed(&http, body.data, body.len);
    if (http.state != MOCK_HTTP_DONE)
        fuzz_fail("a plain request is not read", body);
    read_request(&http, body);
    mock_http_fini(&http);
}

static void log_requests(struct buf *log, struct span bytes, size_t cut, const void *how)
{
    struct portions portions = {.text = bytes, .cut = cut};
    struct mock_http http;
    size_t requests = 0, len;
    (void)how;
    mock_http_init(&http, MAX_BODY);
    for (char *piece; requests < MAX_REQUESTS && (piece = portions_next(&portions, &len));) {
        size_t used = mock_http_feed(&http, piece, len);
        free(piece);
        if (used > len)
            fuzz_fail("more is taken than is there", bytes);
        portions.at -= len - used;
        if (http.state != MOCK_HTTP_DONE && http.state != MOCK_HTTP_BAD) {
            if (used < len)
                fuzz_fail("an unfinished request leaves bytes behind", bytes);
            continue;
        }
        log_request(log, &http);
        if (http.state == MOCK_HTTP_BAD)
            break;
        if (cut == bytes.len)
            read_request(&http, bytes);
        mock_http_reset(&http);
        requests++;
    }
    mock_http_fini(&http);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct span bytes = span_of((const char *)data, size);
    fuzz_cuts(log_requests, bytes, fuzz_cut(bytes), NULL);
    read_body(bytes);
    return 0;
}
