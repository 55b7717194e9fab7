#include "mock/routes.h"

#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "mock/answer.h"
#include "mock/faults.h"

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
        {422, "Unprocessable Content"},
        {429, "Too Many Requests"},
        {431, "Request Header Fields Too Large"},
        {500, "Internal Server Error"},
        {501, "Not Implemented"},
        {502, "Bad Gateway"},
        {503, "Service Unavailable"},
        {504, "Gateway Timeout"},
        {505, "HTTP Version Not Supported"},
        {529, "Overloaded"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
        if (rows[i].status == status)
            return rows[i].text;
    return "Error";
}

static void write_whole(struct mock_server *server, const struct mock_conn *conn, int status,
                        const char *type, const char *header)
{
    struct buf *out = &server->out;
    bool head_only = span_equals(conn->http.method, "HEAD");
    buf_printf(out, "HTTP/1.1 %d %s\r\ncontent-type: %s\r\ncontent-length: %zu\r\n", status,
               reason(status), type, server->event.len);
    if (header)
        buf_add_text(out, header);
    if (conn->last)
        buf_add_text(out, "connection: close\r\n");
    buf_add_text(out, "\r\n");
    if (!head_only)
        buf_add_span(out, buf_span(&server->event));
    buf_clear(&server->event);
}

static void send_whole(struct mock_server *server, struct mock_conn *conn)
{
    bool alive = mock_conn_send(server, conn, buf_span(&server->out));
    buf_clear(&server->out);
    if (alive)
        mock_conn_end_answer(server, conn);
}

void mock_write_reply(struct mock_server *server, const struct mock_conn *conn, int status,
                      const char *header)
{
    write_whole(server, conn, status, "application/json", header);
}

void mock_reply(struct mock_server *server, struct mock_conn *conn, int status, const char *header)
{
    mock_write_reply(server, conn, status, header);
    send_whole(server, conn);
}

const struct mock_shape *mock_shape_of(const struct mock_server *server,
                                       const struct mock_conn *conn)
{
    return conn->route && conn->route->shape ? conn->route->shape : server->dialect->shape;
}

static void reply_refusal(struct mock_server *server, struct mock_conn *conn,
                          const struct mock_refusal *no, const char *header)
{
    mock_stats_error(&server->stats, no->status);
    mock_shape_of(server, conn)->refusal(&server->event, no);
    write_whole(server, conn, no->sent_status, no->event ? "text/event-stream" : "application/json",
                header);
    send_whole(server, conn);
}

static const char *header_for(int status)
{
    if (status == 401)
        return "www-authenticate: Bearer\r\n";
    return status == 429 ? "retry-after: 1\r\n" : NULL;
}

/* Counts the error and sends it in the dialect's words. */
static void refuse(struct mock_server *server, struct mock_conn *conn,
                   const struct mock_refusal *no)
{
    reply_refusal(server, conn, no, header_for(no->sent_status));
}

void mock_reply_own_refusal(struct mock_server *server, struct mock_conn *conn,
                            struct mock_refusal *no)
{
    const struct mock_shape *shape = mock_shape_of(server, conn);
    if (shape->disguise)
        shape->disguise(&conn->answer.ask, no);
    refuse(server, conn, no);
}

/* ---- answers of the model ---- */

/* What the URL asks for; false when that is an error. */
static bool read_overrides(struct mock_server *server, struct mock_conn *conn,
                           struct mock_refusal *no)
{
    struct mock_overrides *over = &conn->answer.over;
    struct err err;
    if (!mock_overrides_parse(server->config, conn->http.query,
                              mock_shape_of(server, conn)->parameter, over, &err))
        return mock_refuse(no, 400, "unknown_url_parameter", NULL, "%.600s", err.text);
    if (over->status >= 0)
        return mock_refuse(no, (int)over->status,
                           over->status == 429 ? "rate_limit_exceeded" : NULL, NULL,
                           "The mock server was asked to answer with %d.", (int)over->status);
    return true;
}

/* What the URL, or else --fault, says; NULL = nothing goes wrong. */
static const struct mock_fault_use *fault_of(const struct mock_server *server,
                                             const struct mock_conn *conn)
{
    const struct mock_answer *answer = &conn->answer;
    const struct mock_fault *asked = answer->over.fault;
    bool streamed = answer->ask.stream;
    if (asked)
        return mock_fault_fits(asked, streamed, conn->kept)
                   ? &server->every.uses[asked - mock_fault_rows]
                   : NULL;
    if (!server->config->faults)
        return NULL;
    return mock_faults_pick(server->config->faults, server->config->seed, answer->request, streamed,
                            conn->kept);
}

static bool take_fault(struct mock_server *server, struct mock_conn *conn, struct mock_refusal *no)
{
    struct mock_answer *answer = &conn->answer;
    struct err err;
    if (answer->over.fault && !mock_fault_fits(answer->over.fault, answer->ask.stream, true))
        return mock_refuse(no, 400, "invalid_value", NULL, "The fault '%s' is one of streams.",
                           answer->over.fault->name);
    const struct mock_fault_use *use = fault_of(server, conn);
    if (!use)
        return true;
    const struct mock_scenario *own = answer->ask.stream ? &use->stream : &use->plain;
    server->stats.by_fault[use->row - mock_fault_rows]++;
    if (own->count) {
        answer->scenario = own;
        return true;
    }
    answer->least = use->row->least;
    return mock_overrides_add(&answer->over, use->row->query, &err) ||
           mock_refuse(no, 500, NULL, NULL, "%.600s", err.text);
}

/* Everything else that can be wrong with a request to the model, in the order in which it is found.
 */
