#include "app/hidden.h"

#include <stdlib.h>

#include "base/span.h"

/* URLs that come from the environment, some of them read by libcurl alone. */
static const char *const url_variables[] = {
    "WANDB_BASE_URL", "MODELSCOPE_ENDPOINT", "HF_ENDPOINT", "http_proxy",
    "https_proxy",    "HTTPS_PROXY",         "all_proxy",   "ALL_PROXY",
};

static void add_urls(struct secrets *secrets, const struct run_spec *spec, struct log *log)
{
    if (spec->url)
        secrets_register_url(secrets, spec->url, "a secret in the URL", log);
    for (size_t i = 0; i < sizeof url_variables / sizeof *url_variables; i++) {
        const char *url = getenv(url_variables[i]);
        if (url && *url)
            secrets_register_url(secrets, url, url_variables[i], log);
    }
}

void hidden_add(struct secrets *secrets, const struct run_spec *spec, struct log *log)
{
    if (spec->api_key)
        secrets_register(secrets, span_text(spec->api_key), "the API key", log);
    if (spec->wandb_api_key) /* libcurl sends it as the password of "api" */
        secrets_register_login(secrets, span_text("api"), span_text(spec->wandb_api_key),
                               "the wandb API key", log);
    for (size_t i = 0; i < spec->headers.count; i++)
        secrets_register_header(secrets, spec->headers.items[i], log);
    add_urls(secrets, spec, log);
}
