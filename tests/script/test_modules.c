/* The modules crypto, time and random and the global secret, against published examples. */
#include "fixture.h"

/* `expression` becomes a body, with every module at hand. */
static char *evaluated(struct fixture *fixture, const char *before, const char *expression)
{
    char *text =
        mem_printf(SCRIPT("local json, crypto, random, time = require('json'), require('crypto'), "
                          "require('random'), require('time')\n"
                          "local hex, unhex = crypto.hex, crypto.unhex\n"
                          "local function said(f, ...) local ok, m = pcall(f, ...) "
                          "return ok and 'no error' or m:gsub('^.-:%%d+: ', '') end\n"
                          "%s\nfunction api.build_request() return tostring((%s)) end"),
                   before, expression);
    struct script *script = fixture_must_open(fixture, text);
    struct request *request = must_compose(script, 0);
    char *got = mem_text(request->fault ? request->fault : request->body);
    request_free(request);
    script_close(script);
    free(text);
    return got;
}

struct expression {
    const char *name, *expression, *want;
};

static void check_all(const struct expression *cases, size_t count)
{
    struct fixture fixture;
    fixture_init(&fixture, NULL);
    for (size_t i = 0; i < count; i++) {
        char *got = evaluated(&fixture, "", cases[i].expression);
        CHECK_TEXT(cases[i].name, got, cases[i].want);
        free(got);
    }
    fixture_fini(&fixture);
}

#define CHECK_ALL(cases) check_all((cases), sizeof(cases) / sizeof *(cases))

/* ---- crypto ---- */

/* FIPS 180 and the RFCs 1321, 2202 and 4231 give these. */
static const struct expression digests[] = {
    {"sha256 of abc", "hex(crypto.sha256('abc'))",
     "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"},
    {"sha256 of nothing", "hex(crypto.sha256(''))",
     "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"},
    {"sha1 of abc", "hex(crypto.sha1('abc'))", "a9993e364706816aba3e25717850c26c9cd0d89d"},
    {"hmac 1", "hex(crypto.hmac_sha256(('\\11'):rep(20), 'Hi There'))",
     "b0344c61d8db38535ca8afceaf0bf12b881dc200c9833da726e9376c2e32cff7"},
    {"hmac 2", "hex(crypto.hmac_sha256('Jefe', 'what do ya want for nothing?'))",
     "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843"},
    {"hmac 3", "hex(crypto.hmac_sha256(('\\170'):rep(20), ('\\221'):rep(50)))",
     "773ea91e36800e46854db8ebd09181a72959098b3ef8c122d9635514ced565fe"},
    {"hmac 4",
     "hex(crypto.hmac_sha256(unhex('0102030405060708090a0b0c0d0e0f10111213141516171819'), "
     "('\\205'):rep(50)))",
     "82558a389a443c0ea4cc819899f2083a85f0faa3e578f8077a2e3ff46729665b"},
    {"hmac 6",
     "hex(crypto.hmac_sha256(('\\170'):rep(131), "
     "'Test Using Larger Than Block-Size Key - Hash Key First'))",
     "60e431591ee0b67f0d8a26aacbf5b77f8e0bc6213728c5140546040f0ee37f54"},
    {"sha512 of abc", "hex(crypto.sha512('abc'))",
     "ddaf35a193617abacc417349ae20413112e6fa4e89a97ea20a9eeee64b55d39a"
     "2192992a274fc1a836ba3c23a3feebbd454d4423643ce80e2a9ac94fa54ca49f"},
    {"md5 of nothing", "hex(crypto.md5(''))", "d41d8cd98f00b204e9800998ecf8427e"},
    {"md5 of a text", "hex(crypto.md5('message digest'))", "f96b697d7cb7938d525a2f31aaf161d0"},
    {"hmac_sha512 1", "hex(crypto.hmac_sha512(('\\11'):rep(20), 'Hi There'))",
     "87aa7cdea5ef619d4ff0b4241a1d6cb02379f4e2ce4ec2787ad0b30545e17cde"
     "daa833b7d6b8a702038b274eaea3f4e4be9d914eeb61f1702e696c203a126854"},
    {"hmac_sha512 2", "hex(crypto.hmac_sha512('Jefe', 'what do ya want for nothing?'))",
     "164b7a7bfcf819e2e395fbe73b56e0a387bd64222e831fd610270cd7ea250554"
     "9758bf75c05a994a6d034f65f8f0e6fdcaeab1a34d4a6b4b636e070a38bce737"},
    {"hmac_sha512 6",
     "hex(crypto.hmac_sha512(('\\170'):rep(131), "
     "'Test Using Larger Than Block-Size Key - Hash Key First'))",
     "80b24263c7c1a3ebb71493c1dd7be8b49b46d1f41b4aeec1121b013783f8f352"
     "6b56d037e05f2598bd0fd2215d6a1e5295e64f73f63f0aec8b915a985d786598"},
    {"hmac_sha1 1", "hex(crypto.hmac_sha1(('\\11'):rep(20), 'Hi There'))",
     "b617318655057264e28bc0b6fb378c8ef146be00"},
    {"hmac_sha1 2", "hex(crypto.hmac_sha1('Jefe', 'what do ya want for nothing?'))",
     "effcdf6ae5eb2fa2d27416d5f184df9c259a7c79"},
    {"hmac_sha1 6",
     "hex(crypto.hmac_sha1(('\\170'):rep(80), "
     "'Test Using Larger Than Block-Size Key - Hash Key First'))",
     "aa4ae5e15272d00e95705637ce8a3b55ed402112"},
    {"hmac without key", "hex(crypto.hmac_sha256('', ''))",
     "b613679a0814d9ec772f95d778c35fc5ff1697c493715653c6c712144292c5ad"},
    {"no string", "said(crypto.sha256, {})", "bad argument #1 to '?' (string expected, got table)"},
};

