#include "text.h"

#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

void text_add(plugin_string_t *text, const void *bytes, size_t len) {
    // By powers of two, so that many small additions cost little.
    size_t room = 64;
    while (room < text->len) room *= 2;
    if (text->ptr == NULL || room < text->len + len) {
        while (room < text->len + len) room *= 2;
        text->ptr = realloc(text->ptr, room);
        if (text->ptr == NULL) abort(); // The host makes a new instance, and the batch comes again.
    }
    memcpy(text->ptr + text->len, bytes, len);
    text->len += len;
}

void text_add_number(plugin_string_t *text, uint64_t number) {
    char digits[20];
    size_t at = sizeof digits;
    do digits[--at] = (char)('0' + number % 10);
    while (number /= 10);
    text_add(text, digits + at, sizeof digits - at);
}

plugin_string_t text_of(const char *first, ...) {
    plugin_string_t text = {0};
    va_list others;
    va_start(others, first);
    for (const char *part = first; part != NULL; part = va_arg(others, const char *)) text_add(&text, part, strlen(part));
    va_end(others);
    return text;
}
