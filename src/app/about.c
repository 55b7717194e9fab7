#include "app/about.h"

#include <string.h>

#include "app/calibrate_options.h"
#include "app/commands.h"
#include "app/export_options.h"
#include "app/mock_options.h"
#include "app/options.h"
#include "app/report_options.h"
#include "app/tokenize_options.h"
#include "app/try_options.h"

#define TABLE(array)                                                                               \
    {                                                                                              \
        .rows = (array), .count = sizeof(array) / sizeof *(array)                                  \
    }

const char about_tagline[] = "measure LLM servers: real prompts, every streamed event timed";

const char about_text[] =
    "Sends prompts to any LLM endpoint at a stated concurrency, takes the time of every streamed "
    "event, prints a summary with percentiles and its own trustworthiness, and keeps every request "
    "and response in an SQLite file. Protocols and data are Lua files; those for OpenAI-compatible "
    "servers are built in.";

static const struct about_row run_examples[] = {
    {"llmbench http://127.0.0.1:8000/v1/chat/completions --model qwen --stream -c 16 -n 200",
     "200 questions of the openqa data, 16 at a time, streamed"},
    {"llmbench --url http://127.0.0.1:8000 --model qwen --stream -c 64 -d 5m --max-tokens 256",
     "five minutes with 64 requests in flight; the API's path is added"},
    {"llmbench --url http://127.0.0.1:8000 --model qwen --prompt 'Why is the sky blue?'",
     "one request with this prompt"},
    {"llmbench -s my_server.lua --dataset prompts.txt --url https://llm.example/generate -c 8",
     "your own protocol, one prompt a line"},
    {"llmbench --url http://127.0.0.1:8000 --model qwen --stream -n 100 --json - | jq .metrics",
     "the report for another program"},
};

static const struct about_row mock_examples[] = {
    {"llmbench mock --port 8000 --ttft 50ms --itl 20ms --jitter 10% --tokens 64",
     "a server whose answers begin after some 50 ms and bring a token every 20 ms"},
    {"llmbench mock --port 0", "on a free port, which it prints"},
};

static const struct about_row calibrate_examples[] = {
    {"llmbench calibrate", "100 streams of 50 tokens a second, then the highest sound load"},
    {"llmbench calibrate --parallel 1000 --search 0",
     "the error at 1,000 streams, without a search"},
    {"llmbench calibrate --rate 200 --threads 2 --json -",
     "arrivals a second, two workers, as JSON"},
};

static const struct about_row export_examples[] = {
    {"llmbench export --format evalscope-2025 outputs/run.db run-evalscope.db",
     "a copy for scripts that read the databases of evalscope perf"},
};

static const struct about_row report_examples[] = {
    {"llmbench report outputs/run.db", "the tables of the run, also of one that was killed"},
    {"llmbench report outputs/run.db --json - --report none", "its JSON report"},
};

static const struct about_row try_examples[] = {
    {"llmbench try -s mine.lua --model m --prompt hello",
     "the request as it would go out, and what setup returned"},
    {"llmbench try -s mine.lua --replay answer.txt",
     "what the script reads in each event of an answer recorded by curl -i"},
};

static const struct about_row experiment_examples[] = {
    {"llmbench experiment sweep --url http://127.0.0.1:8000 --model qwen --stream --levels 1,4,16",
     "a hundred requests at each load, and a table of them"},
    {"llmbench experiment capacity --url http://127.0.0.1:8000 --model qwen --stream",
     "the highest rate of arrivals at which p99 of TTFT stays under 500 ms"},
    {"llmbench experiment mine.lua --url http://127.0.0.1:8000 --model qwen",
     "what your own file does with bench.run; --help after it shows its options"},
};

static const struct about_row tokenize_examples[] = {
    {"llmbench tokenize --tokenizer-path models/qwen3 < texts.jsonl",
     "{\"text\": …, \"ids\": […]} for each line, which is a string or an object with \"text\""},
    {"llmbench tokenize --tokenizer-path tokenizer.json --count --special < texts.jsonl",
     "how many tokens each has, with those that the model puts around it"},
};

static const struct about_row new_examples[] = {
    {"llmbench new api mine", "mine.lua, a commented protocol that runs against llmbench mock"},
    {"llmbench new dataset prompts", "prompts.lua, a commented data set"},
    {"llmbench new experiment levels", "levels.lua, runs in a loop and a table of them"},
};

