/* tokenizer.json, and tokenizer_config.json beside it. */
#include <stdlib.h>

#include "base/mem.h"
#include "token/pipeline.h"
#include "token/pretokenizers.h"
#include "token/read_file.h"
#include "token/regex.h"

/* ---- sequences: their parts one after the other, however they are nested ---- */

struct sequence {
    const char *what; /* "normalizer" */
    const char *list; /* the key under which a Sequence has its parts */
    bool (*add)(struct tokenizer *tokenizer, const struct node *node, struct span type,
                struct err *err);
};

static bool load_sequence(struct tokenizer *tokenizer, const struct sequence *sequence,
                          const struct node *node, struct err *err)
{
    struct span type = {0};
    if (!node)
        return true;
    if (!node_is(node, JSON_OBJECT_BEGIN))
        return err_set(err, "%s must be an object or null", sequence->what);
    if (!node_string(node, sequence->what, "type", &type, err))
        return false;
    if (!span_equals(type, "Sequence"))
        return sequence->add(tokenizer, node, type, err);
    const struct node *list = node_get(node, sequence->list);
    if (!node_is(list, JSON_ARRAY_BEGIN))
        return err_set(err, "the %s Sequence has no list \"%s\"", sequence->what, sequence->list);
    for (const struct node *at = node_first(list); at; at = node_next(list, at))
        if (!load_sequence(tokenizer, sequence, at, err))
            return false;
    return true;
}

static bool too_many(const char *what, struct err *err)
{
    return err_set(err, "it has more than %d steps of the kind %s", STEPS_MOST, what);
}

static bool add_normalizer(struct tokenizer *tokenizer, const struct node *node, struct span type,
                           struct err *err)
{
    const struct normalizer_row *row = normalizer_find(type);
    if (!row)
        return err_set(err, "the normalizer \"%.*s\" is not supported", SHOWN(type));
    if (tokenizer->normalizer_count == STEPS_MOST)
        return too_many("normalizer", err);
    void *self = row->load(node, err);
    if (self)
        tokenizer->normalizers[tokenizer->normalizer_count++] = (struct normalizer_step){row, self};
    return self;
}

static bool is_byte_level(const struct pretokenizer_step *step)
{
    return step->row->run == byte_level_split;
}

/* A byte-level step that is not the last has to change the text for those behind it. */
static bool add_map(struct tokenizer *tokenizer, struct err *err)
{
    size_t count = tokenizer->pretokenizer_count;
    if (count == 0 || !is_byte_level(&tokenizer->pretokenizers[count - 1]))
        return true;
    if (count == STEPS_MOST)
        return too_many("pre_tokenizer", err);
    tokenizer->pretokenizers[tokenizer->pretokenizer_count++] =
        (struct pretokenizer_step){&byte_level_map, NULL};
    return true;
}

static bool add_pretokenizer(struct tokenizer *tokenizer, const struct node *node, struct span type,
                             struct err *err)
{
    const struct pretokenizer_row *row = pretokenizer_find(type);
    if (!row)
        return err_set(err, "the pre_tokenizer \"%.*s\" is not supported", SHOWN(type));
    if (!add_map(tokenizer, err))
        return false;
    if (tokenizer->pretokenizer_count == STEPS_MOST)
        return too_many("pre_tokenizer", err);
    void *self = row->load(node, err);
    if (self)
        tokenizer->pretokenizers[tokenizer->pretokenizer_count++] =
            (struct pretokenizer_step){row, self};
    return self;
}

/* ---- the model ---- */

static bool load_model(struct tokenizer *tokenizer, const struct node *node, struct err *err)
{
    struct span type = {0};
    if (!node_is(node, JSON_OBJECT_BEGIN))
        return err_set(err, "it has no object \"model\"");
    if (!node_string(node, "model", "type", &type, err))
        return false;
    /* old files do not name it; only one kind has merges */
    if (!type.len && node_get(node, "merges"))
        type = span_text("BPE");
    const struct model_row *row = model_find(type);
    if (!row)
        return err_set(err, "the model \"%.*s\" is not supported", SHOWN(type));
    size_t count = tokenizer->pretokenizer_count;
    bool mapped = false;
    for (size_t i = 0; i < count; i++)
        mapped = mapped || tokenizer->pretokenizers[i].row == &byte_level_map;
    bool last = count > 0 && is_byte_level(&tokenizer->pretokenizers[count - 1]);
    struct model_load load = {
        .node = node,
        .vocabulary = &tokenizer->vocabulary,
        .byte_level = last && !mapped,
    };
    tokenizer->model_self = row->load(&load, err);
    tokenizer->model = row;
    if (!tokenizer->model_self)
        return false;
    return (row->takes_bytes && row->takes_bytes(tokenizer->model_self)) || add_map(tokenizer, err);
}