static void digests_are_the_published_ones(void **state)
{
    (void)state;
    CHECK_ALL(digests);
}

/* RFC 4648, section 10, and what must be refused. */
static const struct expression codings[] = {
    {"nothing", "crypto.base64('')", ""},
    {"f", "crypto.base64('f')", "Zg=="},
    {"fo", "crypto.base64('fo')", "Zm8="},
    {"foo", "crypto.base64('foo')", "Zm9v"},
    {"foob", "crypto.base64('foob')", "Zm9vYg=="},
    {"fooba", "crypto.base64('fooba')", "Zm9vYmE="},
    {"foobar", "crypto.base64('foobar')", "Zm9vYmFy"},
    {"the last two digits", "crypto.base64('\\251\\255\\254')", "+//+"},
    {"… for URLs", "crypto.base64url('\\251\\255\\254')", "-__-"},
    {"no padding", "crypto.base64url('f') .. crypto.base64url('fo')", "ZgZm8"},
    {"back", "crypto.unbase64('Zm9vYmFy') .. crypto.unbase64('Zm9vYg==')", "foobarfoob"},
    {"nothing back", "crypto.unbase64('') .. crypto.unbase64url('')", ""},
    {"back from URLs", "hex(crypto.unbase64url('-__-'))", "fbfffe"},
    {"padded URLs", "crypto.unbase64url('Zg==') .. crypto.unbase64url('Zg')", "ff"},
    {"NUL bytes", "hex(crypto.unbase64(crypto.base64('\\0a\\0')))", "006100"},
    {"every byte",
     "(function() local t = {} for i = 0, 255 do t[i+1] = string.char(i) end t = table.concat(t) "
     "return crypto.unbase64(crypto.base64(t)) == t and crypto.unbase64url(crypto.base64url(t)) "
     "== t and unhex(hex(t)) == t end)()",
     "true"},
    {"unpadded", "crypto.unbase64('Zg')", "nil"},
    {"one digit", "crypto.unbase64url('Z')", "nil"},
    {"white space", "crypto.unbase64('Zm9v\\n')", "nil"},
    {"blank within", "crypto.unbase64('Zm 9')", "nil"},
    {"padding within", "crypto.unbase64('Zg==Zm8=')", "nil"},
    {"too much padding", "crypto.unbase64('Z===')", "nil"},
    {"padding alone", "crypto.unbase64('====')", "nil"},
    {"wrong alphabet", "crypto.unbase64('-__-')", "nil"},
    {"plain alphabet in a URL", "crypto.unbase64url('+//+')", "nil"},
    {"the message", "select(2, crypto.unbase64('!'))", "this is no base64 text"},
    {"hex", "hex('\\0\\255\\16')", "00ff10"},
    {"hex of either case", "unhex('4a4B')", "JK"},
    {"half a byte", "unhex('4')", "nil"},
    {"no hex", "unhex('4g')", "nil"},
};

static void codings_go_both_ways(void **state)
{
    (void)state;
    CHECK_ALL(codings);
}

