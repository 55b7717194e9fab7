#include "mock/routes.h"

#include <string.h>

#include "base/clock.h"
#include "mock/answer.h"

/* ---- replies ---- */

static const char *reason(int status)
{
    static const struct {
        int status;
        const char *text;
    } rows[] = {
        {200, "OK"},
        {400, "Bad Request"},
        {401, "Unauthorized"},
        {403, "Forbidden"},
        {404, "Not Found"},
        {405, "Method Not Allowed"},
        {413, "Content Too Large"},
        {417, "Expectation Failed"},
        {429, "Too Many Requests"},
        {431, "Request Header Fields Too Large"},
        {500, "Internal Server Error"},
        {501, "Not Implemented"},
        {502, "Bad Gateway"},
        {503, "Service Unavailable"},
        {504, "Gateway Timeout"},
        {505, "HTTP Version Not Supported"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
        if (rows[i].status == status)
            return rows[i].text;
    return "Error";
}

void mock_write_reply(struct mock_server *server, const struct mock_conn *conn, int status,
                      const char *header)
{
    struct buf *out = &server->out;
    bool head_only = span_equals(conn->http.method, "HEAD");
    buf_printf(out, "HTTP/1.1 %d %s\r\ncontent-type: application/json\r\ncontent-length: %zu\r\n",
               status, reason(status), server->event.len);
    if (header)
        buf_add_text(out, header);
    if (conn->last)
        buf_add_text(out, "connection: close\r\n");
    buf_add_text(out, "\r\n");
    if (!head_only)
        buf_add_span(out, buf_span(&server->event));
    buf_clear(&server->event);
}

void mock_reply(struct mock_server *server, struct mock_conn *conn, int status, const char *header)
{
    mock_write_reply(server, conn, status, header);
    bool alive = mock_conn_send(server, conn, buf_span(&server->out));
    buf_clear(&server->out);
    if (alive)
        mock_conn_end_answer(server, conn);
}

static const char *header_for(int status)
{
    if (status == 401)
        return "www-authenticate: Bearer\r\n";
    return status == 429 ? "retry-after: 1\r\n" : NULL;
}

void mock_reply_refusal(struct mock_server *server, struct mock_conn *conn,
                        const struct mock_refusal *no)
{
    mock_stats_error(&server->stats, no->status);
    mock_write_refusal(&server->event, no);
    mock_reply(server, conn, no->status, header_for(no->status));
}

/* ---- answers of the model ---- */

/* Everything that can be wrong with a request to chat or completions, in the order in which it is
 * found. */
static bool check_generation(struct mock_server *server, struct mock_conn *conn, bool chat,
                             struct mock_refusal *no)
{
    const struct mock_config *config = server->config;
    struct mock_answer *answer = &conn->answer;
    struct err err;
    if (!mock_overrides_parse(config, conn->http.query, &answer->over, &err))
        return mock_refuse(no, 400, "unknown_url_parameter", NULL, "%.600s", err.text);
    if (answer->over.status >= 0)
        return mock_refuse(
            no, (int)answer->over.status, answer->over.status == 429 ? "rate_limit_exceeded" : NULL,
            NULL, "The mock server was asked to answer with %d.", (int)answer->over.status);
    if (!mock_ask_parse(buf_span(&conn->http.body), chat, &answer->ask, no))
        return false;
    if (config->model && strcmp(config->model, answer->ask.model) != 0)
        return mock_refuse(no, 404, "model_not_found", NULL,
                           "The model '%.200s' does not exist or you do not have access to it.",
                           answer->ask.model);
    return mock_answer_plan(conn, no);
}

static void generate(struct mock_server *server, struct mock_conn *conn, bool chat)
{
    struct mock_refusal no;
    uint64_t read_ns = clock_now_ns();
    mock_stats_arrive(&server->stats, buf_span(&conn->http.body), read_ns);
    conn->in_flight = true;
    conn->answer.request = ++server->requests;
    conn->answer.whole = false;
    conn->answer.read_ns = read_ns;
    if (!check_generation(server, conn, chat, &no)) {
        conn->last = conn->last || conn->answer.over.close;
        mock_reply_refusal(server, conn, &no);
        return;
    }
    buf_fini(&conn->http.body); /* 10,000 waiting streams should not keep their prompts */
    mock_answer_begin(server, conn);
}

static void serve_chat(struct mock_server *server, struct mock_conn *conn)
{
    generate(server, conn, true);
}

static void serve_completions(struct mock_server *server, struct mock_conn *conn)
{
    generate(server, conn, false);
}

/* ---- the other endpoints ---- */

static void serve_models(struct mock_server *server, struct mock_conn *conn)
{
    const char *model = server->config->model;
    mock_write_models(&server->event, model ? model : "mock-model", clock_wall_ns());
    mock_reply(server, conn, 200, NULL);
}

static void serve_health(struct mock_server *server, struct mock_conn *conn)
{
    buf_add_text(&server->event, "{\"status\":\"ok\"}\n");
    mock_reply(server, conn, 200, NULL);
}

static void serve_stats(struct mock_server *server, struct mock_conn *conn)
{
    bool arrivals = span_equals(conn->http.query, "arrivals=1");
    mock_stats_write(&server->stats, clock_now_ns(), arrivals, &server->event);
    mock_reply(server, conn, 200, NULL);
}

static void serve_reset(struct mock_server *server, struct mock_conn *conn)
{
    mock_stats_reset(&server->stats, clock_now_ns());
    server->requests = 0;
    serve_health(server, conn);
}

/* ---- the table ---- */

static const struct route {
    const char *path, *method;
    enum mock_endpoint endpoint;
    bool uncounted, open; /* open: needs no key */
    void (*serve)(struct mock_server *server, struct mock_conn *conn);
    const char *allow;
} routes[] = {
    {"/v1/chat/completions", "POST", MOCK_CHAT, false, false, serve_chat, "allow: POST\r\n"},
    {"/v1/completions", "POST", MOCK_COMPLETIONS, false, false, serve_completions,
     "allow: POST\r\n"},
    {"/v1/models", "GET", MOCK_MODELS, false, false, serve_models, "allow: GET\r\n"},
    {"/health", "GET", MOCK_OTHER, true, true, serve_health, "allow: GET\r\n"},
    {"/stats", "GET", MOCK_OTHER, true, true, serve_stats, "allow: GET\r\n"},
    {"/reset", "POST", MOCK_OTHER, true, true, serve_reset, "allow: POST\r\n"},
};

static const struct route *find_route(struct span path)
{
    for (size_t i = 0; i < sizeof routes / sizeof *routes; i++)
        if (span_equals(path, routes[i].path))
            return &routes[i];
    return NULL;
}

static bool check_key(const struct mock_server *server, const struct mock_conn *conn,
                      struct mock_refusal *no)
{
    static const char scheme[] = "Bearer ";
    struct span given = conn->http.authorization;
    if (!server->config->api_key)
        return true;
    if (!given.len)
        return mock_refuse(no, 401, NULL, NULL,
                           "You didn't provide an API key. You need to provide your API key in an "
                           "Authorization header using Bearer auth (i.e. Authorization: Bearer "
                           "YOUR_KEY).");
    size_t len = sizeof scheme - 1;
    if (given.len < len || memcmp(given.data, scheme, len) != 0 ||
        !span_equals(span_of(given.data + len, given.len - len), server->config->api_key))
        return mock_refuse(no, 401, "invalid_api_key", NULL, "Incorrect API key provided.");
    return true;
}

static bool allowed(const struct route *route, struct span method)
{
    return span_equals(method, route->method) ||
           (span_equals(method, "HEAD") && strcmp(route->method, "GET") == 0);
}

static void refuse_method(struct mock_server *server, struct mock_conn *conn,
                          const struct route *route)
{
    struct mock_refusal no;
    mock_refuse(&no, 405, "method_not_supported", NULL, "Not allowed to %.*s on %s: use %s.",
                (int)(conn->http.method.len < 20 ? conn->http.method.len : 20),
                conn->http.method.data, route->path, route->method);
    mock_stats_error(&server->stats, no.status);
    mock_write_refusal(&server->event, &no);
    mock_reply(server, conn, no.status, route->allow);
}

static void refuse_path(struct mock_server *server, struct mock_conn *conn)
{
    struct mock_refusal no;
    struct span path = conn->http.path;
    mock_refuse(&no, 404, "unknown_url", NULL, "Invalid URL (%.*s %.*s)",
                (int)(conn->http.method.len < 20 ? conn->http.method.len : 20),
                conn->http.method.data, (int)(path.len < 200 ? path.len : 200), path.data);
    mock_reply_refusal(server, conn, &no);
}

static void refuse_http(struct mock_server *server, struct mock_conn *conn)
{
    struct mock_refusal no;
    conn->last = true;
    mock_refuse(&no, conn->http.status, NULL, NULL, "%s", conn->http.problem);
    mock_reply_refusal(server, conn, &no);
}

void mock_route(struct mock_server *server, struct mock_conn *conn)
{
    bool bad = conn->http.state == MOCK_HTTP_BAD;
    const struct route *route = bad ? NULL : find_route(conn->http.path);
    conn->uncounted = route && route->uncounted;
    if (!conn->uncounted) {
        server->stats.requests[route ? route->endpoint : MOCK_OTHER]++;
        server->stats.bytes_in += conn->http.bytes;
    }
    struct mock_refusal no;
    if (bad)
        refuse_http(server, conn);
    else if (!route)
        refuse_path(server, conn);
    else if (!allowed(route, conn->http.method))
        refuse_method(server, conn, route);
    else if (!route->open && !check_key(server, conn, &no))
        mock_reply_refusal(server, conn, &no);
    else
        route->serve(server, conn);
}
