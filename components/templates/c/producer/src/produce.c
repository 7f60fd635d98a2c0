#include "produce.h"

#include <string.h>

static size_t add_number(char *into, uint64_t number) {
    char digits[20];
    size_t count = 0;
    do digits[count++] = (char)('0' + number % 10);
    while (number /= 10);
    for (size_t i = 0; i < count; i++) into[i] = digits[count - 1 - i];
    return count;
}

// What is appended: put your sensor here.
static size_t reading(char *into, uint64_t number) {
    char *at = into;
    at = memcpy(at, "{\"number\":", 10), at += 10;
    at += add_number(at, number);
    at = memcpy(at, ",\"time\":", 8), at += 8;
    at += add_number(at, host_time());
    *at++ = '}';
    return (size_t)(at - into);
}

const char *produce(const options_t *options) {
    for (uint64_t number = 0; options->count == 0 || number < options->count; number++) {
        char payload[64];
        size_t len = reading(payload, number);
        append_t appended;
        while ((appended = host_append(&options->stream, payload, len)) == FULL) host_pause(options->interval_ms);
        if (appended == HOST_STOPS) return NULL; // a clean end
        if (appended != APPENDED) return "The stream cannot be appended to: it must exist, and stand in `append` of the grants.";
        host_pause(options->interval_ms);
    }
    return NULL;
}
