/* Weights & Biases: whether a run logs there, and the transport of out/wandb.h over libcurl. */
#pragma once

#include <stdbool.h>

#include "base/err.h"
#include "base/opt.h"
#include "model/run_spec.h"
#include "out/wandb.h"

/* --wandb-api-key turns logging on, so does --wandb with the key in WANDB_API_KEY; the variable by
 * itself does not. Sets spec->wandb and the key. False: a key is missing, or WANDB_BASE_URL is no
 * URL. */
bool wandb_take_key(struct opt_set *set, struct run_spec *spec, struct err *err) MUST_CHECK;

/* Requests to WANDB_BASE_URL (default: the public service) signed with the key. `secrets` (may be
 * NULL) is asked once. One thread posts, any may cancel. */
struct wandb_curl;
struct wandb_curl *wandb_curl_new(const char *key, struct secrets *secrets);
void wandb_curl_free(struct wandb_curl *curl); /* NULL is allowed */
struct wandb_transport wandb_curl_transport(struct wandb_curl *curl);
const char *wandb_curl_page_root(const struct wandb_curl *curl); /* where people look at runs */
