// Texts that grow, without the C library's input and output, which would need an adapter. What is handed to
// the host is freed by the generated code.
#pragma once
#include "plugin.h"

void text_add(plugin_string_t *text, const void *bytes, size_t len);
void text_add_number(plugin_string_t *text, uint64_t number);
// Joins texts; the last is NULL.
plugin_string_t text_of(const char *first, ...) __attribute__((sentinel));
