// Appends a reading to a stream, again and again.
#pragma once
#include "options.h"

typedef enum { APPENDED, FULL, HOST_STOPS, NOT_GRANTED } append_t;

// What the producer needs of the host; the component and the tests have one each.
append_t host_append(const plugin_string_t *stream, const char *payload, size_t len);
void host_pause(uint64_t milliseconds);
uint64_t host_time(void); // in seconds since the Unix epoch

// Returns NULL after a clean end, or why it failed.
const char *produce(const options_t *options);
