/* Drives a fuzzing target without libFuzzer: every seed as it is, then a number of mutations of
 * them, the same ones each time.
 *
 *     fuzz_NAME ITERATIONS 'PATTERN OF SEED FILES'…
 */
#include "fuzz.h"

#include <glob.h>

#include "base/mem.h"
#include "base/rng.h"

enum { MAX_INPUT = 8192, MAX_EDITS = 8 };

struct seeds {
    struct span *items; /* each owns its bytes */
    size_t count;
};

static struct span read_seed(const char *path)
{
    FILE *stream = fopen(path, "rb");
    if (!stream)
        return span_of(NULL, 0);
    char *bytes = mem_alloc(MAX_INPUT);
    size_t len = fread(bytes, 1, MAX_INPUT, stream);
    fclose(stream);
    return span_of(bytes, len);
}

static struct seeds read_seeds(char *const *patterns, int count)
{
    struct seeds seeds = {.count = 0};
    glob_t found;
    for (int i = 0; i < count; i++)
        if (glob(patterns[i], i ? GLOB_APPEND : 0, NULL, &found) != 0)
            return seeds;
    seeds.items = mem_zero(found.gl_pathc, sizeof *seeds.items);
    for (size_t i = 0; i < found.gl_pathc; i++)
        seeds.items[seeds.count++] = read_seed(found.gl_pathv[i]);
    globfree(&found);
    return seeds;
}

static void free_seeds(struct seeds *seeds)
{
    for (size_t i = 0; i < seeds->count; i++)
        free((char *)seeds->items[i].data);
    free(seeds->items);
}

/* ---- mutations of an input of at most MAX_INPUT bytes ---- */

struct input {
    char bytes[MAX_INPUT];
    size_t len;
};

static void insert(struct input *input, struct rng *rng, const char *bytes, size_t len)
{
    size_t at = rng_below(rng, input->len + 1);
    if (len > MAX_INPUT - input->len)
        len = MAX_INPUT - input->len;
    memmove(input->bytes + at + len, input->bytes + at, input->len - at);
    memcpy(input->bytes + at, bytes, len);
    input->len += len;
}

static void insert_word(struct input *input, struct rng *rng)
{
    static const char *const words[] = {
        "\n",       "\r",
        "\r\n",     "\n\n",
        "data:",    "data: ",
        "event: ",  "id: ",
        "retry: ",  ": ",
        ":",        "\xef\xbb\xbf",
        "{",        "}",
        "[",        "]",
        ",",        "\"",
        "\\",       "\\u0000",
        "\\ud83d",  "\\ude00",
        "\\n",      "null",
        "true",     "-",
        "0",        "1.5",
        "e+7",      "9007199254740993",
        "{\"a\":",  "[[[[[[[[",
        "\xc3\xa9", "\xf0\x9f\x98\x80",
        "\xe4\xb8", "\xed\xa0\x80",
        " ",        "\t",
    };
    const char *word = words[rng_below(rng, sizeof words / sizeof *words)];
    insert(input, rng, word, strlen(word));
}

static void change_byte(struct input *input, struct rng *rng)
{
    if (input->len > 0)
        input->bytes[rng_below(rng, input->len)] = (char)rng_below(rng, 256);
}

static void remove_range(struct input *input, struct rng *rng)
{
    if (input->len == 0)
        return;
    size_t at = rng_below(rng, input->len), longest = input->len - at;
    size_t len = 1 + rng_below(rng, longest < 16 ? longest : 16);
    memmove(input->bytes + at, input->bytes + at + len, longest - len);
    input->len -= len;
}

static void repeat_range(struct input *input, struct rng *rng)
{
    if (input->len == 0)
        return;
    char copy[32];
    size_t at = rng_below(rng, input->len), longest = input->len - at;
    size_t len = 1 + rng_below(rng, longest < sizeof copy ? longest : sizeof copy);
    memcpy(copy, input->bytes + at, len);
    insert(input, rng, copy, len);
}

static void mutate(struct input *input, struct rng *rng)
{
    static void (*const edits[])(struct input *, struct rng *) = {
        insert_word, insert_word, change_byte, remove_range, repeat_range};
    for (uint64_t n = 1 + rng_below(rng, MAX_EDITS); n > 0; n--)
        edits[rng_below(rng, sizeof edits / sizeof *edits)](input, rng);
}

/* ---- the run ---- */

static void run(const char *bytes, size_t len)
{
    LLVMFuzzerTestOneInput((const uint8_t *)bytes, len);
}

int main(int argc, char **argv)
{
    if (argc < 3) {
        fprintf(stderr, "usage: %s ITERATIONS 'PATTERN OF SEED FILES'…\n", argv[0]);
        return 2;
    }
    struct seeds seeds = read_seeds(argv + 2, argc - 2);
    if (seeds.count == 0) {
        fprintf(stderr, "%s: one of the patterns matches no seed\n", argv[0]);
        return 2;
    }
    unsigned long long iterations = strtoull(argv[1], NULL, 10);
    struct rng rng;
    rng_init(&rng, 1);
    for (size_t i = 0; i < seeds.count; i++)
        run(seeds.items[i].data, seeds.items[i].len);
    for (unsigned long long i = 0; i < iterations; i++) {
        struct span seed = seeds.items[rng_below(&rng, seeds.count)];
        struct input input = {.len = seed.len};
        if (seed.len > 0)
            memcpy(input.bytes, seed.data, seed.len);
        mutate(&input, &rng);
        run(input.bytes, input.len);
    }
    printf("%zu seeds, %llu mutations: all as they should be\n", seeds.count, iterations);
    free_seeds(&seeds);
    return 0;
}