/* ---- added tokens ---- */

struct normalizing {
    const struct tokenizer *tokenizer;
    struct regex_work *regexes;
    struct buf buffers[2];
};

static bool normalize_added(void *arg, struct span text, struct span *out, struct err *err)
{
    struct normalizing *normalizing = arg;
    return pipeline_normalize(normalizing->tokenizer, normalizing->regexes, text,
                              normalizing->buffers, out, err);
}

static bool finish_added(struct tokenizer *tokenizer, struct err *err)
{
    struct normalizing normalizing = {.tokenizer = tokenizer, .regexes = regex_work_new()};
    struct added_normalizer normalizer = {.normalize = normalize_added, .arg = &normalizing};
    buf_init(&normalizing.buffers[0], TOKEN_MAX_TEXT);
    buf_init(&normalizing.buffers[1], TOKEN_MAX_TEXT);
    bool ok = added_finish(&tokenizer->added, &normalizer, err);
    buf_fini(&normalizing.buffers[0]);
    buf_fini(&normalizing.buffers[1]);
    regex_work_free(normalizing.regexes);
    return ok;
}

static bool load_config_tree(struct tokenizer *tokenizer, const struct tree *tree, struct err *err)
{
    if (!node_is(tree_root(tree), JSON_OBJECT_BEGIN))
        return err_set(err, "it must be an object");
    return added_load_config(&tokenizer->added, &tokenizer->vocabulary, tree_root(tree), err);
}

/* No config is no error. */
static bool load_config(struct tokenizer *tokenizer, const char *folder, struct err *err)
{
    char *path = mem_printf("%s/tokenizer_config.json", folder);
    char *bytes = NULL;
    size_t len;
    bool ok = true;
    if (read_file_exists(path)) {
        struct tree tree = {.nodes = NULL};
        ok = read_file(path, FILE_BYTES_MOST, &bytes, &len, err) &&
             ((tree_read(&tree, span_of(bytes, len), err) &&
               load_config_tree(tokenizer, &tree, err)) ||
              err_prefix(err, "%s", path));
        tree_fini(&tree);
    }
    free(bytes);
    free(path);
    return ok;
}

/* ---- the whole ---- */

static bool load_before(struct tokenizer *tokenizer, const struct node *root, struct err *err)
{
    static const struct sequence normalizers = {"normalizer", "normalizers", add_normalizer};
    static const struct sequence pretokenizers = {"pre_tokenizer", "pretokenizers",
                                                  add_pretokenizer};
    static const char known[] = "version truncation padding added_tokens normalizer pre_tokenizer "
                                "post_processor decoder model";
    return node_check(root, "the file", known, err) &&
           load_sequence(tokenizer, &normalizers, node_get(root, "normalizer"), err) &&
           load_sequence(tokenizer, &pretokenizers, node_get(root, "pre_tokenizer"), err);
}

/* `folder` NULL: there is no config. */
static bool load_added(struct tokenizer *tokenizer, const struct node *root, const char *folder,
                       struct err *err)
{
    const struct node *added = node_get(root, "added_tokens");
    return (!added || added_load(&tokenizer->added, &tokenizer->vocabulary, added, err)) &&
           (!folder || load_config(tokenizer, folder, err)) && finish_added(tokenizer, err);
}

static bool load_behind(struct tokenizer *tokenizer, const struct node *root, struct err *err)
{
    return post_load(&tokenizer->post, node_get(root, "post_processor"), err) &&
           decoder_load(&tokenizer->decoder, node_get(root, "decoder"), err);
}

static bool load_tree(struct tokenizer *tokenizer, const struct node *root, const char *folder,
                      struct err *err)
{
    return load_before(tokenizer, root, err) &&
           load_model(tokenizer, node_get(root, "model"), err) &&
           load_added(tokenizer, root, folder, err) && load_behind(tokenizer, root, err);
}

bool load_parts(struct tokenizer *tokenizer, struct span bytes, struct err *err)
{
    struct tree tree;
    bool ok = tree_read(&tree, bytes, err) && load_before(tokenizer, tree_root(&tree), err) &&
              load_added(tokenizer, tree_root(&tree), NULL, err) &&
              load_behind(tokenizer, tree_root(&tree), err);
    tree_fini(&tree);
    return ok;
}

static char *folder_of(const char *path)
{
    const char *slash = strrchr(path, '/');
    return slash ? mem_copy(path, (size_t)(slash - path)) : mem_text(".");
}

bool load_json(struct tokenizer *tokenizer, struct span bytes, const char *path, struct err *err)
{
    struct tree tree;
    char *folder = folder_of(path);
    bool ok = tree_read(&tree, bytes, err) && load_tree(tokenizer, tree_root(&tree), folder, err);
    tree_fini(&tree);
    free(folder);
    return ok;
}