const struct command about_commands[] = {
    {
        .name = "run",
        .alias = "perf",
        .summary = "measure a server (the default)",
        .usage = "[run] [options] --url URL",
        .rows = run_rows,
        .row_count = &run_row_count,
        .scripts = true,
        .examples = TABLE(run_examples),
        .run = run_cmd,
    },
    {
        .name = "mock",
        .summary = "be an LLM server to measure against",
        .usage = "mock [options]",
        .rows = mock_rows,
        .row_count = &mock_row_count,
        .examples = TABLE(mock_examples),
        .run = mock_cmd,
    },
    {
        .name = "calibrate",
        .summary = "measure this program on this machine: its error, and up to which load",
        .usage = "calibrate [options]",
        .rows = calibrate_rows,
        .row_count = &calibrate_row_count,
        .examples = TABLE(calibrate_examples),
        .run = calibrate_cmd,
    },
    {
        .name = "report",
        .summary = "print the report of a run from its database, also of one that was cut off",
        .usage = "report [options] RUN.db",
        .rows = report_rows,
        .row_count = &report_row_count,
        .examples = TABLE(report_examples),
        .run = report_cmd,
    },
    {
        .name = "export",
        .summary = "copy a run's database into the format of another program",
        .usage = "export --format NAME RUN.db NEW.db",
        .rows = export_rows,
        .row_count = &export_row_count,
        .examples = TABLE(export_examples),
        .run = export_cmd,
    },
    {
        .name = "try",
        .summary = "show what a script would send, and what it reads in a recorded answer",
        .usage = "try [options] [options of run]",
        .rows = try_rows,
        .row_count = &try_row_count,
        .scripts = true,
        .examples = TABLE(try_examples),
        .run = try_cmd,
    },
    {
        .name = "tokenize",
        .summary = "show the tokens of texts by a model's own tokenizer",
        .usage = "tokenize --tokenizer-path PATH < TEXTS.jsonl",
        .rows = tokenize_rows,
        .row_count = &tokenize_row_count,
        .examples = TABLE(tokenize_examples),
        .run = tokenize_cmd,
    },
    {
        .name = "experiment",
        .summary = "let a Lua file drive whole runs; takes the options of run and its own",
        .usage = "experiment FILE.lua|NAME [options]",
        .examples = TABLE(experiment_examples),
        .run = experiment_cmd,
    },
    {
        .name = "new",
        .summary = "write a commented script to begin with",
        .usage = "new api|dataset|experiment NAME",
        .examples = TABLE(new_examples),
        .run = new_cmd,
    },
    {
        .name = "help",
        .summary = "the help of a command: llmbench help mock",
        .usage = "help [command]",
        .run = help_cmd,
    },
    {
        .name = "version",
        .summary = "the versions of the program and its libraries",
        .usage = "version",
        .run = version_cmd,
    },
};
const size_t about_command_count = sizeof about_commands / sizeof *about_commands;

static const struct about_row exit_codes[] = {
    {"0", "done: requests succeeded, in each stage"},
    {"1", "none succeeded (in some stage), too many failed, a --fail-on holds, the script or the "
          "data failed, or a result could not be written"},
    {"2", "wrong options or configuration"},
    {"3", "could not start: script, data or target"},
    {"130", "interrupted; the report and the database hold what was measured until then"},
};
const struct about_table about_exit_codes = TABLE(exit_codes);

static const struct about_row environment[] = {
    {"LLMBENCH_API_KEY, OPENAI_API_KEY", "the API key when --api-key is not given, in this order"},
    {"LLMBENCH_KEY_PASSWORD", "what opens the private key of --cert, if something has to"},
    {"LLMBENCH_PATH", "folders (separated by :) searched for scripts by name before the built-in "
                      "ones"},
    {"XDG_STATE_HOME", "where the last calibration is kept, below llmbench (default: "
                       "~/.local/state)"},
    {"XDG_CACHE_HOME", "where downloaded data is kept, below llmbench/datasets (default: "
                       "~/.cache)"},
    {"MODELSCOPE_ENDPOINT, HF_ENDPOINT",
     "where data is downloaded from over https, tried in this order "
     "(default: the public hubs)"},
    {"WANDB_API_KEY", "the key for --wandb; by itself it turns nothing on"},
    {"WANDB_BASE_URL", "where --wandb logs to (default: https://api.wandb.ai)"},
    {"http_proxy, https_proxy, no_proxy", "the proxy; never used for a target on this machine"},
};
const struct about_table about_environment = TABLE(environment);

static const struct about_row files[] = {
    {"OUTPUTS-DIR/NAME.db", "every request and response, SQLite"},
    {"OUTPUTS-DIR/NAME.log", "warnings, script errors and notes of the run"},
    {"WORK-DIR/output/NAME-YYYYmmddHHMMSS", "with --work-dir, the folder of both"},
    {"$XDG_CACHE_HOME/llmbench/datasets", "downloaded data"},
    {"$XDG_STATE_HOME/llmbench/calibration.json", "the last calibration of this machine"},
};
const struct about_table about_files = TABLE(files);

static const struct about_row help_options[] = {
    {"-h, --help", "this help"},
    {"--help=lua", "what a script may say: every hook, field and function"},
    {"--help=man", "the manual page, for man"},
    {"--help=options-md", "all options as Markdown"},
    {"--help=lua-md", "the tables of --help=lua as Markdown"},
    {"--version", "the versions of the program and its libraries"},
};
const struct about_table about_help_options = TABLE(help_options);

const struct command *about_command(const char *word)
{
    for (size_t i = 0; i < about_command_count; i++) {
        const struct command *command = &about_commands[i];
        if (strcmp(word, command->name) == 0 ||
            (command->alias && strcmp(word, command->alias) == 0))
            return command;
    }
    return NULL;
}

/* How many letters have to be put in, taken out or changed to make b out of a; long words are far
 * from everything. */
static size_t distance(const char *a, const char *b)
{
    enum { LONGEST = 32 };
    size_t row[LONGEST + 1], width = strlen(b);
    if (strlen(a) > LONGEST || width > LONGEST)
        return LONGEST;
    for (size_t j = 0; j <= width; j++)
        row[j] = j;
    for (size_t i = 1; a[i - 1]; i++) {
        size_t diagonal = row[0];
        row[0] = i;
        for (size_t j = 1; j <= width; j++) {
            size_t change = diagonal + (a[i - 1] != b[j - 1]);
            diagonal = row[j];
            size_t shift = (row[j] < row[j - 1] ? row[j] : row[j - 1]) + 1;
            row[j] = change < shift ? change : shift;
        }
    }
    return row[width];
}

const char *about_nearest(const char *word)
{
    const char *nearest = NULL;
    size_t least = 3; /* farther than two letters is no typing error */
    for (size_t i = 0; i < about_command_count; i++) {
        const char *names[] = {about_commands[i].name, about_commands[i].alias};
        for (size_t k = 0; k < 2 && names[k]; k++) {
            size_t far = distance(word, names[k]);
            if (far < least && far < strlen(names[k])) {
                least = far;
                nearest = names[k];
            }
        }
    }
    return nearest;
}
