#include "app/mock_options.h"

#include <string.h>

#define FIELD(field, type) OPT_FIELD(struct mock_spec, field, type)
#define LISTEN "Listening"
#define ANSWERS "Answers"
#define CHECKS "What it asks for"
#define FAULTS "What it does wrong"

const struct opt_row mock_rows[] = {
    {
        .name = "dialect",
        .type = &opt_choice,
        FIELD(dialect, char *),
        .fallback = "openai",
        .choices = "openai dashscope zhipu qianfan trtllm tgi ollama anthropic custom",
        .metavar = "NAME",
        .group = LISTEN,
        .help = "the API to speak; its paths and manners stand in docs/mock.md",
    },
    {
        .name = "host",
        .type = &opt_text,
        FIELD(host, char *),
        .fallback = "127.0.0.1",
        .metavar = "ADDRESS",
        .group = LISTEN,
        .help = "the address to listen on",
    },
    {
        .name = "port",
        .type = &opt_integer,
        FIELD(port, int64_t),
        .fallback = "8000",
        .min = 0,
        .max = 65535,
        .metavar = "N",
        .group = LISTEN,
        .help = "the port to listen on; 0 = any free one",
    },
    {
        .name = "ttft",
        .type = &opt_duration,
        FIELD(ttft_ns, uint64_t),
        .fallback = "50ms",
        .min = 0,
        .max = 3600,
        .metavar = "TIME",
        .group = ANSWERS,
        .help = "from the request to the first token",
    },
    {
        .name = "itl",
        .type = &opt_duration,
        FIELD(itl_ns, uint64_t),
        .fallback = "20ms",
        .min = 0,
        .max = 3600,
        .metavar = "TIME",
        .group = ANSWERS,
        .help = "from each token to the next",
    },
    {
        .name = "jitter",
        .type = &opt_share,
        FIELD(jitter, double),
        .fallback = "10%",
        .metavar = "SHARE",
        .group = ANSWERS,
        .help = "how far both times stray, evenly to either side",
    },
    {
        .name = "tokens",
        .type = &opt_integer,
        FIELD(tokens, int64_t),
        .fallback = "64",
        .min = 1,
        .max = 1000000,
        .metavar = "N",
        .group = ANSWERS,
        .help = "tokens of an answer whose request does not say max_tokens",
    },
    {
        .name = "tokenizer-path",
        .type = &opt_text,
        FIELD(tokenizer_path, char *),
        .metavar = "DIR|FILE",
        .group = ANSWERS,
        .help = "speak and count in the tokens of this tokenizer, one in each token event",
    },
    {
        .name = "usage",
        .type = &opt_choice,
        FIELD(usage, char *),
        .fallback = "on",
        .choices = "on off",
        .metavar = "WHAT",
        .group = ANSWERS,
        .help = "off: never say how many tokens there were",
    },
    {
        .name = "slots",
        .type = &opt_integer,
        FIELD(slots, int64_t),
        .fallback = "0",
        .min = 0,
        .max = 1000000,
        .metavar = "N",
        .group = ANSWERS,
        .help = "work on so many answers at once, further requests wait in line; 0 = on any number",
    },
    {
        .name = "seed",
        .type = &opt_integer,
        FIELD(seed, int64_t),
        .fallback = "0",
        .min = 0,
        .max = 9e15,
        .metavar = "N",
        .group = ANSWERS,
        .help = "the seed of the jitter and of the texts",
    },
    {
        .name = "max-request-bytes",
        .type = &opt_size,
        FIELD(max_request_bytes, uint64_t),
        .fallback = "64MiB",
        .min = 1,
        .max = 1 << 30,
        .metavar = "SIZE",
        .group = CHECKS,
        .help = "answer a request whose body is longer with 413",
    },
    {
        .name = "api-key",
        .type = &opt_text,
        FIELD(api_key, char *),
        .metavar = "KEY",
        .group = CHECKS,
        .help = "refuse requests without this key (401)",
        .secret = true,
    },
    {
        .name = "model",
        .type = &opt_text,
        FIELD(model, char *),
        .metavar = "MODEL",
        .group = CHECKS,
        .help = "refuse requests for another model (404)",
    },
    {
        .name = "token-life",
        .type = &opt_duration,
        FIELD(token_life_ns, uint64_t),
        .fallback = "720h",
        .min = 0.001,
        .max = 31536000,
        .metavar = "TIME",
        .group = CHECKS,
        .help = "how long the access tokens are good that the dialect qianfan gives out",
    },
    {
        .name = "fault",
        .type = &opt_list,
        FIELD(faults, struct list),
        .metavar = "NAME[:SHARE]",
        .group = FAULTS,
        .help = "spoil this share of the answers (5%, 0.05; without it all), repeatable; `list` "
                "prints the faults and the outcome of each",
    },
    {
        .name = "scenario",
        .type = &opt_text,
        FIELD(scenario, char *),
        .metavar = "FILE",
        .group = FAULTS,
        .help = "answer every request as the lines of this file say (docs/mock.md)",
    },
};
const size_t mock_row_count = sizeof mock_rows / sizeof *mock_rows;

bool mock_options_read(struct mock_options *options, int argc, char **argv, int first,
                       struct err *err)
{
    struct list words = {0};
    memset(&options->spec, 0, sizeof options->spec);
    opt_set_init(&options->set, mock_rows, mock_row_count, &options->spec);
    bool ok = opt_parse(&options->set, argc, argv, first, &words, err) &&
              opt_defaults(&options->set, err);
    if (ok && words.count > 0)
        ok = err_set(err, "\"%s\" belongs to no option of the mock server", words.items[0]);
    list_fini(&words);
    return ok;
}

void mock_options_fini(struct mock_options *options)
{
    opt_set_fini(&options->set);
}
