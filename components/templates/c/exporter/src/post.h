// A POST through wasi:http, one at a time. The host reaches only what is granted, and does TLS.
#pragma once
#include "plugin.h"
#include "settings.h"

typedef struct {
    uint16_t status;  // 0 if there is no answer
    bool not_granted; // that is why
    plugin_option_u64_t retry_after_ms;
} answer_t;

answer_t post(const address_t *address, const char *content_type, const uint8_t *body, size_t len);
