// The entry of the component, and what it needs of the host.
#include <string.h>

#include "produce.h"

bool exports_wasi_cli_run_run(void) {
    plugin_list_string_t arguments;
    wasi_cli_environment_get_arguments(&arguments);
    options_t options;
    const char *failure = options_read(&arguments, &options);
    if (failure == NULL) failure = produce(&options);
    if (failure != NULL) {
        plugin_string_t line = {(uint8_t *)failure, strlen(failure)};
        millstream_plugin_log_write(MILLSTREAM_PLUGIN_LOG_LEVEL_ERROR, &line);
    }
    plugin_list_string_free(&arguments);
    return failure == NULL; // After a failure the host starts it again, as its configuration says.
}

append_t host_append(const plugin_string_t *stream, const char *payload, size_t len) {
    plugin_string_t name = *stream;
    plugin_list_u8_t bytes = {(uint8_t *)payload, len};
    plugin_list_list_u8_t payloads = {&bytes, 1};
    uint64_t number;
    millstream_plugin_streams_stream_error_t error;
    if (millstream_plugin_streams_append(&name, &payloads, &number, &error)) return APPENDED;
    append_t outcome = error.tag == MILLSTREAM_PLUGIN_STREAMS_STREAM_ERROR_FULL ? FULL
        : error.tag == MILLSTREAM_PLUGIN_STREAMS_STREAM_ERROR_UNAVAILABLE ? HOST_STOPS : NOT_GRANTED;
    millstream_plugin_streams_stream_error_free(&error);
    return outcome;
}

void host_pause(uint64_t milliseconds) {
    wasi_clocks_monotonic_clock_own_pollable_t pause = wasi_clocks_monotonic_clock_subscribe_duration(milliseconds * 1000000);
    wasi_io_poll_method_pollable_block(wasi_io_poll_borrow_pollable(pause));
    wasi_io_poll_pollable_drop_own(pause);
}

uint64_t host_time(void) {
    wasi_clocks_wall_clock_datetime_t now;
    wasi_clocks_wall_clock_now(&now);
    return now.seconds;
}
