/* The mock's reader of HTTP requests: however the bytes of a connection are cut, the requests are
 * the same; and its readers of bodies, over whatever came as one. */
#include "fuzz.h"

#include <cjson/cJSON.h>

#include "base/mem.h"
#include "mock/ask.h"
#include "mock/http_request.h"
#include "portions.h"

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

static void read_body(struct span body)
{
    struct mock_refusal no = {0};
    struct mock_ask ask = {0};
    mock_ask_init(&ask, true);
    cJSON *object = mock_read_object(body, &no);
    bool messages = cJSON_IsArray(cJSON_GetObjectItemCaseSensitive(object, "messages"));
    if (messages && !mock_read_messages(object, "", &ask, &no) && no.status < 400)
        fuzz_fail("messages are refused without a status", body);
    if (!object && no.status < 400)
        fuzz_fail("a body is refused without a status", body);
    cJSON_Delete(object);
    mock_ask_fini(&ask);
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
            read_body(buf_span(&http.body));
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
