/* How fast are texts encoded? Loads a tokenizer, then reads names of files from standard input, a
 * line each, and prints for each the seconds of CPU that its encoding took and the count of tokens.
 * The words it has met are forgotten between files.
 *
 * bench_tokens TOKENIZER      first prints the seconds of CPU that loading took */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/mem.h"
#include "token/tokenizer.h"

static struct span read_all(const char *path)
{
    FILE *file = fopen(path, "rb");
    if (!file || fseek(file, 0, SEEK_END) != 0)
        return (struct span){.data = NULL};
    size_t len = (size_t)ftell(file);
    rewind(file);
    char *bytes = mem_alloc(len + 1);
    bool ok = fread(bytes, 1, len, file) == len;
    fclose(file);
    return span_of(ok ? bytes : NULL, len);
}

static bool measure(const struct tokenizer *tokenizer, const char *path)
{
    struct err err;
    struct span text = read_all(path);
    struct tokens *tokens = tokens_new(tokenizer);
    const uint32_t *ids;
    size_t count;
    if (!text.data)
        return false;
    uint64_t begin = clock_process_cpu_ns();
    bool ok = tokens_encode(tokens, text, TOKENS_PLAIN, &ids, &count, &err);
    uint64_t end = clock_process_cpu_ns();
    if (ok)
        printf("%.9f %zu\n", (double)(end - begin) / 1e9, count);
    else
        fprintf(stderr, "%s: %s\n", path, err.text);
    fflush(stdout);
    tokens_free(tokens);
    free((char *)text.data);
    return ok;
}

int main(int argc, char **argv)
{
    struct err err;
    if (argc != 2)
        return 2;
    uint64_t begin = clock_process_cpu_ns();
    struct tokenizer *tokenizer = tokenizer_load(argv[1], &err);
    if (!tokenizer) {
        fprintf(stderr, "%s\n", err.text);
        return 1;
    }
    printf("%.9f\n", (double)(clock_process_cpu_ns() - begin) / 1e9);
    fflush(stdout);
    char line[4096];
    bool ok = true;
    while (ok && fgets(line, sizeof line, stdin)) {
        line[strcspn(line, "\n")] = 0;
        ok = measure(tokenizer, line);
    }
    tokenizer_free(tokenizer);
    return ok ? 0 : 1;
}
