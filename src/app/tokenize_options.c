#include "app/tokenize_options.h"

#include <string.h>

const struct opt_row tokenize_rows[] = {
    {
        .name = "tokenizer-path",
        .type = &opt_text,
        OPT_FIELD(struct tokenize_spec, path, char *),
        .metavar = "PATH",
        .group = "Tokens",
        .help = "tokenizer.json, or a folder that holds one (what tokenizer_config.json beside it "
                "says of special tokens counts too), or a tiktoken rank file such as "
                "o200k_base.tiktoken, or a SentencePiece tokenizer.model where llmbench was built "
                "with libsentencepiece",
    },
    {
        .name = "count",
        .type = &opt_flag,
        OPT_FIELD(struct tokenize_spec, count, bool),
        .group = "Tokens",
        .help = "print how many tokens each text has in the place of their ids",
    },
    {
        .name = "special",
        .type = &opt_flag,
        OPT_FIELD(struct tokenize_spec, special, bool),
        .group = "Tokens",
        .help = "with the special tokens that the tokenizer puts before and behind a text; with "
                "--decode, write special tokens out",
    },
    {
        .name = "decode",
        .type = &opt_flag,
        OPT_FIELD(struct tokenize_spec, decode, bool),
        .group = "Tokens",
        .help = "the other way: each line of the input is a list of ids, or an object with one as "
                "\"ids\"",
    },
};
const size_t tokenize_row_count = sizeof tokenize_rows / sizeof *tokenize_rows;

static bool check(const struct tokenize_spec *spec, struct err *err)
{
    if (!spec->path)
        return err_set(err, "--tokenizer-path is missing: a tokenizer.json or its folder");
    return !spec->decode || !spec->count || err_set(err, "--count and --decode exclude each other");
}

bool tokenize_options_read(struct tokenize_options *options, int argc, char **argv, int first,
                           struct err *err)
{
    memset(&options->spec, 0, sizeof options->spec);
    opt_set_init(&options->set, tokenize_rows, tokenize_row_count, &options->spec);
    return opt_parse(&options->set, argc, argv, first, NULL, err) &&
           opt_defaults(&options->set, err) && check(&options->spec, err);
}

void tokenize_options_fini(struct tokenize_options *options)
{
    opt_set_fini(&options->set);
}
