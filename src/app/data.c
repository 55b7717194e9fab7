#include "app/data.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "app/fetch.h"
#include "app/paths.h"
#include "base/clock.h"
#include "base/embedded.h"
#include "base/mem.h"

#define CONNECT_TIMEOUT_NS (3 * NS_PER_S)
#define STALL_NS (10 * NS_PER_S)
#define GIB (UINT64_C(1) << 30)

enum { SCRIPT_FILE_LIMIT = 16 << 20 };

/* A dataset whose data this program can get by itself. */
struct known_data {
    const char *dataset;
    const char *file;         /* its name in the hubs and in the cache */
    const char *modelscope;   /* its id there */
    const char *hugging_face; /* its id there */
    uint64_t limit;           /* bytes at most */
    const char *sample;       /* below lua/, in the binary */
    const char *prompt_mark;  /* stands once in each prompt of the sample */
};

static const struct known_data known[] = {
    {
        .dataset = "openqa",
        .file = "open_qa.jsonl",
        .modelscope = "AI-ModelScope/HC3-Chinese",
        .hugging_face = "Hello-SimpleAI/HC3-Chinese",
        .limit = 2 * GIB,
        .sample = "datasets/samples/openqa.jsonl",
        .prompt_mark = "\"question\"",
    },
    {
        .dataset = "longalpaca",
        .file = "LongAlpaca-12k.json",
        .modelscope = "AI-ModelScope/LongAlpaca-12k",
        .hugging_face = "Yukang/LongAlpaca-12k",
        .limit = 2 * GIB,
        .sample = "datasets/samples/longalpaca.json",
        .prompt_mark = "\"instruction\"",
    },
};

static const struct known_data *find_known(const char *dataset)
{
    for (size_t i = 0; i < sizeof known / sizeof *known; i++)
        if (strcmp(known[i].dataset, dataset) == 0)
            return &known[i];
    return NULL;
}

/* ---- cache and download ---- */

/* The folder of downloaded data, owned; NULL when the environment names no place for it. */
static char *cache_folder(void)
{
    const char *cache = getenv("XDG_CACHE_HOME"), *home = getenv("HOME");
    if (cache && cache[0] == '/')
        return mem_printf("%s/llmbench/datasets", cache);
    if (home && home[0] == '/')
        return mem_printf("%s/.cache/llmbench/datasets", home);
    return NULL;
}

/* An endpoint without the slashes at its end. */
static char *endpoint(const char *variable, const char *fallback)
{
    const char *value = getenv(variable);
    char *text = mem_text(value && *value ? value : fallback);
    size_t len = strlen(text);
    while (len > 0 && text[len - 1] == '/')
        text[--len] = 0;
    return text;
}

static char *modelscope_url(const struct known_data *data)
{
    char *base = endpoint("MODELSCOPE_ENDPOINT", "https://www.modelscope.cn");
    char *url = mem_printf("%s/api/v1/datasets/%s/repo?Revision=master&FilePath=%s", base,
                           data->modelscope, data->file);
    free(base);
    return url;
}

static char *hugging_face_url(const struct known_data *data)
{
    char *base = endpoint("HF_ENDPOINT", "https://huggingface.co");
    char *url = mem_printf("%s/datasets/%s/resolve/main/%s", base, data->hugging_face, data->file);
    free(base);
    return url;
}

static bool is_there(const char *path)
{
    struct stat info;
    return stat(path, &info) == 0 && S_ISREG(info.st_mode) && info.st_size > 0;
}

static void found(struct data_source *out, const char *path, char *said)
{
    out->path = mem_text(path);
    out->said = said;
}

static enum data_result download(const struct known_data *data, const char *path, struct log *log,
                                 bool show, struct data_source *out, struct err *err)
{
    char *urls[] = {modelscope_url(data), hugging_face_url(data)};
    struct fetch_config config = {
        .path = path,
        .urls = (const char *const *)urls,
        .url_count = sizeof urls / sizeof *urls,
        .connect_timeout_ns = CONNECT_TIMEOUT_NS,
        .stall_ns = STALL_NS,
        .limit = data->limit,
        .show = show,
        .log = log,
    };
    size_t source = 0;
    enum fetch_result result = fetch_file(&config, &source, err);
    if (result == FETCH_DONE)
        found(out, path, mem_printf("downloaded from %s", urls[source]));
    else if (result == FETCH_THERE)
        found(out, path, mem_printf("cache %s", path));
    free(urls[0]);
    free(urls[1]);
    if (result == FETCH_INTERRUPTED)
        return DATA_INTERRUPTED;
    return result == FETCH_FAILED ? DATA_FAILED : DATA_FOUND;
}

