#include "post.h"

#include <stdlib.h>
#include <string.h>

#include "text.h"

static wasi_http_types_own_fields_t headers_of(const char *content_type, size_t len) {
    plugin_string_t length = {0};
    text_add_number(&length, len);
    wasi_http_types_tuple2_field_name_field_value_t entries[] = {
        {{(uint8_t *)"content-type", 12}, {(uint8_t *)content_type, strlen(content_type)}},
        {{(uint8_t *)"content-length", 14}, {length.ptr, length.len}},
    };
    wasi_http_types_list_tuple2_field_name_field_value_t list = {entries, 2};
    wasi_http_types_own_fields_t fields = {0};
    wasi_http_types_header_error_t error;
    if (!wasi_http_types_static_fields_from_list(&list, &fields, &error)) abort(); // They are well-formed.
    plugin_string_free(&length);
    return fields;
}

static void block(wasi_io_poll_own_pollable_t pollable) {
    wasi_io_poll_method_pollable_block(wasi_io_poll_borrow_pollable(pollable));
    wasi_io_poll_pollable_drop_own(pollable);
}

static void write_body(wasi_http_types_own_outgoing_body_t body, const uint8_t *rest, size_t len) {
    wasi_http_types_own_output_stream_t stream;
    if (!wasi_http_types_method_outgoing_body_write(wasi_http_types_borrow_outgoing_body(body), &stream)) abort();
    wasi_io_streams_borrow_output_stream_t borrowed = wasi_io_streams_borrow_output_stream(stream);
    bool is_taken = true;
    while (is_taken && len > 0) {
        uint64_t room;
        wasi_io_streams_stream_error_t error;
        block(wasi_io_streams_method_output_stream_subscribe(borrowed));
        is_taken = wasi_io_streams_method_output_stream_check_write(borrowed, &room, &error);
        plugin_list_u8_t chunk = {(uint8_t *)rest, room < len ? (size_t)room : len};
        is_taken = is_taken && wasi_io_streams_method_output_stream_write(borrowed, &chunk, &error);
        rest += chunk.len;
        len -= chunk.len;
    }
    wasi_io_streams_output_stream_drop_own(stream);
    wasi_http_types_error_code_t error;
    // Where the host takes no more of it, the answer says why.
    if (is_taken) wasi_http_types_static_outgoing_body_finish(body, NULL, &error);
    else wasi_http_types_outgoing_body_drop_own(body);
}

// Reads a body to its end, so that the connection can serve the next request.
static void drain(wasi_http_types_borrow_incoming_response_t response) {
    wasi_http_types_own_incoming_body_t body;
    wasi_http_types_own_input_stream_t stream;
    wasi_io_streams_stream_error_t error;
    uint64_t skipped;
    if (!wasi_http_types_method_incoming_response_consume(response, &body)) return;
    if (wasi_http_types_method_incoming_body_stream(wasi_http_types_borrow_incoming_body(body), &stream)) {
        wasi_io_streams_borrow_input_stream_t borrowed = wasi_io_streams_borrow_input_stream(stream);
        while (wasi_io_streams_method_input_stream_blocking_skip(borrowed, 65536, &skipped, &error)) {}
        if (error.tag == WASI_IO_STREAMS_STREAM_ERROR_LAST_OPERATION_FAILED) wasi_io_streams_stream_error_free(&error);
        wasi_io_streams_input_stream_drop_own(stream);
    }
    wasi_http_types_incoming_body_drop_own(body);
}

// The pause that the server asks for, if it does so in seconds.
static plugin_option_u64_t retry_after(wasi_http_types_borrow_incoming_response_t response) {
    plugin_option_u64_t pause = {0};
    wasi_http_types_own_headers_t headers = wasi_http_types_method_incoming_response_headers(response);
    plugin_string_t name = {(uint8_t *)"retry-after", 11};
    wasi_http_types_list_field_value_t values;
    wasi_http_types_method_fields_get(wasi_http_types_borrow_fields(headers), &name, &values);
    if (values.len > 0 && values.ptr[0].len > 0 && values.ptr[0].len < 10) {
        pause.is_some = true;
        for (size_t i = 0; i < values.ptr[0].len; i++) {
            uint8_t digit = values.ptr[0].ptr[i];
            if (digit < '0' || digit > '9') pause.is_some = false;
            pause.val = pause.val * 10 + (uint64_t)(digit - '0');
        }
        pause.val *= 1000;
    }
    wasi_http_types_list_field_value_free(&values);
    wasi_http_types_fields_drop_own(headers);
    return pause;
}

static answer_t no_answer(wasi_http_types_error_code_t *error) {
    answer_t answer = {.not_granted = error->tag == WASI_HTTP_TYPES_ERROR_CODE_HTTP_REQUEST_DENIED};
    wasi_http_types_error_code_free(error);
    return answer;
}

answer_t post(const address_t *address, const char *content_type, const uint8_t *body, size_t len) {
    wasi_http_types_own_outgoing_request_t request = wasi_http_types_constructor_outgoing_request(headers_of(content_type, len));
    wasi_http_types_borrow_outgoing_request_t head = wasi_http_types_borrow_outgoing_request(request);
    wasi_http_types_method_t method = {.tag = WASI_HTTP_TYPES_METHOD_POST};
    wasi_http_types_scheme_t scheme = {.tag = address->https ? WASI_HTTP_TYPES_SCHEME_HTTPS : WASI_HTTP_TYPES_SCHEME_HTTP};
    plugin_string_t authority = address->authority, path = address->path;
    wasi_http_types_own_outgoing_body_t outgoing;
    bool is_made = wasi_http_types_method_outgoing_request_set_method(head, &method)
        && wasi_http_types_method_outgoing_request_set_scheme(head, &scheme)
        && wasi_http_types_method_outgoing_request_set_authority(head, &authority)
        && wasi_http_types_method_outgoing_request_set_path_with_query(head, &path)
        && wasi_http_types_method_outgoing_request_body(head, &outgoing);
    if (!is_made) {
        wasi_http_types_outgoing_request_drop_own(request);
        return (answer_t){0};
    }
    // Without options: the host has time limits of its own.
    wasi_http_types_own_future_incoming_response_t future;
    wasi_http_types_error_code_t error;
    if (!wasi_http_outgoing_handler_handle(request, NULL, &future, &error)) {
        wasi_http_types_outgoing_body_drop_own(outgoing);
        return no_answer(&error);
    }
    write_body(outgoing, body, len);
    wasi_http_types_borrow_future_incoming_response_t waiting = wasi_http_types_borrow_future_incoming_response(future);
    block(wasi_http_types_method_future_incoming_response_subscribe(waiting));
    wasi_http_types_result_result_own_incoming_response_error_code_void_t result;
    bool is_there = wasi_http_types_method_future_incoming_response_get(waiting, &result);
    wasi_http_types_future_incoming_response_drop_own(future);
    if (!is_there || result.is_err) return (answer_t){0};
    if (result.val.ok.is_err) return no_answer(&result.val.ok.val.err);
    wasi_http_types_own_incoming_response_t response = result.val.ok.val.ok;
    wasi_http_types_borrow_incoming_response_t borrowed = wasi_http_types_borrow_incoming_response(response);
    answer_t answer = {
        .status = wasi_http_types_method_incoming_response_status(borrowed),
        .retry_after_ms = retry_after(borrowed),
    };
    drain(borrowed);
    wasi_http_types_incoming_response_drop_own(response);
    return answer;
}