static bool check_generation(struct mock_server *server, struct mock_conn *conn,
                             struct mock_refusal *no)
{
    const char *served = server->config->model;
    struct mock_ask *ask = &conn->answer.ask;
    ask->voice = server->voice;
    if (!mock_shape_of(server, conn)->parse(&conn->http, ask, no))
        return false;
    if (served && ask->model && strcmp(served, ask->model) != 0)
        return mock_refuse(no, 404, "model_not_found", NULL,
                           "The model '%.200s' does not exist or you do not have access to it.",
                           ask->model);
    conn->answer.scenario = server->config->scenario;
    server->stats.scenario += conn->answer.scenario != NULL;
    return take_fault(server, conn, no) && mock_answer_plan(server, conn, no);
}

void mock_generate(struct mock_server *server, struct mock_conn *conn)
{
    struct mock_refusal no;
    uint64_t read_ns = clock_now_ns();
    mock_stats_arrive(&server->stats, buf_span(&conn->http.body), read_ns);
    conn->in_flight = true;
    conn->answer.request = ++server->requests;
    conn->answer.whole = false;
    conn->answer.scenario = NULL;
    conn->answer.least = 0;
    conn->answer.read_ns = read_ns;
    bool asked_to_fail = !read_overrides(server, conn, &no);
    bool fails = asked_to_fail || !check_generation(server, conn, &no);
    conn->last = conn->last || conn->answer.over.close;
    no.request = conn->answer.request;
    if (asked_to_fail) {
        refuse(server, conn, &no);
    } else if (fails) {
        mock_reply_own_refusal(server, conn, &no);
    } else {
        buf_fini(&conn->http.body); /* 10,000 waiting streams should not keep their prompts */
        mock_answer_begin(server, conn);
    }
}

/* ---- the other endpoints ---- */

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

static const struct mock_route common_routes[] = {
    {
        .path = "/health",
        .method = "GET",
        .endpoint = MOCK_OTHER,
        .uncounted = true,
        .serve = serve_health,
    },
    {
        .path = "/stats",
        .method = "GET",
        .endpoint = MOCK_OTHER,
        .uncounted = true,
        .serve = serve_stats,
    },
    {
        .path = "/reset",
        .method = "POST",
        .endpoint = MOCK_OTHER,
        .uncounted = true,
        .serve = serve_reset,
    },
};

static bool fits(const struct mock_route *route, struct span path)
{
    size_t len = strlen(route->path);
    if (route->path[0] == '*')
        return true;
    if (route->path[len - 1] != '/')
        return span_equals(path, route->path);
    return path.len > len && memcmp(path.data, route->path, len) == 0 &&
           !memchr(path.data + len, '/', path.len - len);
}

static const struct mock_route *find_in(const struct mock_route *routes, size_t count,
                                        struct span path)
{
    for (size_t i = 0; i < count; i++)
        if (fits(&routes[i], path))
            return &routes[i];
    return NULL;
}

static const struct mock_route *find_route(const struct mock_dialect *dialect, struct span path)
{
    const struct mock_route *found =
        find_in(common_routes, sizeof common_routes / sizeof *common_routes, path);
    return found ? found : find_in(dialect->routes, dialect->route_count, path);
}

static bool allowed(const struct mock_route *route, struct span method)
{
    return span_equals(method, route->method) ||
           (span_equals(method, "HEAD") && strcmp(route->method, "GET") == 0);
}

static void refuse_method(struct mock_server *server, struct mock_conn *conn)
{
    struct mock_refusal no;
    const struct mock_route *route = conn->route;
    struct span path = conn->http.path;
    char allow[32];
    snprintf(allow, sizeof allow, "allow: %s\r\n", route->method);
    mock_refuse(&no, 405, "method_not_supported", NULL, "Not allowed to %.*s on %.*s: use %s.",
                (int)(conn->http.method.len < 20 ? conn->http.method.len : 20),
                conn->http.method.data, (int)(path.len < 200 ? path.len : 200), path.data,
                route->method);
    reply_refusal(server, conn, &no, allow);
}

static void refuse_path(struct mock_server *server, struct mock_conn *conn)
{
    struct mock_refusal no;
    struct span path = conn->http.path;
    mock_refuse(&no, 404, "unknown_url", NULL, "Invalid URL (%.*s %.*s)",
                (int)(conn->http.method.len < 20 ? conn->http.method.len : 20),
                conn->http.method.data, (int)(path.len < 200 ? path.len : 200), path.data);
    refuse(server, conn, &no);
}

/* Found before anything was read: no stream has been opened. */
static void refuse_key(struct mock_server *server, struct mock_conn *conn, struct mock_refusal *no)
{
    conn->answer.ask.stream = false;
    mock_reply_own_refusal(server, conn, no);
}

static void refuse_http(struct mock_server *server, struct mock_conn *conn)
{
    struct mock_refusal no;
    conn->last = true;
    mock_refuse(&no, conn->http.status, NULL, NULL, "%s", conn->http.problem);
    refuse(server, conn, &no);
}

void mock_route(struct mock_server *server, struct mock_conn *conn)
{
    bool bad = conn->http.state == MOCK_HTTP_BAD;
    const struct mock_route *route = bad ? NULL : find_route(server->dialect, conn->http.path);
    struct mock_refusal no;
    conn->route = route;
    conn->uncounted = route && route->uncounted;
    if (!conn->uncounted) {
        server->stats.requests[route ? route->endpoint : MOCK_OTHER]++;
        server->stats.bytes_in += conn->http.bytes;
    }
    if (bad)
        refuse_http(server, conn);
    else if (!route)
        refuse_path(server, conn);
    else if (!allowed(route, conn->http.method))
        refuse_method(server, conn);
    else if (route->check_key && !route->check_key(server, &conn->http, &no))
        refuse_key(server, conn, &no);
    else
        route->serve(server, conn);
}
