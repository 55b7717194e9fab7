/* The Lua contract as help, from the rows that register and check it. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "app/help.h"
#include "app/help_lines.h"
#include "model/metric.h"
#include "script/contract.h"

static const struct {
    const char *text;
} paragraphs[] = {
    {"A script is a file for LuaJIT 2.1 that returns a table: the fields and hooks of an API, "
     "of a data set, or of both. Unknown names in it are errors unless they begin with _."},
    {"A run goes like this. Each script is loaded and checked; setup; build_messages gives an "
     "iterator, and each step of it an item, the next prompt; build_request makes the body of "
     "its request, and options such as --temperature are merged into it; the request is sent "
     "when it is due. When its answer has ended it is cut into events, read_event says what "
     "each carries, the outcome follows, parse_responses counts the tokens of an answer that is "
     "ok, and metrics of the script's own are computed."},
    {"What runs in the composer and what runs in a scorer lives in different Lua states: "
     "module variables are not shared. ctx.setup and ctx.user carry plain data from the one to "
     "the other."},
    {"opts is read-only and holds every option under its long name with _ in place of -. What "
     "was not given and has no default is nil. Times are seconds, sizes bytes."},
    {"llmbench new api NAME writes a script to begin with; llmbench try -s NAME.lua shows what "
     "it would send, and with --replay FILE what it reads in a recorded answer."},
};

/* The choices, each between `quotes`, and when it is called or counts. */
static void add_more(struct buf *out, const struct script_word *word, const char *quotes)
{
    const char *before = ": one of ";
    for (const char *choice = word->choices; choice && *choice; before = ", ") {
        size_t len = strcspn(choice, " ");
        buf_printf(out, "%s%s%.*s%s", before, quotes, (int)len, choice, quotes);
        choice += len + strspn(choice + len, " ");
    }
    if (word->when)
        buf_printf(out, " (%s)", word->when);
}

static void add_sentence(struct buf *out, const struct script_word *word)
{
    if (word->required)
        buf_add_text(out, "required; ");
    buf_add_text(out, word->sentence);
    add_more(out, word, "");
}

static void add_word(struct buf *out, const struct script_word *word, unsigned width)
{
    char term[128];
    struct buf sentence;
    buf_init(&sentence, HELP_LIMIT);
    if (word->type == WORD_FUNCTION)
        snprintf(term, sizeof term, "%s%s", word->name, word->arguments ? word->arguments : "");
    else
        snprintf(term, sizeof term, "%s: %s", word->name, word_type_short(word->type));
    add_sentence(&sentence, word);
    char *text = buf_take(&sentence);
    lines_term(out, term, text, width);
    free(text);
}

static size_t module_of(const char *name)
{
    const char *dot = strchr(name, '.');
    return dot ? (size_t)(dot - name) : 0;
}

/* Whether two functions belong to different modules, which an empty line shows. */
static bool parted(const struct script_word *before, const struct script_word *word)
{
    if (!before || word->kind != WORD_MODULE)
        return false;
    size_t len = module_of(word->name);
    return module_of(before->name) != len || strncmp(before->name, word->name, len) != 0;
}

static void add_group(struct buf *out, const struct word_group *group, unsigned width)
{
    const struct script_word *word, *before = NULL;
    buf_printf(out, "\n%c%s:\n", group->title[0] & ~0x20, group->title + 1);
    for (size_t i = 0; (word = script_word_at(i)); i++) {
        if (word->kind != group->kind)
            continue;
        if (parted(before, word))
            buf_add_char(out, '\n');
        add_word(out, word, width);
        before = word;
    }
}

/* ---- the metrics ---- */

static const struct {
    const char *title;
    bool stage; /* one number a stage */
} metric_lists[] = {
    {"metrics with n, mean, std, min, max, p1 … p99_9", false},
    {"metrics with one number a stage", true},
};

/* The names of one list, each between `quotes`. */
static void add_metrics(struct buf *out, bool stage, const char *quotes)
{
    size_t first = stage ? METRIC_SAMPLED : 0, end = stage ? METRIC_COUNT : METRIC_SAMPLED;
    for (size_t i = first; i < end; i++)
        buf_printf(out, "%s%s%s%s %s", i > first ? ", " : "", quotes, metric_at(i)->name, quotes,
                   metric_unit_name(metric_at(i)->unit));
}

static void add_metric_lists(struct buf *out, unsigned width)
{
    for (size_t i = 0; i < sizeof metric_lists / sizeof *metric_lists; i++) {
        const char *title = metric_lists[i].title;
        struct buf names;
        buf_init(&names, HELP_LIMIT);
        add_metrics(&names, metric_lists[i].stage, "");
        char *text = buf_take(&names);
        buf_printf(out, "\n%c%s:\n  ", title[0] & ~0x20, title + 1);
        lines_wrapped(out, text, 2, 2, width);
        free(text);
    }
}

static void add_md_metrics(struct buf *out)
{
    buf_add_text(out, "<!-- table metrics -->\n| which | names and units |\n|---|---|\n");
    for (size_t i = 0; i < sizeof metric_lists / sizeof *metric_lists; i++) {
        buf_printf(out, "| %s | ", metric_lists[i].title);
        add_metrics(out, metric_lists[i].stage, "`");
        buf_add_text(out, " |\n");
    }
    buf_add_text(out, "<!-- end -->\n");
}

void help_lua(unsigned width, struct buf *out)
{
    const struct word_group *group;
    buf_printf(out, "llmbench %s: the Lua contract\n", LLMBENCH_VERSION);
    for (size_t i = 0; i < sizeof paragraphs / sizeof *paragraphs; i++) {
        buf_add_char(out, '\n');
        lines_wrapped(out, paragraphs[i].text, 0, 0, width);
    }
    for (size_t i = 0; (group = word_group_at(i)); i++)
        add_group(out, group, width);
    add_metric_lists(out, width);
}

/* ---- as Markdown ---- */

/* Text inside a table's cell. */
static void add_cell(struct buf *out, const char *text)
{
    for (; *text; text++)
        buf_add_text(out, *text == '|' ? "\\|" : (char[]){*text, 0});
}

static void add_md_word(struct buf *out, const struct script_word *word)
{
    buf_printf(out, "| `%s%s` | %s | %s", word->name, word->arguments ? word->arguments : "",
               word_type_short(word->type), word->required ? "**required**; " : "");
    add_cell(out, word->sentence);
    add_more(out, word, "`");
    buf_add_text(out, " |\n");
}

void help_lua_md(struct buf *out)
{
    const struct word_group *group;
    const struct script_word *word;
    for (size_t i = 0; (group = word_group_at(i)); i++) {
        buf_printf(out, "<!-- table %s -->\n| name | type | meaning |\n|---|---|---|\n",
                   group->name);
        for (size_t k = 0; (word = script_word_at(k)); k++)
            if (word->kind == group->kind)
                add_md_word(out, word);
        buf_add_text(out, "<!-- end -->\n");
    }
    add_md_metrics(out);
}
