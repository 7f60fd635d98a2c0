// A message as a line of JSON.
#pragma once
#include "plugin.h"

// Adds the line, or returns false and adds nothing if the payload is not text in UTF-8.
bool line_add(plugin_string_t *lines, const millstream_plugin_types_message_t *message);
