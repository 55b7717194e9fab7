#include "check.h"

#include <pthread.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/secrets.h"

/* One secret, one text. */
static const struct {
    const char *secret, *text, *want;
} one_secret[] = {
    {"sk-12345", "key sk-12345 here", "key [redacted] here"},
    {"sk-12345", "sk-12345", "[redacted]"},
    {"sk-12345", "sk-1234", "sk-1234"},
    {"sk-12345", "", ""},
    {"sk-12345", "sk-sk-12345sk-12345", "sk-[redacted][redacted]"},
    {"aaaa", "aaaaaa aaa", "[redacted] aaa"},
    /* JSON, in every spelling */
    {"a\"b\\c", "x a\"b\\c y", "x [redacted] y"},
    {"a\"b\\c", "{\"k\":\"a\\\"b\\\\c\"}", "{\"k\":\"[redacted]\"}"},
    {"a/b/c", "\"a\\/b/c\"", "\"[redacted]\""},
    {"tab\tnl\n", "\"tab\\tnl\\n\"", "\"[redacted]\""},
    {"tab\tnl\n", "\"tab\\u0009nl\\u000A\"", "\"[redacted]\""},
    {"Schlüssel", "\"Schl\\u00fcssel\"", "\"[redacted]\""},
    {"Schlüssel", "\"Schl\\u00FCssel\"", "\"[redacted]\""},
    {"Schlüssel", "\"Schlüssel\"", "\"[redacted]\""},
    {"鍵鍵", "\"\\u9375鍵\"", "\"[redacted]\""},
    {"pw😀!", "\"pw\\ud83d\\ude00!\"", "\"[redacted]\""},
    {"<key>", "\"\\u003ckey\\u003E\"", "\"[redacted]\""},
    {"\x01\x02\x03\x04", "\"\\u0001\\u0002\\u0003\\u0004\"", "\"[redacted]\""},
    {"sk-12345", "\"\\u0073k-12345\"", "\"[redacted]\""},
    /* JSON in JSON, up to five fold, and slashes that are escaped without need */
    {"a\"b\\c", "[\"{\\\"k\\\":\\\"a\\\\\\\"b\\\\\\\\c\\\"}\"]",
     "[\"{\\\"k\\\":\\\"[redacted]\\\"}\"]"},
    {"a\"b\\c", "a\\\\\\\"b\\\\\\\\c", "[redacted]"},
    {"a\"bc", "a\\\\\\\\\\\\\\\"bc", "[redacted]"},
    {"a\"bc", "a\\\\\\\\\\\\\\\\\\\\\\\\\\\\\\\\\"bc", "[redacted]"},
    {"a\\\nb", "a\\\\\\\\\\\\nb", "[redacted]"},
    {"a\\\"b", "a\\u005c\\u0022b a\\\\u005c\\\\u0022b", "[redacted] [redacted]"},
    {"a/b/c", "a\\/b\\\\/c", "[redacted]"},
    {"a/b/c", "a\\\\\\/b\\\\\\/c", "[redacted]"},
    {"Schlüssel", "Schl\\\\u00fcssel", "[redacted]"},
    {"pw😀!", "pw\\\\ud83d\\\\ude00!", "[redacted]"},
    {"tab\tnl\n", "tab\\\\tnl\\\\n", "[redacted]"},
    {"\"abc", "x \\\"abc", "x [redacted]"},
    {"a\"b c", "?k=a%22b+c", "?k=[redacted]"},
    {"a\"b c", "?k=a\\\\\\\"b+c", "?k=[redacted]"},
    {"a\"bc", "?k=a%5C%22bc", "?k=[redacted]"},
    {"a/b%c", "?k=a%252Fb%2525c", "?k=[redacted]"},
    /* an escape is hidden whole: JSON stays JSON */
    {"nab-key", "\"x\\nab-key\"", "\"x[redacted]\""},
    {"nab-key", "\"x\\\\nab-key\"", "\"x[redacted]\""},
    {"nab-key", "\"x\\\\\\nab-key\"", "\"x[redacted]\""},
    {"tab-key", "C:\\tab-key", "C:[redacted]"},
    {"sab-key", "\\\\sab-key", "\\\\[redacted]"},
    {"nab-key", "\\nnab-key", "\\n[redacted]"},
    {"09ab-key", "\"\\u0009ab-key\"", "\"[redacted]\""},
    {"09ab-key", "\"\\\\u0009ab-key\"", "\"[redacted]\""},
    {"u0009ab", "\"\\u0009ab\"", "\"[redacted]\""},
    {"key\\", "\"key\\\"x\"", "\"[redacted]x\""},
    {"key\\", "\"key\\\\\"", "\"[redacted]\""},
    {"key\\", "\\\"key\\\\\\\\\\\"", "\\\"[redacted]\\\""},
    {"key\\u00", "\"key\\u0041x\"", "\"[redacted]x\""},
    /* cut before it came here */
    {"sk-12345", "HTTP 401: sk-12…", "HTTP 401: [redacted]…"},
    {"sk-12345", "sk-12… or", "[redacted]… or"},
    {"sk-12345", "s…", "s…"},
    {"sk-12345", "sk-12...", "sk-12..."},
    {"a/b/c", "a\\/b\\…", "[redacted]\\…"},
    {"a/b/c", "a\\\\/b…", "[redacted]…"},
    {"Schlüssel", "Schl\\u00…", "[redacted]\\u00…"},
    {"a b c", "a%20b%2…", "[redacted]%2…"},
    /* URLs */
    {"a b/c+d", "http://h/?k=a%20b%2Fc%2Bd&x", "http://h/?k=[redacted]&x"},
    {"a b/c+d", "http://h/?k=a+b%2fc%2bd&x", "http://h/?k=[redacted]&x"},
    {"ключ", "?%D0%BA%D0%BB%D1%8e%D1%87", "?[redacted]"},
    {" lead", "+lead", "[redacted]"},
    /* cut and broken escapes are only text */
    {"Schlüssel", "Schl\\u00f", "Schl\\u00f"},
    {"Schlüssel", "Schl\\u", "Schl\\u"},
    {"Schlüssel", "Schl\\", "Schl\\"},
    {"a/b/c", "a%2", "a%2"},
    {"pw😀!", "pw\\ud83d!", "pw\\ud83d!"},
    {"pw😀!", "pw\\ud83d\\u0041!", "pw\\ud83d\\u0041!"},
};

