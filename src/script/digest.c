#include "script/digest.h"

#include <errno.h>
#include <fcntl.h>
#include <openssl/evp.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/mem.h"

static EVP_MD_CTX *begin(void)
{
    EVP_MD_CTX *context = EVP_MD_CTX_new();
    EVP_DigestInit_ex(context, EVP_sha256(), NULL);
    return context;
}

static char *end(EVP_MD_CTX *context)
{
    unsigned char digest[EVP_MAX_MD_SIZE];
    unsigned len = 0;
    struct buf hex;
    buf_init(&hex, 2 * EVP_MAX_MD_SIZE + 1);
    EVP_DigestFinal_ex(context, digest, &len);
    EVP_MD_CTX_free(context);
    for (unsigned i = 0; i < len; i++)
        buf_printf(&hex, "%02x", digest[i]);
    return buf_take(&hex);
}

static bool add_file(EVP_MD_CTX *context, int fd)
{
    enum { PIECE = 1 << 18 };
    char *piece = mem_zero(PIECE, 1);
    ssize_t got;
    while ((got = read(fd, piece, PIECE)) > 0 || (got < 0 && errno == EINTR))
        if (got > 0)
            EVP_DigestUpdate(context, piece, (size_t)got);
    free(piece);
    return got == 0;
}

char *digest_of_file(const char *path)
{
    struct stat facts;
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    if (fd < 0)
        return NULL;
    EVP_MD_CTX *context = begin();
    bool ok = fstat(fd, &facts) == 0 && S_ISREG(facts.st_mode) && add_file(context, fd);
    char *hex = end(context);
    close(fd);
    if (ok)
        return hex;
    free(hex);
    return NULL;
}

char *digest_of_texts(const char *const *texts, size_t count)
{
    EVP_MD_CTX *context = begin();
    for (size_t i = 0; i < count; i++) {
        const char *text = texts[i] ? texts[i] : "";
        EVP_DigestUpdate(context, text, strlen(text) + 1);
    }
    return end(context);
}
