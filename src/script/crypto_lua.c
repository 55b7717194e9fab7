/* The module `crypto`, over OpenSSL's libcrypto. Results are Lua strings of bytes or text. */
#include <limits.h>
#include <stdlib.h>
#include <string.h>

#include <openssl/evp.h>
#include <openssl/hmac.h>

#include "script/modules.h"
#include "script/state.h"

/* Encoded text stays within the int that libcrypto counts with. */
enum { DATA_LIMIT = INT_MAX / 2 };

static struct span data_argument(lua_State *lua, int index)
{
    luaL_checktype(lua, index, LUA_TSTRING);
    struct span data = lua_span(lua, index);
    if (data.len > DATA_LIMIT)
        throw_error(lua, "%zu bytes are more than the %d that crypto takes at once", data.len,
                    (int)DATA_LIMIT);
    return data;
}

static const unsigned char *bytes_of(struct span data)
{
    return (const unsigned char *)(data.len ? data.data : "");
}

static int refuse(lua_State *lua, const char *sentence)
{
    lua_pushnil(lua);              // -- nil
    lua_pushstring(lua, sentence); // -- nil message
    return 2;
}

/* ---- digests ---- */

static int push_digest(lua_State *lua, const EVP_MD *kind)
{
    struct span data = data_argument(lua, 1);
    unsigned char digest[EVP_MAX_MD_SIZE];
    unsigned len = 0;
    if (!EVP_Digest(bytes_of(data), data.len, digest, &len, kind, NULL))
        throw_error(lua, "libcrypto has no %s", EVP_MD_get0_name(kind));
    lua_pushlstring(lua, (const char *)digest, len); // -- digest
    return 1;
}

static int push_code(lua_State *lua, const EVP_MD *kind)
{
    struct span key = data_argument(lua, 1), data = data_argument(lua, 2);
    unsigned char code[EVP_MAX_MD_SIZE];
    unsigned len = 0;
    if (!HMAC(kind, bytes_of(key), (int)key.len, bytes_of(data), data.len, code, &len))
        throw_error(lua, "libcrypto has no HMAC with %s", EVP_MD_get0_name(kind));
    lua_pushlstring(lua, (const char *)code, len); // -- code
    return 1;
}

int crypto_lua_sha256(lua_State *lua)
{
    return push_digest(lua, EVP_sha256());
}

int crypto_lua_sha512(lua_State *lua)
{
    return push_digest(lua, EVP_sha512());
}

int crypto_lua_sha1(lua_State *lua)
{
    return push_digest(lua, EVP_sha1());
}

int crypto_lua_md5(lua_State *lua)
{
    return push_digest(lua, EVP_md5());
}

int crypto_lua_hmac_sha256(lua_State *lua)
{
    return push_code(lua, EVP_sha256());
}

int crypto_lua_hmac_sha512(lua_State *lua)
{
    return push_code(lua, EVP_sha512());
}

int crypto_lua_hmac_sha1(lua_State *lua)
{
    return push_code(lua, EVP_sha1());
}

/* ---- base64 ---- */

enum { PLAIN_62 = '+', PLAIN_63 = '/', URL_62 = '-', URL_63 = '_' };

/* The scratch buffer with the text in the plain alphabet, padded. */
static struct buf *encode(lua_State *lua)
{
    struct span data = data_argument(lua, 1);
    struct buf *text = &script_of(lua)->text;
    buf_clear(text);
    char *room = buf_reserve(text, (data.len + 2) / 3 * 4 + 1);
    if (!room)
        throw_error(lua, "%zu bytes are too many for a base64 text", data.len);
    text->len = (size_t)EVP_EncodeBlock((unsigned char *)room, bytes_of(data), (int)data.len);
    return text;
}

int crypto_lua_base64(lua_State *lua)
{
    push_span(lua, buf_span(encode(lua))); // -- text
    return 1;
}