/* RFC 7515, appendix A.1, and the example that jwt.io has shown for years. */
static const struct expression tokens[] = {
    {"RFC 7515",
     "crypto.jwt_hs256('{\"typ\":\"JWT\",\\r\\n \"alg\":\"HS256\"}', "
     "'{\"iss\":\"joe\",\\r\\n \"exp\":1300819380,\\r\\n \"http://example.com/is_root\":true}', "
     "crypto.unbase64url('AyM1SysPpbyDfgZld3umj1qzKObwVMkoqQ-EstJQLr_T-1qS0gZH75aKtMN3Yj0iPS4hcgU"
     "uTwjAzZr1Z9CAow'))",
     "eyJ0eXAiOiJKV1QiLA0KICJhbGciOiJIUzI1NiJ9."
     "eyJpc3MiOiJqb2UiLA0KICJleHAiOjEzMDA4MTkzODAsDQogImh0dHA6Ly9leGFtcGxlLmNvbS9pc19yb290Ijp0cnVl"
     "fQ.dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk"},
    {"jwt.io",
     "crypto.jwt_hs256(nil, '{\"sub\":\"1234567890\",\"name\":\"John Doe\",\"iat\":1516239022}', "
     "'your-256-bit-secret')",
     "eyJhbGciOiJIUzI1NiIsInR5cCI6IkpXVCJ9."
     "eyJzdWIiOiIxMjM0NTY3ODkwIiwibmFtZSI6IkpvaG4gRG9lIiwiaWF0IjoxNTE2MjM5MDIyfQ."
     "SflKxwRJSMeKKF2QT4fwpMeJf36POk6yJV_adQssw5c"},
    {"tables",
     "crypto.jwt_hs256({alg='HS256', sign_type='SIGN'}, {api_key='id', exp=1731000003600000}, 'k')"
     ":match('^(.*)%.')",
     "eyJhbGciOiJIUzI1NiIsInNpZ25fdHlwZSI6IlNJR04ifQ."
     "eyJhcGlfa2V5IjoiaWQiLCJleHAiOjE3MzEwMDAwMDM2MDAwMDB9"},
};

static void tokens_are_signed(void **state)
{
    (void)state;
    CHECK_ALL(tokens);
}

/* The signing key of Amazon's example of "Signature Version 4". */
static void signing_keys_are_derived(void **state)
{
    (void)state;
    static const struct expression keys[] = {
        {"SigV4",
         "(function() local key = 'AWS4wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY' "
         "for _, part in ipairs{'20120215', 'us-east-1', 'iam', 'aws4_request'} do "
         "key = crypto.hmac_sha256(key, part) end return hex(key) end)()",
         "f4780e2d9f65fa895f9c67b32ce1baf0b0d8a43505a000a1a9e090d414db404d"},
    };
    CHECK_ALL(keys);
}

static void missing_modules_are_named(void **state)
{
    (void)state;
    static const struct expression required[] = {
        {"an unknown one", "said(require, 'socket')",
         "module 'socket' not found: neither beside the script nor among the bundled modules"},
        {"a slip", "said(require, 'dateset')",
         "module 'dateset' not found (did you mean 'dataset'?)"},
        {"a slip in a module", "said(function() return json.decod('1') end)",
         "the module 'json' has no 'decod' (did you mean 'decode'?)"},
        {"no slip", "said(function() return time.travel end)",
         "the module 'time' has no 'travel'; --help=lua shows what it has"},
        {"a number", "json[1]", "nil"},
    };
    CHECK_ALL(required);
}

/* ---- time ---- */

static const struct expression times[] = {
    {"the epoch", "time.iso8601(0)", "1970-01-01T00:00:00.000Z"},
    {"a leap day", "time.iso8601(1709210096.25)", "2024-02-29T12:34:56.250Z"},
    {"thousandths", "time.iso8601(1731010453.123)", "2024-11-07T20:14:13.123Z"},
    {"the last moment", "time.iso8601(253402300799)", "9999-12-31T23:59:59.000Z"},
    {"before", "said(time.iso8601, -1)",
     "time.iso8601 takes seconds from 0 to the year 9999, not -1"},
    {"not a number", "(said(time.iso8601, 0/0):gsub('%-?nan', 'nan'))",
     "time.iso8601 takes seconds from 0 to the year 9999, not nan"},
    {"infinity", "said(time.iso8601, 1/0)",
     "time.iso8601 takes seconds from 0 to the year 9999, not inf"},
    {"now", "math.abs(time.now() - os.time()) < 2 and time.iso8601():match('^%d%d%d%d%-') ~= nil",
     "true"},
    {"forward", "(function() local a = time.monotonic() return time.monotonic() >= a end)()",
     "true"},
    {"no sleep while the run goes on", "said(time.sleep, 0)",
     "time.sleep can only be used in setup and refresh: anywhere else it would hold up the run"},
};

static void times_are_shown(void **state)
{
    (void)state;
    CHECK_ALL(times);
    struct fixture fixture;
    fixture_init(&fixture, NULL);
    char *got = evaluated(&fixture,
                          "local slept\nfunction api.setup() local a = time.monotonic() "
                          "time.sleep(0.02) slept = time.monotonic() - a "
                          "return said(time.sleep, -1) .. said(time.sleep, 1e9) end",
                          "slept >= 0.02 and slept < 2");
    CHECK_TEXT("slept", got, "true");
    free(got);
    fixture_fini(&fixture);
}

/* ---- random ---- */

