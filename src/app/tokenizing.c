#include "app/tokenizing.h"

#include <openssl/evp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "model/run_spec.h"
#include "token/tokenizer.h"

/* ---- what scripts are lent ---- */

static void *lent_open(const void *arg)
{
    return tokens_new(arg);
}

static void lent_close(void *tokens)
{
    tokens_free(tokens);
}

static bool lent_encode(void *tokens, struct span text, bool special, const uint32_t **ids,
                        size_t *count, struct err *err)
{
    return tokens_encode(tokens, text, special ? TOKENS_SPECIAL : TOKENS_PLAIN, ids, count, err);
}

static bool lent_decode(void *tokens, const uint32_t *ids, size_t count, bool special,
                        struct buf *out, struct err *err)
{
    return tokens_decode(tokens, ids, count, special, out, err);
}

static struct script_tokenizer lent(const struct tokenizer *tokenizer)
{
    return (struct script_tokenizer){
        .open = lent_open,
        .close = lent_close,
        .encode = lent_encode,
        .decode = lent_decode,
        .vocabulary = tokenizer_vocabulary(tokenizer),
        .arg = tokenizer,
    };
}

/* ---- what the report says ---- */

/* The file that a folder stands for. */
static FILE *open_file(const char *path)
{
    static const char *const names[] = {"/tokenizer.json", "/tokenizer.model", ""};
    FILE *file = NULL;
    for (size_t i = 0; !file && i < sizeof names / sizeof *names; i++) {
        char *whole = mem_printf("%s%s", path, names[i]);
        file = fopen(whole, "rbe");
        free(whole);
    }
    return file;
}

enum { HASH_SHOWN = 8 }; /* bytes of it */

/* Two runs with the same hash counted alike. Empty when the file is gone meanwhile. */
static void hash_of(const char *path, char out[2 * HASH_SHOWN + 1])
{
    unsigned char digest[EVP_MAX_MD_SIZE] = {0}, bytes[65536];
    EVP_MD_CTX *context = EVP_MD_CTX_new();
    FILE *file = open_file(path);
    size_t len;
    out[0] = '\0';
    bool ok = context && file && EVP_DigestInit_ex(context, EVP_sha256(), NULL);
    while (ok && (len = fread(bytes, 1, sizeof bytes, file)) > 0)
        ok = EVP_DigestUpdate(context, bytes, len);
    ok = ok && !ferror(file) && EVP_DigestFinal_ex(context, digest, NULL);
    for (size_t i = 0; ok && i < HASH_SHOWN; i++)
        snprintf(out + 2 * i, 3, "%02x", digest[i]);
    if (file)
        fclose(file);
    EVP_MD_CTX_free(context);
}

bool tokenizing_open(struct tokenizing *tokenizing, const struct run_spec *spec, struct err *err)
{
    *tokenizing = (struct tokenizing){0};
    if (!spec->tokenizer_path)
        return true;
    struct tokenizer *tokenizer = tokenizer_load(spec->tokenizer_path, err);
    if (!tokenizer)
        return err_prefix(err, "--tokenizer-path");
    char hash[2 * HASH_SHOWN + 1];
    hash_of(spec->tokenizer_path, hash);
    tokenizing->tokenizer = tokenizer;
    tokenizing->said =
        mem_printf("%s (%s, %zu entries%s%s)", tokenizer_name(tokenizer), tokenizer_kind(tokenizer),
                   tokenizer_vocabulary(tokenizer), *hash ? ", sha256 " : "", hash);
    tokenizing->words = lent(tokenizer);
    return true;
}

void tokenizing_close(struct tokenizing *tokenizing)
{
    tokenizer_free(tokenizing->tokenizer);
    free(tokenizing->said);
    *tokenizing = (struct tokenizing){0};
}