int crypto_lua_base64url(lua_State *lua)
{
    struct buf *text = encode(lua);
    while (text->len > 0 && text->data[text->len - 1] == '=')
        text->len--;
    for (size_t i = 0; i < text->len; i++)
        if (text->data[i] == PLAIN_62)
            text->data[i] = URL_62;
        else if (text->data[i] == PLAIN_63)
            text->data[i] = URL_63;
    push_span(lua, buf_span(text)); // -- text
    return 1;
}

static bool is_digit(char c, char digit_62, char digit_63)
{
    return (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') ||
           c == digit_62 || c == digit_63;
}

/* Puts the text into the scratch buffer in the plain alphabet, padded; false: it is no base64.
 * libcrypto would take white space and padding in odd places. */
static bool normalise(struct span text, char digit_62, char digit_63, bool padded, struct buf *out)
{
    size_t digits = text.len;
    while (digits > 0 && text.len - digits < 2 && text.data[digits - 1] == '=')
        digits--;
    if (digits % 4 == 1 || ((padded || digits < text.len) && text.len % 4 != 0))
        return false;
    buf_clear(out);
    for (size_t i = 0; i < digits; i++) {
        char c = text.data[i];
        if (!is_digit(c, digit_62, digit_63))
            return false;
        buf_add_char(out, c == digit_62 ? (char)PLAIN_62 : c == digit_63 ? (char)PLAIN_63 : c);
    }
    while (out->len % 4 != 0)
        buf_add_char(out, '=');
    return !out->full;
}

static int decode(lua_State *lua, char digit_62, char digit_63, bool padded)
{
    struct span text = data_argument(lua, 1);
    struct buf *scratch = &script_of(lua)->text;
    if (!normalise(text, digit_62, digit_63, padded, scratch))
        return refuse(lua, "this is no base64 text");
    size_t coded = scratch->len, padding = 0;
    while (padding < coded && scratch->data[coded - 1 - padding] == '=')
        padding++;
    char *room = buf_reserve(scratch, coded + 1);
    if (!room)
        throw_error(lua, "%zu characters are too many for a base64 text", text.len);
    const unsigned char *from = (const unsigned char *)scratch->data;
    int len = coded ? EVP_DecodeBlock((unsigned char *)room, from, (int)coded) : 0;
    if (len < 0 || (size_t)len < padding)
        return refuse(lua, "this is no base64 text");
    lua_pushlstring(lua, room, (size_t)len - padding); // -- data
    return 1;
}

int crypto_lua_unbase64(lua_State *lua)
{
    return decode(lua, PLAIN_62, PLAIN_63, true);
}

int crypto_lua_unbase64url(lua_State *lua)
{
    return decode(lua, URL_62, URL_63, false);
}

/* ---- hex ---- */

int crypto_lua_hex(lua_State *lua)
{
    static const char digits[] = "0123456789abcdef";
    struct span data = data_argument(lua, 1);
    struct buf *text = &script_of(lua)->text;
    buf_clear(text);
    for (size_t i = 0; i < data.len; i++) {
        unsigned char byte = (unsigned char)data.data[i];
        buf_add_char(text, digits[byte >> 4]);
        buf_add_char(text, digits[byte & 15]);
    }
    if (text->full)
        throw_error(lua, "%zu bytes are too many for a hex text", data.len);
    push_span(lua, buf_span(text)); // -- text
    return 1;
}

int crypto_lua_unhex(lua_State *lua)
{
    struct span text = data_argument(lua, 1);
    struct buf *out = &script_of(lua)->text;
    buf_clear(out);
    if (text.len % 2 != 0)
        return refuse(lua, "a hex text has two digits for each byte");
    for (size_t i = 0; i < text.len; i += 2) {
        int high = OPENSSL_hexchar2int((unsigned char)text.data[i]);
        int low = OPENSSL_hexchar2int((unsigned char)text.data[i + 1]);
        if (high < 0 || low < 0)
            return refuse(lua, "this is no hex text");
        buf_add_char(out, (char)(high << 4 | low));
    }
    push_span(lua, buf_span(out)); // -- data
    return 1;
}
