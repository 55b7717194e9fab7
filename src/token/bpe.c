/* Byte-pair encoding as tokenizer.json has it: vocabulary, merges, what to do with the unknown. */
#include "token/bpe.h"

#include <stdio.h>
#include <stdlib.h>

#include "base/mem.h"
#include "token/byte_level.h"
#include "token/chars.h"
#include "token/vocabulary_load.h"

enum { TOKEN_BYTES_MOST = 1 << 20 };

void bpe_free(void *self)
{
    struct bpe *bpe = self;
    if (bpe->whole)
        vocabulary_fini(bpe->whole);
    free(bpe->whole);
    free(bpe->merges);
    free(bpe->prefix);
    free(bpe->suffix);
    free(bpe);
}

/* ---- merges ---- */

void bpe_make_merges(struct bpe *bpe, size_t count)
{
    size_t slots = 16;
    while (slots < count * 2)
        slots *= 2;
    bpe->merges = mem_alloc(slots * sizeof *bpe->merges);
    bpe->merge_mask = slots - 1;
    for (size_t i = 0; i < slots; i++)
        bpe->merges[i].left = VOCABULARY_NONE;
}

void bpe_put_merge(struct bpe *bpe, struct bpe_merge merge)
{
    size_t i = hash_pair(merge.left, merge.right) & bpe->merge_mask;
    while (bpe->merges[i].left != VOCABULARY_NONE &&
           (bpe->merges[i].left != merge.left || bpe->merges[i].right != merge.right))
        i = (i + 1) & bpe->merge_mask;
    bpe->merges[i] = merge;
}

/* "a b", or ["a", "b"]. */
static bool read_pair(const struct node *node, struct span *left, struct span *right)
{
    if (node->token == JSON_STRING) {
        struct span text = node_text(node);
        const char *blank = text.len ? memchr(text.data, ' ', text.len) : NULL;
        if (!blank)
            return false;
        *left = span_of(text.data, (size_t)(blank - text.data));
        *right = span_of(blank + 1, text.len - left->len - 1);
        return left->len && right->len && !memchr(right->data, ' ', right->len);
    }
    if (node->token != JSON_ARRAY_BEGIN || node->count != 2 || node[1].token != JSON_STRING ||
        node[2].token != JSON_STRING)
        return false;
    *left = node_text(&node[1]);
    *right = node_text(&node[2]);
    return left->len && right->len;
}

static bool find_token(const struct bpe *bpe, struct span text, uint32_t rank, uint32_t *id,
                       struct err *err)
{
    *id = vocabulary_find(bpe->vocabulary, text);
    return *id != VOCABULARY_NONE ||
           err_set(err, "merge %u needs \"%.*s\", which the vocabulary lacks", rank, SHOWN(text));
}

static bool add_merge(struct bpe *bpe, const struct node *node, uint32_t rank, struct buf *joined,
                      struct err *err)
{
    struct span left, right;
    struct bpe_merge merge = {.rank = rank};
    size_t prefix = bpe->prefix ? strlen(bpe->prefix) : 0;
    if (!read_pair(node, &left, &right) || right.len <= prefix)
        return err_set(err, "merge %u is not two tokens", rank);
    buf_clear(joined);
    buf_add_span(joined, left);
    if (!buf_add(joined, right.data + prefix, right.len - prefix))
        return err_set(err, "merge %u makes a token longer than %d bytes", rank, TOKEN_BYTES_MOST);
    if (!find_token(bpe, left, rank, &merge.left, err) ||
        !find_token(bpe, right, rank, &merge.right, err) ||
        !find_token(bpe, buf_span(joined), rank, &merge.id, err))
        return false;
    bpe_put_merge(bpe, merge);
    return true;
}