static void test_one_secret(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof one_secret / sizeof *one_secret; i++) {
        struct secrets *secrets = secrets_new();
        assert_true(secrets_add(secrets, span_text(one_secret[i].secret)));
        char *hidden = secrets_hidden(secrets, one_secret[i].text);
        CHECK_TEXT(one_secret[i].text, hidden, one_secret[i].want);
        CHECK_INT(one_secret[i].text, secrets_found(secrets, span_text(one_secret[i].text)),
                  strcmp(one_secret[i].text, one_secret[i].want) != 0);
        free(hidden);
        secrets_free(secrets);
    }
    secrets_free(NULL);
}

static void test_several_secrets(void **state)
{
    (void)state;
    static const struct {
        const char *text, *want;
    } cases[] = {
        {"token", "[redacted]"},
        {"token-long", "[redacted]"}, /* the longest, not its beginning */
        {"token-lon", "[redacted]-lon"},
        {"abcdefgh", "[redacted]"}, /* "abcdef" and "defgh" overlap: no tail is left */
        {"abcdefxdefgh", "[redacted]x[redacted]"},
        {"abcdedefgh", "abcde[redacted]"},
        {"a\\u0062cd\\u0065fgh", "[redacted]"},
        {"outer-inner-outer", "[redacted]"}, /* one within another */
    };
    struct secrets *secrets = secrets_new();
    static const char *const values[] = {"token", "token-long",        "abcdef", "defgh",
                                         "inner", "outer-inner-outer", "token"};
    for (size_t i = 0; i < sizeof values / sizeof *values; i++)
        assert_true(secrets_add(secrets, span_text(values[i])));
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        char *hidden = secrets_hidden(secrets, cases[i].text);
        CHECK_TEXT(cases[i].text, hidden, cases[i].want);
        free(hidden);
    }
    secrets_free(secrets);
}

