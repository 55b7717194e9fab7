/* Which kind of file it is, and what a loaded tokenizer says of itself. */
#include "token/tokenizer.h"

#include <stdlib.h>
#include <sys/stat.h>

#include "base/mem.h"
#include "token/pipeline.h"
#include "token/read_file.h"
#include "wire/utf8.h"

static bool is_folder(const char *path)
{
    struct stat stat_of;
    return stat(path, &stat_of) == 0 && S_ISDIR(stat_of.st_mode);
}

/* The path's last two parts. */
static char *name_of(const char *path)
{
    const char *at = path + strlen(path);
    for (int slashes = 0; at > path; at--)
        if (at[-1] == '/' && ++slashes == 2)
            break;
    return mem_text(at);
}

/* The file in a folder: tokenizer.json, or tokenizer.model where only that is there. */
static char *find_file(const char *path)
{
    if (!is_folder(path))
        return mem_text(path);
    const char *slash = span_ends_with(span_text(path), span_text("/")) ? "" : "/";
    char *json = mem_printf("%s%stokenizer.json", path, slash);
    char *model = mem_printf("%s%stokenizer.model", path, slash);
    bool only_model = !read_file_exists(json) && read_file_exists(model);
    free(only_model ? json : model);
    return only_model ? model : json;
}

/* By the end of the file's name; what has none of these is JSON. */
static const struct {
    const char *ending;
    bool (*load)(struct tokenizer *tokenizer, struct span bytes, const char *path, struct err *err);
} kinds[] = {
    {".tiktoken", load_tiktoken},
    {".model", load_sentencepiece},
    {"", load_json},
};

/* The sentence shows what the file holds: nothing of it may steer a terminal. */
static void calm(struct err *err)
{
    if (!err)
        return;
    char *end = err->text + strlen(err->text);
    for (char *at = err->text; at < end;) {
        bool valid;
        unsigned n = utf8_step(at, end, &valid);
        if (!valid || utf8_steers(utf8_code(at, n)))
            memset(at, '?', n);
        at += n;
    }
}

static bool load_bytes(struct tokenizer *tokenizer, const char *path, struct span bytes,
                       struct err *err)
{
    size_t kind = 0;
    while (!span_ends_with(span_text(path), span_text(kinds[kind].ending)))
        kind++;
    return kinds[kind].load(tokenizer, bytes, path, err) || err_prefix(err, "%s", path);
}

struct tokenizer *tokenizer_from_bytes(const char *path, struct span bytes, struct err *err)
{
    struct tokenizer *tokenizer = MEM_NEW(struct tokenizer);
    tokenizer->name = name_of(path);
    vocabulary_init(&tokenizer->vocabulary);
    added_init(&tokenizer->added);
    if (load_bytes(tokenizer, path, bytes, err))
        return tokenizer;
    calm(err);
    tokenizer_free(tokenizer);
    return NULL;
}

struct tokenizer *tokenizer_load(const char *path, struct err *err)
{
    char *bytes, *file = find_file(path);
    size_t len;
    struct tokenizer *tokenizer = NULL;
    if (read_file(file, FILE_BYTES_MOST, &bytes, &len, err))
        tokenizer = tokenizer_from_bytes(file, span_of(bytes, len), err);
    free(bytes);
    free(file);
    return tokenizer;
}

void tokenizer_free(struct tokenizer *tokenizer)
{
    if (!tokenizer)
        return;
    for (size_t i = 0; i < tokenizer->normalizer_count; i++)
        if (tokenizer->normalizers[i].row->free)
            tokenizer->normalizers[i].row->free(tokenizer->normalizers[i].self);
    for (size_t i = 0; i < tokenizer->pretokenizer_count; i++)
        if (tokenizer->pretokenizers[i].row->free)
            tokenizer->pretokenizers[i].row->free(tokenizer->pretokenizers[i].self);
    if (tokenizer->model_self)
        tokenizer->model->free(tokenizer->model_self);
    post_fini(&tokenizer->post);
    decoder_fini(&tokenizer->decoder);
    added_fini(&tokenizer->added);
    vocabulary_fini(&tokenizer->vocabulary);
    free(tokenizer->name);
    free(tokenizer);
}

size_t tokenizer_vocabulary(const struct tokenizer *tokenizer)
{
    return added_end(&tokenizer->added, &tokenizer->vocabulary);
}

bool tokenizer_is_special(const struct tokenizer *tokenizer, uint32_t id)
{
    const struct added_token *token = added_by_id(&tokenizer->added, id);
    return token && token->special;
}

const char *tokenizer_name(const struct tokenizer *tokenizer)
{
    return tokenizer->name;
}

const char *tokenizer_kind(const struct tokenizer *tokenizer)
{
    return tokenizer->model->type;
}
