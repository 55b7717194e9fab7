/* What the dialects of the mock server have in common: texts, times, counts, faults. */
#include "shapes.h"

/* ---- the text is the same, streamed in pieces, streamed whole, and plain ---- */

#define DASH_ASK(more) "{\"model\":\"q\",\"input\":{\"prompt\":\"a\"}" more "}"
#define MESSAGE ",\"parameters\":{\"result_format\":\"message\",\"incremental_output\":true}"

static const struct {
    const char *name, *dialect;
    const char *path, *headers, *body, *piece;
    bool whole; /* every event repeats it all */
    const char *plain_path, *plain_body, *plain_text;
} texts[] = {
    {"dashscope whole", "dashscope", DASH, SSE, DASH_ASK(""), "output.text", true, DASH,
     DASH_ASK(""), "output.text"},
    {"dashscope pieces", "dashscope", DASH, SSE, DASH_ASK(MESSAGE),
     "output.choices.0.message.content", false, DASH, DASH_ASK(MESSAGE),
     "output.choices.0.message.content"},
    {"zhipu", "zhipu", GLM, "", "{\"model\":\"g\",\"stream\":true," SAY "}",
     "choices.0.delta.content", false, GLM, "{\"model\":\"g\"," SAY "}",
     "choices.0.message.content"},
    {"qianfan", "qianfan", ERNIE, "", "{\"stream\":true," SAY "}", "result", false, ERNIE,
     "{" SAY "}", "result"},
    {"trtllm", "trtllm", TRT "_stream", "", "{\"text_input\":\"a\",\"stream\":true}", "text_output",
     false, TRT, "{\"text_input\":\"a\"}", "text_output"},
    {"trtllm in one", "trtllm", TRT "_stream", "", "{\"text_input\":\"a\"}", "text_output", false,
     TRT, "{\"text_input\":\"a\"}", "text_output"},
    {"tgi", "tgi", "/generate_stream", "", "{\"inputs\":\"a\"}", "token.text", false, "/generate",
     "{\"inputs\":\"a\"}", "generated_text"},
    {"ollama chat", "ollama", "/api/chat", "", "{\"model\":\"l\"," SAY "}", "message.content",
     false, "/api/chat", "{\"model\":\"l\",\"stream\":false," SAY "}", "message.content"},
    {"ollama generate", "ollama", "/api/generate", "", "{\"model\":\"l\",\"prompt\":\"a\"}",
     "response", false, "/api/generate", "{\"model\":\"l\",\"prompt\":\"a\",\"stream\":false}",
     "response"},
    {"custom", "custom", "/x", "", "{\"input_text\":\"a\",\"stream\":true}", "choices.0.text",
     false, "/x", "{\"input_text\":\"a\"}", "choices.0.text"},
};

static void gather(size_t i, const struct seen *seen, struct buf *text)
{
    for (size_t at = 0; at < seen->count; at++) {
        const char *piece = text_of(seen->events[at], texts[i].piece);
        if (cJSON_IsTrue(member(seen->events[at], "token.special")))
            continue;
        bool goes_on =
            !text->len || (strlen(piece) >= text->len && memcmp(piece, text->data, text->len) == 0);
        if (texts[i].whole && !goes_on)
            fail_msg("%s: \"%s\" does not begin with \"%.*s\"", texts[i].name, piece,
                     (int)text->len, text->data);
        buf_add_text(text, texts[i].whole ? piece + text->len : piece);
    }
    buf_add_char(text, '\0');
}

static void test_texts_agree(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
        struct server server;
        struct reply reply;
        struct seen streamed, plain;
        struct buf text;
        buf_init(&text, 1 << 16);
        start(&server, texts[i].dialect);
        exchange_with(server.port, texts[i].path, texts[i].headers, texts[i].body, &reply);
        see_reply(&streamed, &reply);
        reply_fini(&reply);
        exchange(server.port, "/reset", "", &reply); /* request 1 again, so the same text */
        reply_fini(&reply);
        exchange(server.port, texts[i].plain_path, texts[i].plain_body, &reply);
        see_reply(&plain, &reply);
        gather(i, &streamed, &text);
        assert_true(text.len > 20);
        CHECK_TEXT(texts[i].name, text_of(plain.events[0], texts[i].plain_text), text.data);
        if (strcmp(texts[i].dialect, "tgi") == 0)
            CHECK_TEXT("generated_text",
                       text_of(streamed.events[streamed.count - 1], "generated_text"), text.data);
        stop(&server);
        seen_fini(&streamed);
        seen_fini(&plain);
        reply_fini(&reply);
        buf_fini(&text);
    }
}

/* ---- time, counts, faults ---- */