static const struct expression draws[] = {
    {"within",
     "(function() local low, high = 9, -9 for _ = 1, 2000 do local n = "
     "random.integer(-2, 3) low, high = math.min(low, n), math.max(high, n) end "
     "return low .. ' ' .. high end)()",
     "-2 3"},
    {"one number", "random.integer(5, 5)", "5"},
    {"the widest", "random.integer(0, 2^53) <= 2^53", "true"},
    {"floats",
     "(function() local sum = 0 for _ = 1, 20000 do local f = random.float() "
     "assert(f >= 0 and f < 1) sum = sum + f end return math.abs(sum/20000 - 0.5) < 0.02 "
     "end)()",
     "true"},
    {"exponential",
     "(function() local sum = 0 for _ = 1, 20000 do local x = random.exponential(3) "
     "assert(x >= 0) sum = sum + x end return math.abs(sum/20000 - 3) < 0.15 end)()",
     "true"},
    {"normal",
     "(function() local sum, squares = 0, 0 for _ = 1, 20000 do local x = "
     "random.normal(5, 2) sum, squares = sum + x, squares + (x-5)^2 end "
     "return math.abs(sum/20000 - 5) < 0.1 and math.abs(squares/20000 - 4) < 0.2 end)()",
     "true"},
    {"choice",
     "(function() local seen = {} for _ = 1, 200 do seen[random.choice{'a','b','c'}] = "
     "true end return seen.a and seen.b and seen.c end)()",
     "true"},
    {"every order",
     "(function() local seen, count = {}, 0 for _ = 1, 500 do local t = "
     "table.concat(random.shuffle{'a','b','c'}) if not seen[t] then "
     "seen[t], count = true, count + 1 end end return count end)()",
     "6"},
    {"the same list", "(function() local t = {1} return random.shuffle(t) == t end)()", "true"},
    {"an empty list", "said(random.choice, {})", "random.choice takes a list that is not empty"},
    {"upside down", "said(random.integer, 2, 1)",
     "random.integer takes two whole numbers, the lower one first, not 2 and 1"},
    {"half", "said(random.integer, 0, 1.5)",
     "random.integer takes two whole numbers, the lower one first, not 0 and 1.5"},
    {"too wide", "said(random.integer, 0, 1e300)",
     "random.integer takes two whole numbers, the lower one first, not 0 and "
     "1.0000000000000001e+300"},
    {"mean", "said(random.exponential, -1)", "random.exponential takes a mean from 0, not -1"},
    {"deviation", "said(random.normal, 0, -1)",
     "random.normal takes a mean and a deviation from 0, not 0 and -1"},
};

static void draws_are_of_their_kind(void **state)
{
    (void)state;
    CHECK_ALL(draws);
}

static void draws_follow_the_seed(void **state)
{
    (void)state;
    static const char draw[] =
        "(function() local t = {} for i = 1, 20 do t[i] = random.integer(0, 999999) .. ' ' .. "
        "random.float() .. ' ' .. random.normal() end return table.concat(t) end)()";
    struct fixture fixture;
    fixture_init(&fixture, NULL);
    char *first = evaluated(&fixture, "", draw), *again = evaluated(&fixture, "", draw);
    fixture.config.seed++;
    char *other = evaluated(&fixture, "", draw);
    CHECK_TEXT("the same seed", again, first);
    assert_string_not_equal(first, other);
    free(first);
    free(again);
    free(other);
    fixture_fini(&fixture);
}

/* ---- secret ---- */

static void secrets_are_hidden(void **state)
{
    (void)state;
    struct fixture fixture;
    fixture_init(&fixture, NULL);
    fixture_log(&fixture);
    char *got = evaluated(&fixture, "function api.setup() secret('abc') end",
                          "secret('sesame open') .. said(secret, 5)");
    CHECK_TEXT("returned", got, "sesame openbad argument #1 to '?' (string expected, got number)");
    char *hidden = secrets_hidden(fixture.secrets, "say sesame open or sesame%20open");
    CHECK_TEXT("hidden", hidden, "say [redacted] or [redacted]");
    check_contains("log", fixture_log_text(&fixture),
                   "a script's secret is too short to be hidden");
    free(hidden);
    free(got);
    got =
        evaluated(&fixture, "", "said(function() for i = 1, 300 do secret('value ' .. i) end end)");
    check_contains("one too many", got,
                   "secret: 256 values are hidden already, and no more can be");
    free(got);
    fixture_fini(&fixture);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(digests_are_the_published_ones),
        cmocka_unit_test(codings_go_both_ways),
        cmocka_unit_test(tokens_are_signed),
        cmocka_unit_test(signing_keys_are_derived),
        cmocka_unit_test(missing_modules_are_named),
        cmocka_unit_test(times_are_shown),
        cmocka_unit_test(draws_are_of_their_kind),
        cmocka_unit_test(draws_follow_the_seed),
        cmocka_unit_test(secrets_are_hidden),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
