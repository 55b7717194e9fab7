#include "mock/auth.h"

#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <strings.h>

#include "mock/server.h"

struct span mock_auth_given(const struct mock_http *http, bool *bearer)
{
    static const char scheme[] = "Bearer ";
    struct span given = http->authorization;
    size_t len = sizeof scheme - 1;
    *bearer = given.len >= len && strncasecmp(given.data, scheme, len) == 0;
    return *bearer ? span_of(given.data + len, given.len - len) : given;
}

static bool check(const struct mock_server *server, const struct mock_http *http, bool bare,
                  struct mock_refusal *no)
{
    bool bearer;
    struct span given = mock_auth_given(http, &bearer);
    if (!server->config->api_key)
        return true;
    if (!http->authorization.len)
        return mock_refuse(no, 401, NULL, NULL,
                           "The request has no API key: send it in a header 'Authorization: Bearer "
                           "YOUR_KEY'.");
    if ((!bearer && !bare) || !span_equals(given, server->config->api_key))
        return mock_refuse(no, 401, "invalid_api_key", NULL, "Incorrect API key provided.");
    return true;
}

bool mock_auth_bearer(const struct mock_server *server, const struct mock_http *http,
                      struct mock_refusal *no)
{
    return check(server, http, false, no);
}

bool mock_auth_bare(const struct mock_server *server, const struct mock_http *http,
                    struct mock_refusal *no)
{
    return check(server, http, true, no);
}

bool mock_auth_sign(struct span key, struct span text, unsigned char mac[MOCK_MAC_BYTES])
{
    unsigned len = 0;
    return HMAC(EVP_sha256(), key.len ? key.data : "", (int)key.len,
                (const unsigned char *)(text.len ? text.data : ""), text.len, mac, &len) &&
           len == MOCK_MAC_BYTES;
}

static int sextet(char c)
{
    if (c >= 'A' && c <= 'Z')
        return c - 'A';
    if (c >= 'a' && c <= 'z')
        return c - 'a' + 26;
    if (c >= '0' && c <= '9')
        return c - '0' + 52;
    return c == '-' ? 62 : c == '_' ? 63 : -1;
}

bool mock_auth_decode(struct span text, struct buf *out)
{
    uint32_t bits = 0;
    unsigned held = 0;
    for (size_t i = 0; i < text.len; i++) {
        int value = sextet(text.data[i]);
        if (value < 0)
            return false;
        bits = (bits << 6 | (uint32_t)value) & 0xffff;
        held += 6;
        if (held < 8)
            continue;
        held -= 8;
        if (!buf_add_char(out, (char)(unsigned char)(bits >> held)))
            return false;
    }
    return held < 6 && (bits & ((1u << held) - 1)) == 0;
}