/* A sentence leaves with its last token: 8 of 12, then the 4 left. */
static void test_sentences_are_due_with_their_last_token(void **state)
{
    struct server server;
    struct reply reply;
    struct seen seen;
    (void)state;
    start(&server, "qianfan");
    exchange(server.port, ERNIE, "{\"stream\":true," SAY "}", &reply);
    see_reply(&seen, &reply);
    CHECK_INT("sentences", seen.count, 3);
    double read_ns = number(seen.events[0], "read_ns");
    assert_true(read_ns > 0);
    for (size_t i = 0; i < 2; i++) {
        double want_ms = TTFT_MS + (i ? 11 : 7) * ITL_MS;
        double got_ms = (number(seen.events[i], "sent_ns") - read_ns) / (double)NS_PER_MS;
        if (got_ms < want_ms || got_ms > want_ms + 1000)
            fail_msg("sentence %zu: after %.3f ms, want %.3f", i, got_ms, want_ms);
    }
    seen_fini(&seen);
    reply_fini(&reply);
    cJSON *stats = fetch_stats(server.port, "/stats");
    CHECK_INT("events", number(stats, "events"), 3);
    CHECK_INT("tokens", number(stats, "tokens"), TOKENS);
    CHECK_INT("completion tokens", number(stats, "completion_tokens"), TOKENS);
    CHECK_INT("prompt tokens", number(stats, "prompt_tokens"), 4);
    CHECK_INT("chat", number(stats, "requests.chat"), 1);
    CHECK_INT("completed", number(stats, "completed"), 1);
    cJSON_Delete(stats);
    stop(&server);
}

/* What hides behind a 200 is counted as what it is. */
static void test_hidden_errors_are_counted(void **state)
{
    struct server server;
    struct reply reply;
    (void)state;
    start(&server, "qianfan");
    exchange(server.port, ERNIE, "{}", &reply);
    CHECK_INT("status", reply.status, 200);
    reply_fini(&reply);
    cJSON *stats = fetch_stats(server.port, "/stats");
    CHECK_INT("errors", number(stats, "errors.400"), 1);
    CHECK_INT("in flight", number(stats, "in_flight.now"), 0);
    cJSON_Delete(stats);
    cJSON *health = fetch_stats(server.port, "/health");
    CHECK_TEXT("health", text_of(health, "status"), "ok");
    cJSON_Delete(health);
    stop(&server);
}

static void test_faults_work_in_every_dialect(void **state)
{
    static const struct {
        const char *dialect, *path, *headers, *body;
    } streams[] = {
        {"dashscope", DASH "?abort=1", SSE, DASH_ASK("")},
        {"zhipu", GLM "?abort=1", "", "{\"model\":\"g\",\"stream\":true," SAY "}"},
        {"qianfan", ERNIE "?abort=1&access_token=x", "", "{\"stream\":true," SAY "}"},
        {"trtllm", TRT "_stream?abort=1", "", "{\"text_input\":\"a\",\"stream\":true}"},
        {"tgi", "/generate_stream?abort=1", "", "{\"inputs\":\"a\"}"},
        {"ollama", "/api/chat?abort=1", "", "{\"model\":\"l\"," SAY "}"},
        {"custom", "/x?abort=1", "", "{\"input_text\":\"a\",\"stream\":true}"},
    };
    (void)state;
    for (size_t i = 0; i < sizeof streams / sizeof *streams; i++) {
        struct server server;
        struct reply reply;
        struct seen seen;
        start(&server, streams[i].dialect);
        exchange_with(server.port, streams[i].path, streams[i].headers, streams[i].body, &reply);
        CHECK_INT(streams[i].dialect, reply.status, 200);
        CHECK_INT(streams[i].dialect, reply.complete, false);
        see_reply(&seen, &reply);
        CHECK_INT(streams[i].dialect, seen.count, 1);
        seen_fini(&seen);
        reply_fini(&reply);
        stop(&server);
    }
}

/* Nothing of an answer stays for the next one on its connection. */
static void test_answers_of_a_connection_are_alike(void **state)
{
    struct server server;
    struct client client;
    (void)state;
    start(&server, "dashscope");
    client_open(&client, server.port);
    for (int i = 0; i < 2; i++) {
        struct reply reply;
        struct seen seen;
        client_post_with(&client, DASH, SSE, DASH_ASK(""));
        client_reply(&client, &reply);
        see_reply(&seen, &reply);
        CHECK_INT("events", seen.count, TOKENS + 1);
        CHECK_INT("from 1", strncmp(reply.body.data, "id:1\n", 5), 0);
        assert_true(strlen(text_of(seen.events[0], "output.text")) < 20);
        seen_fini(&seen);
        reply_fini(&reply);
    }
    client_close(&client);
    stop(&server);
}

static void test_an_unknown_dialect_is_named(void **state)
{
    struct server server;
    (void)state;
    assert_false(server_start(&server, (struct mock_config){.dialect = "klingon"}));
    server_stop(&server);
    assert_non_null(strstr(server.err.text, "klingon"));
    assert_non_null(strstr(server.err.text, "dashscope"));
}

static int all(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_texts_agree),
        cmocka_unit_test(test_sentences_are_due_with_their_last_token),
        cmocka_unit_test(test_hidden_errors_are_counted),
        cmocka_unit_test(test_faults_work_in_every_dialect),
        cmocka_unit_test(test_answers_of_a_connection_are_alike),
        cmocka_unit_test(test_an_unknown_dialect_is_named),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

int main(void)
{
    return check_by_the_clock(all);
}
