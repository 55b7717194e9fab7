/* Keys: who may ask, and the codes that signed keys are made of. Pure. */
#pragma once

#include "mock/dialect.h"

/* "Authorization: Bearer KEY", KEY as configured. */
bool mock_auth_bearer(const struct mock_server *server, const struct mock_http *http,
                      struct mock_refusal *no);
/* The same, or KEY without its scheme. */
bool mock_auth_bare(const struct mock_server *server, const struct mock_http *http,
                    struct mock_refusal *no);

/* The credential behind "Bearer ", or the header as it is; empty when there is none. */
struct span mock_auth_given(const struct mock_http *http, bool *bearer);

enum { MOCK_MAC_BYTES = 32 };

/* HMAC with SHA-256; false when libcrypto cannot. */
bool mock_auth_sign(struct span key, struct span text,
                    unsigned char mac[MOCK_MAC_BYTES]) MUST_CHECK;
/* base64url without padding, strictly; false when it is none or longer than out's limit. */
bool mock_auth_decode(struct span text, struct buf *out) MUST_CHECK;
