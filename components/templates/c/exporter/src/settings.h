// The configuration: a JSON object with the one text `url`.
#pragma once
#include "plugin.h"

typedef struct {
    bool https;
    plugin_string_t origin;    // scheme, host and port, with a zero behind
    plugin_string_t authority; // host and port
    plugin_string_t path;      // with the query
} address_t;

// Returns NULL, or why the configuration is wrong; then `field` is the field that is.
const char *settings_read(const plugin_string_t *config, address_t *address, plugin_string_t *field);

void address_free(address_t *address);