/* In base64 too, at each place in a group of three bytes, in both alphabets, escaped or not. */
static void test_base64(void **state)
{
    (void)state;
    static const struct {
        const char *text, *want;
    } cases[] = {
        {"c2st+/8/PjEyMzQ1", "[redacted]"},
        {"c2st-_8_PjEyMzQ1", "[redacted]"},
        {"YXNrLfv/Pz4xMjM0NQ==", "YX[redacted]Q=="},
        {"YXNrLfv_Pz4xMjM0NQ==", "YX[redacted]Q=="},
        {"YWJzay37/z8+MTIzNDU=", "YWJ[redacted]U="},
        {"YWJzay37_z8-MTIzNDU=", "YWJ[redacted]U="},
        {"c2st+/8/PjEyMzQ1eg==", "[redacted]eg=="},
        {"c2st-_8_PjEyMzQ1eg==", "[redacted]eg=="},
        {"YWJjc2st+/8/PjEyMzQ1eno=", "YWJj[redacted]eno="},
        {"YWJjc2st-_8_PjEyMzQ1eno=", "YWJj[redacted]eno="},
        {"QmVhcmVyIHNrLfv/Pz4xMjM0NQo=", "QmVhcmVyIH[redacted]Qo="},
        {"QmVhcmVyIHNrLfv_Pz4xMjM0NQo=", "QmVhcmVyIH[redacted]Qo="},
        {"eyJrZXkiOiJzay37/z8+MTIzNDUifQ==", "eyJrZXkiOiJ[redacted]UifQ=="},
        {"eyJrZXkiOiJzay37_z8-MTIzNDUifQ==", "eyJrZXkiOiJ[redacted]UifQ=="},
        {"YXNrLfv\\/Pz4xMjM0NXo=", "YX[redacted]Xo="},
        {"YXNrLfv%2FPz4xMjM0NXo=", "YX[redacted]Xo="},
        {"c2st-_8_PjEyMz", "c2st-_8_PjEyMz"}, /* not the whole of it */
        {"YWJjZGVmZw==", "YWJjZGVmZw=="},     /* seven bytes are too short */
        {"YWJjZGVmZ2g=", "[redacted]g="},     /* eight are not */
    };
    struct secrets *secrets = secrets_new();
    assert_true(secrets_add(secrets, span_text("sk-\xfb\xff?>12345")));
    assert_true(secrets_add(secrets, span_text("abcdefg")));
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        if (i == sizeof cases / sizeof *cases - 1)
            assert_true(secrets_add(secrets, span_text("abcdefgh")));
        char *hidden = secrets_hidden(secrets, cases[i].text);
        CHECK_TEXT(cases[i].text, hidden, cases[i].want);
        free(hidden);
    }
    secrets_free(secrets);
}

static void test_edges(void **state)
{
    (void)state;
    struct secrets *secrets = secrets_new();
    char *nothing = secrets_hidden(secrets, "nothing known");
    CHECK_TEXT("no secrets", nothing, "nothing known");
    free(nothing);
    assert_false(secrets_add(secrets, span_text("")));
    assert_false(secrets_add(secrets, span_text("abc")));
    assert_true(secrets_add(secrets, span_text("abcd")));
    assert_true(secrets_add(secrets, span_of("a\0bc", 4)));
    assert_false(secrets_found(secrets, span_of(NULL, 0)));
    assert_true(secrets_found(secrets, span_of("x\\u0061\\u0000bc", 15)));
    struct buf out;
    buf_init(&out, 100);
    buf_add_text(&out, "before ");
    secrets_hide(secrets, span_of("1a\0bc2", 6), &out);
    CHECK_INT("length", out.len, 7 + 12);
    assert_memory_equal(out.data, "before 1[redacted]2", 19);
    buf_fini(&out);
    assert_null(secrets_hidden(secrets, NULL));
    assert_null(secrets_url(secrets, NULL));
    secrets_free(secrets);
    char *same = secrets_hidden(NULL, "abcd");
    CHECK_TEXT("no secrets at all", same, "abcd");
    free(same);
    assert_false(secrets_found(NULL, span_text("abcd")));
}

/* A text that ends with the block: reading past it is seen by the sanitizer. */
static void test_every_cut(void **state)
{
    (void)state;
    static const char whole[] = "x a\\\"b\\\\\\ud83d\\ude00%F0%9F%98%80 \\u00fc%";
    struct secrets *secrets = secrets_new();
    secrets_add(secrets, span_text("a\"b\\😀"));
    secrets_add(secrets, span_text("😀 ü!"));
    for (size_t len = 0; len < sizeof whole; len++) {
        char *cut = mem_alloc(len ? len : 1);
        memcpy(cut, whole, len);
        bool found = secrets_found(secrets, span_of(cut, len));
        CHECK_INT("found", found, len >= strlen("x a\\\"b\\\\\\ud83d\\ude00"));
        free(cut);
    }
    secrets_free(secrets);
}

