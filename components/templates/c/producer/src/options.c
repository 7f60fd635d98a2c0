#include "options.h"

#include <string.h>

static bool equals(const plugin_string_t *text, const char *other) {
    return text->len == strlen(other) && memcmp(text->ptr, other, text->len) == 0;
}

static bool read_number(const plugin_string_t *text, uint64_t *number) {
    *number = 0;
    for (size_t i = 0; i < text->len; i++) {
        if (text->ptr[i] < '0' || text->ptr[i] > '9') return false;
        *number = *number * 10 + (uint64_t)(text->ptr[i] - '0');
    }
    return text->len > 0 && text->len < 18;
}

const char *options_read(const plugin_list_string_t *arguments, options_t *options) {
    *options = (options_t){.interval_ms = 1000};
    for (size_t at = 1; at + 1 < arguments->len; at += 2) { // The first is the name of the component.
        const plugin_string_t *name = &arguments->ptr[at], *value = &arguments->ptr[at + 1];
        if (equals(name, "--stream")) options->stream = *value;
        else if (equals(name, "--interval-ms") && read_number(value, &options->interval_ms)) {}
        else if (equals(name, "--count") && read_number(value, &options->count)) {}
        else return "Wrong arguments: there are --stream NAME, --interval-ms N and --count N.";
    }
    return options->stream.len > 0 ? NULL : "Wrong arguments: --stream NAME is missing.";
}
