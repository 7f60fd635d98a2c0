// The producer with a host of its own.
#include <assert.h>
#include <stdio.h>
#include <string.h>

#include "../src/produce.h"

static append_t answers[8];
static int appends, pauses;
static char last[64];

append_t host_append(const plugin_string_t *stream, const char *payload, size_t len) {
    assert(stream->len == 1 && stream->ptr[0] == 's');
    memcpy(last, payload, len);
    last[len] = 0;
    return answers[appends++];
}
void host_pause(uint64_t milliseconds) { pauses++; }
uint64_t host_time(void) { return 1767225600; }

static const char *run(uint64_t count, append_t first, append_t second) {
    options_t options = {{(uint8_t *)"s", 1}, 5, count};
    appends = pauses = 0;
    answers[0] = first;
    answers[1] = second;
    return produce(&options);
}

static const char *read(options_t *options, size_t len, const char **arguments) {
    static plugin_string_t texts[8];
    for (size_t i = 0; i < len; i++) texts[i] = (plugin_string_t){(uint8_t *)arguments[i], strlen(arguments[i])};
    return options_read(&(plugin_list_string_t){texts, len}, options);
}

int main(void) {
    puts("as many readings are appended as asked for, with pauses");
    assert(run(2, APPENDED, APPENDED) == NULL && appends == 2 && pauses == 2);
    assert(strcmp(last, "{\"number\":1,\"time\":1767225600}") == 0);

    puts("it waits while the stream is full");
    assert(run(1, FULL, APPENDED) == NULL && appends == 2 && pauses == 2);

    puts("a host that shuts down is a clean end");
    assert(run(0, APPENDED, HOST_STOPS) == NULL && appends == 2);

    puts("a stream that is not granted is a failure");
    assert(run(0, NOT_GRANTED, APPENDED) != NULL && appends == 1);

    puts("arguments are checked");
    options_t options;
    assert(read(&options, 5, (const char *[]){"{{name}}", "--stream", "s", "--count", "12"}) == NULL);
    assert(options.count == 12 && options.interval_ms == 1000);
    assert(read(&options, 1, (const char *[]){"{{name}}"}) != NULL);
    assert(read(&options, 3, (const char *[]){"{{name}}", "--count", "many"}) != NULL);

    puts("all passed");
    return 0;
}