static bool load_merges(struct bpe *bpe, const struct node *model, struct err *err)
{
    const struct node *list = node_get(model, "merges");
    if (!node_is(list, JSON_ARRAY_BEGIN))
        return err_set(err, "BPE.merges must be a list");
    struct buf joined;
    buf_init(&joined, TOKEN_BYTES_MOST);
    bpe_make_merges(bpe, list->count);
    uint32_t rank = 0;
    bool ok = true;
    for (const struct node *at = node_first(list); at && ok; at = node_next(list, at))
        ok = add_merge(bpe, at, rank++, &joined, err);
    buf_fini(&joined);
    return ok;
}

/* ---- where long pieces may be cut ---- */

static uint32_t last_char(struct span text)
{
    const char *at = text.data + text.len - 1;
    while (at > text.data && ((unsigned char)*at & 0xc0) == 0x80)
        at--;
    return char_next(&at);
}

static bool begins_with_sign(struct span text)
{
    return text.len >= 3 && memcmp(text.data, BPE_SIGN, 3) == 0;
}

/* False: cutting there would be wrong after too many characters. */
static bool allow_for(struct bpe *bpe, const struct bpe_merge *merge)
{
    if (merge->left == bpe->unknown || merge->right == bpe->unknown)
        return false;
    for (unsigned byte = 0; byte < 256 && bpe->byte_fallback; byte++)
        if (merge->left == bpe->bytes[byte] || merge->right == bpe->bytes[byte])
            return false;
    if (!begins_with_sign(vocabulary_text(bpe->vocabulary, merge->right)))
        return true;
    uint32_t code = last_char(vocabulary_text(bpe->vocabulary, merge->left));
    if (code == 0x2581)
        return true;
    for (size_t i = 0; i < bpe->joined_count; i++)
        if (bpe->joined[i] == code)
            return true;
    if (bpe->joined_count == BPE_CUT_MOST)
        return false;
    bpe->joined[bpe->joined_count++] = code;
    return true;
}

/* False: what stands beside a character that is left out would come together. */
static bool leaves_nothing_out(const struct bpe *bpe)
{
    bool bytes = bpe->byte_fallback;
    for (unsigned byte = 0; byte < 256 && bytes; byte++)
        bytes = bpe->bytes[byte] != VOCABULARY_NONE;
    return bytes || bpe->unknown != VOCABULARY_NONE;
}

static void find_cuts(struct bpe *bpe)
{
    bpe->cuts = !bpe->byte_level && !bpe->ignore_merges && !bpe->prefix && !bpe->suffix &&
                leaves_nothing_out(bpe) &&
                vocabulary_find(bpe->vocabulary, span_text(BPE_SIGN)) != VOCABULARY_NONE;
    for (size_t i = 0; bpe->cuts && i <= bpe->merge_mask; i++)
        if (bpe->merges[i].left != VOCABULARY_NONE)
            bpe->cuts = allow_for(bpe, &bpe->merges[i]);
}

/* ---- bytes ---- */

static void find_bytes(struct bpe *bpe)
{
    for (unsigned byte = 0; byte < 256; byte++) {
        char code[8];
        int len = snprintf(code, sizeof code, "<0x%02X>", byte);
        bpe->bytes[byte] = vocabulary_find(bpe->vocabulary, span_of(code, (size_t)len));
    }
}

bool bpe_find_alphabet(struct bpe *bpe)
{
    bool all = true;
    for (unsigned byte = 0; byte < 256; byte++) {
        struct buf text;
        char plain = (char)byte;
        buf_init(&text, 4);
        byte_level_write(&text, span_of(&plain, 1));
        bpe->bytes[byte] = vocabulary_find(bpe->vocabulary, buf_span(&text));
        all = all && bpe->bytes[byte] != VOCABULARY_NONE;
        buf_fini(&text);
    }
    return all;
}