static void test_url(void **state)
{
    (void)state;
    static const struct {
        const char *url, *want;
    } cases[] = {
        {"http://host:80/path", "http://host:80/path"},
        {"http://user:pass@host/x", "http://user:[redacted]@host/x"},
        {"http://user@host/x", "http://[redacted]@host/x"},
        {"http://user:@host/x", "http://[redacted]:@host/x"},
        {"user@host/x", "[redacted]@host/x"},
        {"http://host/x?max_tokens=4096", "http://host/x?max_tokens=4096"},
        {"http://u:p@ss:w@host", "http://u:[redacted]@host"},
        {"http://:pass@host", "http://:[redacted]@host"},
        {"user:pass@host:80/x", "user:[redacted]@host:80/x"},
        {"http://host/a:b@c", "http://host/a:b@c"},
        {"http://host?to=a:b@c", "http://host?to=a:b@c"},
        {"host/x?u=http://a:b@c", "host/x?u=http://a:b@c"},
        {"http://h/x?access_token=abc&n=1", "http://h/x?access_token=[redacted]&n=1"},
        {"http://h/x?n=1&API-KEY=abc", "http://h/x?n=1&API-KEY=[redacted]"},
        {"http://h/x?X-Amz-Signature=ab%20c;n=1", "http://h/x?X-Amz-Signature=[redacted];n=1"},
        {"http://h/?client_secret=s&Password=p&sig=q&authorization=r",
         "http://h/?client_secret=[redacted]&Password=[redacted]&sig=[redacted]&authorization="
         "[redacted]"},
        {"http://h/?t%6Fken=abc", "http://h/?t%6Fken=[redacted]"},
        {"http://h/?token=a=b", "http://h/?token=[redacted]"},
        {"http://h/?token=&token&=x", "http://h/?token=&token&=x"},
        {"http://h/#access_token=abc", "http://h/#access_token=[redacted]"},
        {"http://h/?a=1#frag", "http://h/?a=1#frag"},
        {"http://h/?a=1?token=x", "http://h/?a=1?token=[redacted]"},
        {"http://h/known-secret?x=known-secret", "http://h/[redacted]?x=[redacted]"},
        {"", ""},
        {"?", "?"},
        {"://", "://"},
        {"@", "@"},
        {":@", ":@"},
    };
    struct secrets *secrets = secrets_new();
    secrets_add(secrets, span_text("known-secret"));
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        char *shown = secrets_url(secrets, cases[i].url);
        CHECK_TEXT(cases[i].url, shown, cases[i].want);
        free(shown);
    }
    secrets_free(secrets);
}

static struct secrets *secrets_of_url(const char *url)
{
    struct secrets *secrets = secrets_new();
    secrets_register_url(secrets, url, "the URL", NULL);
    return secrets;
}

