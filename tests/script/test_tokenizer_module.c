/* The module tokenizer, with the program's part played by the test: a byte is a token, and 256
 * stands for the beginning. */
#include "fixture.h"

struct lent {
    unsigned open; /* how many are */
    uint32_t ids[64];
};

static void *lent_open(const void *arg)
{
    struct lent *lent = *(struct lent *const *)arg;
    lent->open++;
    return lent;
}

static void lent_close(void *tokens)
{
    ((struct lent *)tokens)->open--;
}

static bool lent_encode(void *tokens, struct span text, bool special, const uint32_t **ids,
                        size_t *count, struct err *err)
{
    struct lent *lent = tokens;
    if (text.len > 60)
        return err_set(err, "a text of %zu bytes is too long", text.len);
    *count = 0;
    if (special)
        lent->ids[(*count)++] = 256;
    for (size_t i = 0; i < text.len; i++)
        lent->ids[(*count)++] = (unsigned char)text.data[i];
    *ids = lent->ids;
    return true;
}

static bool lent_decode(void *tokens, const uint32_t *ids, size_t count, bool special,
                        struct buf *out, struct err *err)
{
    (void)tokens;
    for (size_t i = 0; i < count; i++) {
        if (ids[i] == 7)
            return err_set(err, "id 7 is no token");
        if (ids[i] < 256)
            buf_add_char(out, (char)ids[i]);
        else if (special)
            buf_add_text(out, "<s>");
    }
    return true;
}

/* What the Lua expression gives in build_request, as JSON. */
static char *value_of(struct lent *lent, const char *expression)
{
    struct fixture fixture;
    struct script_tokenizer tokenizer = {lent_open,   lent_close, lent_encode,
                                         lent_decode, 257,        &lent};
    struct script_services services = {.tokenizer = lent ? &tokenizer : NULL};
    fixture_init(&fixture, NULL);
    fixture.config.services = &services;
    char *text = mem_printf(SCRIPT("local json, tokenizer = require('json'), require('tokenizer')\n"
                                   "local function said(f, ...) local ok, m = pcall(f, ...) "
                                   "return ok and 'no error' or m:gsub('^.-:%%d+: ', '') end\n"
                                   "function api.build_request() return json.encode({%s}) end"),
                            expression);
    struct script *script = fixture_must_open(&fixture, text);
    struct request *request = must_compose(script, 0);
    char *got = mem_text(request->fault ? request->fault : request->body);
    request_free(request);
    script_close(script);
    if (lent)
        CHECK_INT("left open", lent->open, 0);
    free(text);
    fixture_fini(&fixture);
    return got;
}

static const struct {
    const char *expression, *want;
} rows[] = {
    {"tokenizer.encode('ab')", "[[97,98]]"},
    {"#tokenizer.encode('')", "[0]"},
    {"tokenizer.encode('ab', {special=true})", "[[256,97,98]]"},
    {"tokenizer.encode('ab', {special=false})", "[[97,98]]"},
    {"tokenizer.count('abc'), tokenizer.count('abc', {special=true})", "[3,4]"},
    {"tokenizer.decode({104, 105, 256})", "[\"hi\"]"},
    {"tokenizer.decode({256, 104}, {special=true})", "[\"<s>h\"]"},
    {"tokenizer.decode({})", "[\"\"]"},
    {"tokenizer.decode(tokenizer.encode('round trip'))", "[\"round trip\"]"},
    {"tokenizer.vocabulary()", "[257]"},
    {"select(2, tokenizer.encode(('x'):rep(61)))", "[\"a text of 61 bytes is too long\"]"},
    {"select(2, tokenizer.count(('x'):rep(61)))", "[\"a text of 61 bytes is too long\"]"},
    {"select(2, tokenizer.decode({7}))", "[\"id 7 is no token\"]"},
    {"said(tokenizer.decode, {1, 257})",
     "[\"tokenizer.decode: ids[2] must be a whole number from 0 to 256, not 257\"]"},
    {"said(tokenizer.decode, {-1})",
     "[\"tokenizer.decode: ids[1] must be a whole number from 0 to 256, not -1\"]"},
    {"said(tokenizer.decode, {1.5})",
     "[\"tokenizer.decode: ids[1] must be a whole number from 0 to 256, not 1.5\"]"},
    {"said(tokenizer.decode, {'a'})",
     "[\"tokenizer.decode: ids[1] must be a whole number from 0 to 256, not a string\"]"},
    {"(said(tokenizer.encode, 'a', {speciall=true}))",
     "[\"tokenizer.encode takes the field 'special' and no other\"]"},
    {"(said(tokenizer.encode, 'a', {special=1}))",
     "[\"tokenizer.encode: 'special' must be true or false, not a number\"]"},
    {"(said(tokenizer.encode, 5)):match('string expected')", "[\"string expected\"]"},
};

static void functions(void **state)
{
    (void)state;
    struct lent lent = {.open = 0};
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        char *got = value_of(&lent, rows[i].expression);
        CHECK_TEXT(rows[i].expression, got, rows[i].want);
        free(got);
    }
}

static void without_one(void **state)
{
    (void)state;
    static const char *const calls[] = {"encode('a')", "count('a')", "decode({1})", "vocabulary()"};
    for (size_t i = 0; i < sizeof calls / sizeof *calls; i++) {
        char *expression = mem_printf("select(2, tokenizer.%s)", calls[i]);
        char *got = value_of(NULL, expression);
        CHECK_TEXT(calls[i], got, "[\"no tokenizer: --tokenizer-path names one\"]");
        free(got);
        free(expression);
    }
}

/* ---- the texts of a prompt ---- */

struct heard {
    char text[512];
};

static void hear(void *arg, struct span text, bool chat)
{
    struct heard *heard = arg;
    size_t at = strlen(heard->text);
    snprintf(heard->text + at, sizeof heard->text - at, "%s%.*s|",
             chat ? "" : "plain:", (int)text.len, text.data);
}

static const struct {
    const char *item, *want;
} prompts[] = {
    {"'hello'", "hello|"},
    {"{{role='system', content='be'}, {role='user', content='hi'}}", "be|hi|"},
    {"{messages={{role='user', content={{type='text', text='a'}, {type='text', text='b'}}}}}",
     "ab|"},
    {"{messages={{role='user'}, {role='user', content='x'}}}", "|x|"},
    {"{body='{}'}", ""},
};

static void texts_of_prompts(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof prompts / sizeof *prompts; i++) {
        struct fixture fixture;
        struct err err;
        struct heard heard = {{0}};
        fixture_init(&fixture, NULL);
        char *text = mem_printf(SCRIPT("local data = {build_messages = function() local n = 0 "
                                       "return function() n = n + 1 if n == 1 then return %s end "
                                       "end end}\napi.build_messages = data.build_messages"),
                                prompts[i].item);
        struct script *script = fixture_must_open(&fixture, text);
        struct request *request = must_compose(script, 0);
        assert_null(request->fault);
        assert_true(script_prompt_texts(script, span_of(request->prompt, request->prompt_len), hear,
                                        &heard, &err));
        CHECK_TEXT(prompts[i].item, heard.text, prompts[i].want);
        request_free(request);
        script_close(script);
        free(text);
        fixture_fini(&fixture);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(functions),
        cmocka_unit_test(without_one),
        cmocka_unit_test(texts_of_prompts),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