/* Tokens that are not of the alphabet can stand in no piece. */
bool bpe_find_whole(struct bpe *bpe, struct err *err)
{
    struct buf bytes;
    bool ok = true;
    buf_init(&bytes, VOCABULARY_MAX_BYTES);
    bpe->whole = MEM_NEW(struct vocabulary);
    vocabulary_init(bpe->whole);
    vocabulary_expect(bpe->whole, bpe->vocabulary->count);
    for (uint32_t id = 0; id < bpe->vocabulary->count && ok; id++) {
        buf_clear(&bytes);
        if (vocabulary_has(bpe->vocabulary, id) &&
            byte_level_read(&bytes, vocabulary_text(bpe->vocabulary, id)))
            ok = vocabulary_add(bpe->whole, "BPE.vocab", buf_span(&bytes), id, err);
    }
    buf_fini(&bytes);
    return ok;
}

/* ---- the whole ---- */

static bool load_affix(const struct node *node, const char *name, char **affix, struct err *err)
{
    struct span text = {0};
    if (!node_string(node, "BPE", name, &text, err))
        return false;
    if (text.len && memchr(text.data, '\0', text.len))
        return err_set(err, "BPE.%s holds a NUL", name);
    *affix = text.len ? mem_copy(text.data, text.len) : NULL;
    return true;
}

static bool load_unknown(struct bpe *bpe, const struct node *node, struct err *err)
{
    struct span unknown = {0};
    bpe->unknown = VOCABULARY_NONE;
    if (!node_string(node, "BPE", "unk_token", &unknown, err))
        return false;
    if (!node_get(node, "unk_token"))
        return true;
    bpe->unknown = vocabulary_find(bpe->vocabulary, unknown);
    return bpe->unknown != VOCABULARY_NONE ||
           err_set(err, "BPE.unk_token is \"%.*s\", which the vocabulary lacks", SHOWN(unknown));
}

static bool load_options(struct bpe *bpe, const struct node *node, struct err *err)
{
    const struct node *dropout = node_get(node, "dropout");
    if (dropout && (dropout->token != JSON_NUMBER || json_number(node_text(dropout)) != 0))
        return err_set(err, "BPE.dropout is not supported: the same text would have other tokens "
                            "each time");
    return node_flag(node, "BPE", "fuse_unk", &bpe->fuse_unknown, err) &&
           node_flag(node, "BPE", "byte_fallback", &bpe->byte_fallback, err) &&
           node_flag(node, "BPE", "ignore_merges", &bpe->ignore_merges, err) &&
           load_affix(node, "continuing_subword_prefix", &bpe->prefix, err) &&
           load_affix(node, "end_of_word_suffix", &bpe->suffix, err);
}

static bool load_all(struct bpe *bpe, const struct model_load *load, struct err *err)
{
    static const char known[] = "type dropout unk_token continuing_subword_prefix "
                                "end_of_word_suffix fuse_unk byte_fallback ignore_merges vocab "
                                "merges";
    const struct node *node = load->node;
    if (!node_check(node, "BPE", known, err) || !load_options(bpe, node, err) ||
        !vocabulary_load(load->vocabulary, node, "BPE", err) || !load_unknown(bpe, node, err))
        return false;
    /* a vocabulary without some byte, or with affixes, wants characters */
    bpe->byte_level = load->byte_level && !bpe->prefix && !bpe->suffix && !bpe->byte_fallback &&
                      bpe_find_alphabet(bpe);
    if (!bpe->byte_level)
        find_bytes(bpe);
    if (!load_merges(bpe, node, err))
        return false;
    find_cuts(bpe);
    return !bpe->byte_level || !bpe->ignore_merges || bpe_find_whole(bpe, err);
}

static void *bpe_load(const struct model_load *load, struct err *err)
{
    struct bpe *bpe = MEM_NEW(struct bpe);
    bpe->vocabulary = load->vocabulary;
    if (load_all(bpe, load, err))
        return bpe;
    bpe_free(bpe);
    return NULL;
}

static bool bpe_takes_bytes(const void *self)
{
    const struct bpe *bpe = self;
    return bpe->byte_level;
}

const struct model_row model_bpe = {
    .type = "BPE",
    .load = bpe_load,
    .free = bpe_free,
    .work_new = bpe_work_new,
    .work_free = bpe_work_free,
    .takes_bytes = bpe_takes_bytes,
    .encode = bpe_encode,
};