static void test_register_url(void **state)
{
    (void)state;
    static const struct {
        const char *url, *text, *want;
    } cases[] = {
        {"http://tok-12@h/", "tok-12 dG9rLTEyOg==", "[redacted] [redacted]=="},
        {"http://tok-12:@h/", "tok-12 dG9rLTEyOg==", "[redacted] [redacted]=="},
        {"http://user:pass-1@h/", "user pass-1", "user [redacted]"},
        {"user:pass-1@h/", "user pass-1", "user [redacted]"},
        {"http://user:pass-1@h/", "Basic dXNlcjpwYXNzLTE=", "Basic [redacted]="},
        {"http://us:pass-1@h/", "Basic dXM6cGFzcy0x", "Basic [redacted]"},
        {"http://u:pass-1@h/", "Basic dTpwYXNzLTE=", "Basic [redacted]="},
        {"http://u:pass-1@h/", "Basic dTpwYXNzLTE", "Basic [redacted]"},
        {"http://a:p%40ss%2b1@h/",
         "p@ss+1 p%40ss%2b1 YTpwQHNzKzE=", "[redacted] [redacted] [redacted]="},
        {"http://a:+pass@h/", "+pass YTorcGFzcw==", "[redacted] [redacted]=="},
        /* digits 62 and 63, escaped by those who like to */

        {"http://a:%3f%3f%3e%3e@h", "YTo/Pz4+ YTo\\/Pz4+ YTo%2FPz4%2b",
         "[redacted] [redacted] [redacted]"},
        {"http://h/?api_key=secret-1&n=number-1", "secret-1 number-1", "[redacted] number-1"},
        {"http://h/?access_token=a%20bc+d", "a bc d a%20bc+d", "[redacted] [redacted]"},
        {"http://h/?token=known#key=other", "known other", "[redacted] [redacted]"},
        {"http://h/?max_tokens=4096", "4096", "4096"},
        {"http://h/?sig=abcdef&design=fedcba", "abcdef fedcba", "[redacted] fedcba"},
        {"http://h:80/a@b?to=c@d", "c@d a@b h:80", "c@d a@b h:80"},
        {"", "x", "x"},
        {"://", "x", "x"},
        {"@:?=&=", "x", "x"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct secrets *secrets = secrets_of_url(cases[i].url);
        char *hidden = secrets_hidden(secrets, cases[i].text);
        CHECK_TEXT(cases[i].url, hidden, cases[i].want);
        free(hidden);
        secrets_free(secrets);
    }
}

static void test_names(void **state)
{
    (void)state;
    static const struct {
        const char *name;
        bool secret;
    } cases[] = {
        {"Authorization", true}, {"x-api-key", true}, {"Set-Cookie", true}, {"X-Token", true},
        {"Content-Type", false}, {"x-tokens", false}, {"", false},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        CHECK_INT(cases[i].name, secrets_name(span_text(cases[i].name)), cases[i].secret);
}

static void test_register_header(void **state)
{
    (void)state;
    static const struct {
        const char *line, *text, *want;
    } cases[] = {
        {"Authorization: Bearer abcd", "abcd Bearer abcd", "[redacted] [redacted]"},
        {"Authorization:  Basic  abcd  ", "abcd.", "[redacted]."},
        {"X-API-Key=abcd", "abcd", "[redacted]"},
        {"Authorization Bearer abcd", "\"Authorization Bearer abcd\" is",
         "\"Authorization [redacted]\" is"},
        {"X-Auth: one two", "one two; two", "[redacted]; two"}, /* too short alone */
        {"x-secret: a:b=c", "a:b=c", "[redacted]"},
        {"Cookie: theme=dark; session=abcdef; lone-one", "abcdef dark lone-one theme",
         "[redacted] [redacted] [redacted] theme"},
        {"X-Trace: abcd", "abcd", "abcd"},
        {"X-Auth:", "X-Auth:", "X-Auth:"},
        {"X-Auth", "X-Auth", "X-Auth"},
        {"", "x", "x"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct secrets *secrets = secrets_new();
        secrets_register_header(secrets, cases[i].line, NULL);
        char *hidden = secrets_hidden(secrets, cases[i].text);
        CHECK_TEXT(cases[i].line, hidden, cases[i].want);
        free(hidden);
        secrets_free(secrets);
    }
}

/* "api:" and the key, as libcurl sends it to wandb. */
static void test_register_login(void **state)
{
    (void)state;
    struct secrets *secrets = secrets_new();
    secrets_register_login(secrets, span_text("api"), span_text("wandb-key"), "the key", NULL);
    char *hidden = secrets_hidden(secrets, "api wandb-key YXBpOndhbmRiLWtleQ==");
    CHECK_TEXT("hidden", hidden, "api [redacted] [redacted]==");
    free(hidden);
    secrets_free(secrets);
}

static void test_refused(void **state)
{
    (void)state;
    struct secrets *secrets = secrets_new();
    struct log *log = log_new(LOG_ERROR, NULL);
    secrets_register(secrets, span_text("abc"), "the key", log);
    secrets_register(secrets, span_text(" abc\n"), "the same key", log);
    secrets_register(secrets, span_text("abd"), "another key", log);
    secrets_register(secrets, span_text("\t"), "nothing", log);
    CHECK_INT("said once for a value", log_warnings(log), 2);
    for (int i = 0; i < SECRETS_MOST; i++) {
        char value[32];
        snprintf(value, sizeof value, "secret-%d", i);
        assert_true(secrets_add(secrets, span_text(value)));
    }
    assert_false(secrets_add(secrets, span_text("one too many")));
    assert_true(secrets_add(secrets, span_text("secret-7")));
    secrets_register(secrets, span_text("one too many"), "a key", log);
    secrets_register(secrets, span_text("one too many"), "a key", log);
    CHECK_INT("and this one", log_warnings(log), 3);
    char *hidden = secrets_hidden(secrets, "secret-7, one too many");
    CHECK_TEXT("the ones before stay hidden", hidden, "[redacted], one too many");
    free(hidden);
    log_free(log);
    secrets_free(secrets);
}

/* At every length the secret is hidden before the text is cut. */
static void test_hide_cut(void **state)
{
    (void)state;
    static const struct {
        const char *text, *want;
        size_t most;
    } cases[] = {
        {"HTTP: sk-12345 is wrong", "HTTP: [redacted]…", 8},
        {"HTTP: sk-12345 is wrong", "HTTP:…", 5},
        {"HTTP: sk-12345 is wrong", "HTTP: …", 6},
        {"HTTP: sk-12345 is wrong", "HTTP: [redacted] is…", 19},
        {"HTTP: sk-12345 is wrong", "HTTP: [redacted] is wrong", 99},
        {"sk-12345sk-12345sk-12345", "[redacted][redacted]…", 12},
        {"äöü", "ä…", 3},
        {"äöü", "äö…", 4},
        {"äöü", "äöü", 6},
        {"abc", "…", 0},
        {"", "", 0},
    };
    struct secrets *secrets = secrets_new();
    secrets_add(secrets, span_text("sk-12345"));
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct buf out;
        buf_init(&out, 100);
        secrets_hide_cut(secrets, span_text(cases[i].text), cases[i].most, &out);
        char *hidden = buf_take(&out);
        CHECK_TEXT(cases[i].text, hidden, cases[i].want);
        free(hidden);
    }
    secrets_free(secrets);
    struct buf out;
    buf_init(&out, 100);
    secrets_hide_cut(NULL, span_text("sk-12345"), 4, &out);
    char *cut = buf_take(&out);
    CHECK_TEXT("no secrets at all", cut, "sk-1…");
    free(cut);
}

/* What a server may send to make the search slow takes about as long as other text. */
static void test_backslashes(void **state)
{
    (void)state;
    enum { BYTES = 1 << 20 };
    struct secrets *secrets = secrets_new();
    secrets_add(secrets, span_text("\"quoted\\key"));
    secrets_add(secrets, span_text("sk-12345"));
    static const char *const pieces[] = {"\\", "\\u005c", "%25", "\\\\\\\\\\\\\"", "sk-1\\\\"};
    for (size_t p = 0; p < sizeof pieces / sizeof *pieces; p++) {
        struct buf text;
        buf_init(&text, SIZE_MAX / 4);
        while (text.len < BYTES)
            buf_add_text(&text, pieces[p]);
        uint64_t begin = clock_now_ns();
        CHECK_INT(pieces[p], secrets_found(secrets, buf_span(&text)), false);
        if (getenv("SHOW_TIMES"))
            print_message("%s: %.3f s\n", pieces[p], clock_seconds(clock_now_ns() - begin));
        assert_true(clock_now_ns() - begin < 60 * NS_PER_S);
        buf_fini(&text);
    }
    secrets_free(secrets);
}

enum { ADDED = SECRETS_MOST - 1 };

static void *add_many(void *arg)
{
    for (int i = 0; i < ADDED; i++) {
        char value[32];
        snprintf(value, sizeof value, "secret-%d", i);
        secrets_add(arg, span_text(value));
    }
    return NULL;
}

static void *hide_many(void *arg)
{
    for (int i = 0; i < 300; i++) {
        char *hidden = secrets_hidden(arg, "a first-one b");
        if (strcmp(hidden, "a [redacted] b") != 0)
            return arg;
        free(hidden);
    }
    return NULL;
}

static void test_threads(void **state)
{
    (void)state;
    struct secrets *secrets = secrets_new();
    secrets_add(secrets, span_text("first-one"));
    pthread_t threads[4];
    for (int i = 0; i < 4; i++)
        pthread_create(&threads[i], NULL, i % 2 ? add_many : hide_many, secrets);
    for (int i = 0; i < 4; i++) {
        void *failed = NULL;
        pthread_join(threads[i], &failed);
        assert_null(failed);
    }
    for (int i = 0; i < ADDED; i++) {
        char value[32];
        snprintf(value, sizeof value, "secret-%d", i);
        assert_true(secrets_found(secrets, span_text(value)));
    }
    secrets_free(secrets);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_one_secret),      cmocka_unit_test(test_several_secrets),
        cmocka_unit_test(test_base64),          cmocka_unit_test(test_edges),
        cmocka_unit_test(test_every_cut),       cmocka_unit_test(test_url),
        cmocka_unit_test(test_register_url),    cmocka_unit_test(test_names),
        cmocka_unit_test(test_register_header), cmocka_unit_test(test_register_login),
        cmocka_unit_test(test_refused),         cmocka_unit_test(test_hide_cut),
        cmocka_unit_test(test_backslashes),     cmocka_unit_test(test_threads),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
