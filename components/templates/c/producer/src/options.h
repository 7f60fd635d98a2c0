// The arguments of the producer: `--stream NAME [--interval-ms N] [--count N]`.
#pragma once
#include "plugin.h"

typedef struct {
    plugin_string_t stream;
    uint64_t interval_ms;
    uint64_t count; // 0 has no end
} options_t;

// Returns NULL, or what is wrong.
const char *options_read(const plugin_list_string_t *arguments, options_t *options);
