/* What a tokenizer is once it is loaded: its parts in the order in which a text passes them. */
#pragma once

#include "token/added.h"
#include "token/decoders.h"
#include "token/model.h"
#include "token/post.h"
#include "token/tokenizer.h"

enum { STEPS_MOST = 64, FILE_BYTES_MOST = 512 * 1024 * 1024 };

struct normalizer_step {
    const struct normalizer_row *row;
    void *self;
};

struct pretokenizer_step {
    const struct pretokenizer_row *row;
    void *self;
};

struct tokenizer {
    char *name;
    struct normalizer_step normalizers[STEPS_MOST];
    struct pretokenizer_step pretokenizers[STEPS_MOST];
    size_t normalizer_count, pretokenizer_count;
    struct added added;
    struct vocabulary vocabulary; /* the model's */
    const struct model_row *model;
    void *model_self;
    struct post post;
    struct decoder decoder;
};

/* Runs all normalizers over a text that is not empty. *out is `text` itself when there are none,
 * else it lives in one of the two buffers (pipeline.c). */
bool pipeline_normalize(const struct tokenizer *tokenizer, struct regex_work *regexes,
                        struct span text, struct buf buffers[2], struct span *out,
                        struct err *err) MUST_CHECK;

/* As tokenizer_load, of a file's bytes; its path says of which kind it is, and where a
 * tokenizer_config.json may be. */
struct tokenizer *tokenizer_from_bytes(const char *path, struct span bytes, struct err *err);

/* The kinds of files; each fills an empty tokenizer. `path` is the file's. */
bool load_json(struct tokenizer *tokenizer, struct span bytes, const char *path,
               struct err *err) MUST_CHECK; /* load_json.c */
bool load_tiktoken(struct tokenizer *tokenizer, struct span bytes, const char *path,
                   struct err *err) MUST_CHECK; /* load_tiktoken.c */
bool load_sentencepiece(struct tokenizer *tokenizer, struct span bytes, const char *path,
                        struct err *err) MUST_CHECK; /* load_sentencepiece.c */
/* All parts but the model, which is there already, from a text like tokenizer.json. */
bool load_parts(struct tokenizer *tokenizer, struct span bytes, struct err *err) MUST_CHECK;
