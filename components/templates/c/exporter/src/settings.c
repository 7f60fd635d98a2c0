#include "settings.h"

#include <string.h>

#include "text.h"

typedef struct {
    const uint8_t *at, *end;
} input_t;

static bool next_is(input_t *input, char wanted) {
    while (input->at < input->end && memchr(" \t\r\n", *input->at, 4)) input->at++;
    if (input->at == input->end || *input->at != (uint8_t)wanted) return false;
    input->at++;
    return true;
}

// A JSON string. Other escapes than these have no place in a name or an address.
static bool read_string(input_t *input, plugin_string_t *into) {
    if (!next_is(input, '"')) return false;
    while (input->at < input->end && *input->at != '"') {
        if (*input->at == '\\') {
            input->at++;
            if (input->at == input->end || !memchr("\"\\/", *input->at, 3)) return false;
        }
        text_add(into, input->at++, 1);
    }
    return next_is(input, '"');
}

static bool equals(const plugin_string_t *text, const char *other) {
    return text->len == strlen(other) && memcmp(text->ptr, other, text->len) == 0;
}

static bool read_address(const plugin_string_t *url, address_t *address) {
    *address = (address_t){0};
    size_t start = 0;
    if (url->len > 8 && memcmp(url->ptr, "https://", 8) == 0) start = 8;
    else if (url->len > 7 && memcmp(url->ptr, "http://", 7) == 0) start = 7;
    else return false;
    address->https = start == 8;
    const uint8_t *authority = url->ptr + start, *end = url->ptr + url->len, *path = authority;
    while (path < end && !memchr("/?#", *path, 3)) path++;
    if (path == authority) return false;
    text_add(&address->authority, authority, (size_t)(path - authority));
    text_add(&address->origin, url->ptr, (size_t)(path - url->ptr));
    text_add(&address->origin, "", 1);
    if (path == end || *path != '/') text_add(&address->path, "/", 1);
    while (path < end && *path != '#') text_add(&address->path, path++, 1);
    return true;
}

const char *settings_read(const plugin_string_t *config, address_t *address, plugin_string_t *field) {
    input_t input = {config->ptr, config->ptr + config->len};
    plugin_string_t url = {0};
    bool more = next_is(&input, '{') && !next_is(&input, '}');
    while (more) {
        plugin_string_t key = {0};
        if (!read_string(&input, &key) || !next_is(&input, ':') || !equals(&key, "url")) {
            *field = key;
            plugin_string_free(&url);
            return "There is no such setting; there is `url`.";
        }
        plugin_string_free(&key);
        if (!read_string(&input, &url)) break;
        more = next_is(&input, ',');
    }
    bool is_right = read_address(&url, address);
    plugin_string_free(&url);
    if (is_right) return NULL;
    *field = text_of("url", NULL);
    return "Set it to an address such as https://example.com/ingest.";
}

void address_free(address_t *address) {
    plugin_string_free(&address->origin);
    plugin_string_free(&address->authority);
    plugin_string_free(&address->path);
    *address = (address_t){0};
}