static enum data_result from_cache_or_hub(const struct known_data *data, bool offline,
                                          struct log *log, bool show, struct data_source *out,
                                          struct err *err)
{
    char *folder = cache_folder();
    if (!folder) {
        err_set(err, "neither XDG_CACHE_HOME nor HOME names a folder for downloaded data");
        return DATA_FAILED;
    }
    char *path = mem_printf("%s/%s", folder, data->file);
    enum data_result result = DATA_FAILED;
    if (is_there(path)) {
        found(out, path, mem_printf("cache %s", path));
        result = DATA_FOUND;
    } else if (offline) {
        err_set(err, "%s is not there, and --offline forbids to download it", path);
    } else if (path_make_folder(folder, err)) {
        result = download(data, path, log, show, out, err);
    }
    free(path);
    free(folder);
    return result;
}

/* ---- the sample in the binary ---- */

static size_t count_marks(const struct embedded_file *file, const char *mark)
{
    size_t count = 0, len = strlen(mark);
    const char *at = (const char *)file->data, *end = at + file->len;
    while ((at = memmem(at, (size_t)(end - at), mark, len))) {
        count++;
        at += len;
    }
    return count;
}

static bool write_all(int fd, const unsigned char *data, size_t len)
{
    while (len > 0) {
        ssize_t put = write(fd, data, len);
        if (put < 0 && errno != EINTR)
            return false;
        data += put > 0 ? put : 0;
        len -= put > 0 ? (size_t)put : 0;
    }
    return true;
}

/* A file in memory, so that the dataset script reads it like any other and nothing is left on the
 * disk. */
static bool from_binary(const struct known_data *data, struct data_source *out, struct err *err)
{
    const struct embedded_file *file =
        embedded_find(embedded_lua_files, embedded_lua_file_count, data->sample);
    if (!file)
        return err_set(err, "this binary has no sample of %s", data->dataset);
    out->fd = memfd_create(data->file, MFD_CLOEXEC);
    if (out->fd < 0 || !write_all(out->fd, file->data, file->len))
        return err_set(err, "cannot lay out the bundled sample: %s", strerror(errno));
    out->path = mem_printf("/proc/self/fd/%d", out->fd);
    out->said = mem_printf("bundled sample (%zu prompts)", count_marks(file, data->prompt_mark));
    return true;
}

/* ---- which of them ---- */

static enum data_result find_data(const struct known_data *data, bool offline, struct log *log,
                                  bool show, struct data_source *out, struct err *err)
{
    enum data_result result = from_cache_or_hub(data, offline, log, show, out, err);
    if (result != DATA_FAILED)
        return result;
    struct err why = *err;
    if (!from_binary(data, out, err)) {
        err_prefix(err, "no data for %s (%s)", data->dataset, why.text);
        return DATA_FAILED;
    }
    /* Asked for by --offline it is no surprise, else it is: other prompts, other numbers. */
    log_write(log, offline ? LOG_INFO : LOG_WARN, "using the %s of %s: %s", out->said,
              data->dataset, why.text);
    return DATA_FOUND;
}

/* Whether a script brings a dataset of its own; a word in its text is enough here, since the script
 * cannot be loaded before its data path is known. */
static bool script_has_dataset(const char *script)
{
    struct buf text;
    buf_init(&text, SCRIPT_FILE_LIMIT);
    bool has = path_read(script, &text, NULL) && text.len > 0 &&
               memmem(text.data, text.len, "build_messages", strlen("build_messages"));
    buf_fini(&text);
    return has;
}

enum data_result data_find(const struct run_spec *spec, struct log *log, bool show,
                           struct data_source *out, struct err *err)
{
    *out = (struct data_source){.fd = -1};
    if (spec->prompt) {
        out->said = mem_text("--prompt");
        return DATA_FOUND;
    }
    if (spec->dataset_path) {
        found(out, spec->dataset_path, mem_printf("file %s", spec->dataset_path));
        return DATA_FOUND;
    }
    bool own = !spec->dataset && spec->script && script_has_dataset(spec->script);
    const struct known_data *data =
        own ? NULL : find_known(spec->dataset ? spec->dataset : "openqa");
    if (data)
        return find_data(data, spec->offline, log, show, out, err);
    out->said = mem_text("the dataset script");
    return DATA_FOUND;
}

void data_source_fini(struct data_source *source)
{
    free(source->path);
    free(source->said);
    if (source->fd >= 0)
        close(source->fd);
    *source = (struct data_source){.fd = -1};
}
