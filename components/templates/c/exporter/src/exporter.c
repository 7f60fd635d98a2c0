// Posts each batch as JSON lines to a URL.
#include <stdlib.h>

#include "line.h"
#include "post.h"
#include "settings.h"
#include "text.h"

#define SCHEMA \
    "{\"$schema\":\"https://json-schema.org/draft/2020-12/schema\",\"type\":\"object\"," \
    "\"properties\":{\"url\":{\"type\":\"string\",\"description\":\"Where the lines are posted.\"}}," \
    "\"required\":[\"url\"],\"additionalProperties\":false}"

// The names of the contract are long: these are what this file speaks of.
typedef exports_millstream_plugin_exporter_undelivered_t undelivered_t;
typedef exports_millstream_plugin_exporter_export_error_t export_error_t;
enum { RETRY = EXPORTS_MILLSTREAM_PLUGIN_EXPORTER_DISPOSITION_RETRY, REJECT = EXPORTS_MILLSTREAM_PLUGIN_EXPORTER_DISPOSITION_REJECT };
enum {
    UNAVAILABLE = EXPORTS_MILLSTREAM_PLUGIN_EXPORTER_EXPORT_ERROR_UNAVAILABLE,
    THROTTLED = EXPORTS_MILLSTREAM_PLUGIN_EXPORTER_EXPORT_ERROR_THROTTLED,
    DENIED = EXPORTS_MILLSTREAM_PLUGIN_EXPORTER_EXPORT_ERROR_DENIED,
    MISCONFIGURED = EXPORTS_MILLSTREAM_PLUGIN_EXPORTER_EXPORT_ERROR_MISCONFIGURED,
};
typedef enum { DELIVERED, REFUSED, FAILED } outcome_t;

address_t address;

void exports_millstream_plugin_exporter_describe(exports_millstream_plugin_exporter_description_t *ret) {
    *ret = (exports_millstream_plugin_exporter_description_t){
        .name = text_of("{{name}}", NULL),
        .version = text_of("0.1.0", NULL),
        .summary = text_of("Posts each batch as JSON lines to a URL.", NULL),
        .config_schema = text_of(SCHEMA, NULL),
        .limits = {.max_messages = 100, .max_batch_bytes = 1 << 20, .max_message_bytes = 256 << 10},
        // It wants nothing by name: which host it is stands in the configuration of each export.
    };
}

bool exports_millstream_plugin_exporter_open(exports_millstream_plugin_exporter_export_context_t *context,
        plugin_string_t *config, exports_millstream_plugin_exporter_config_error_t *err) {
    plugin_string_t field = {0};
    const char *wrong = settings_read(config, &address, &field);
    exports_millstream_plugin_exporter_export_context_free(context);
    plugin_string_free(config);
    if (wrong == NULL) return true;
    *err = (exports_millstream_plugin_exporter_config_error_t){.field = {true, field}, .message = text_of(wrong, NULL)};
    return false;
}

// Sends lines. `reason` is set if the server refuses their content, `err` if it is not about them.
static outcome_t send_lines(const uint8_t *lines, size_t len, plugin_string_t *reason, export_error_t *err) {
    answer_t answer = post(&address, "application/x-ndjson", lines, len);
    const char *origin = (const char *)address.origin.ptr;
    if (answer.not_granted) {
        *err = (export_error_t){DENIED, {.denied = text_of("Put \"", origin, "\" into `hosts` of the grants.", NULL)}};
        return FAILED;
    }
    if (answer.status >= 200 && answer.status < 300) return DELIVERED;
    plugin_string_t said = text_of(origin, " answers ", NULL);
    if (answer.status == 0) text_add(&said, "nothing", 7);
    else text_add_number(&said, answer.status);
    text_add(&said, ".", 1);
    switch (answer.status) {
    case 400: case 413: case 415: case 422:
        *reason = said;
        return REFUSED;
    case 401: case 403: case 407:
        *err = (export_error_t){DENIED, {.denied = said}};
        return FAILED;
    case 429: case 503:
        *err = (export_error_t){THROTTLED, {.throttled = {said, answer.retry_after_ms}}};
        return FAILED;
    default:
        if (answer.status == 0 || answer.status == 408 || answer.status >= 500) {
            *err = (export_error_t){UNAVAILABLE, {.unavailable = {said, answer.retry_after_ms}}};
        } else {
            *err = (export_error_t){MISCONFIGURED, {.misconfigured = said}};
        }
        return FAILED;
    }
}

bool exports_millstream_plugin_exporter_export(exports_millstream_plugin_exporter_list_message_t *batch,
        exports_millstream_plugin_exporter_list_undelivered_t *ret, export_error_t *err) {
    plugin_string_t lines = {0}, reason = {0};
    uint32_t *places = calloc(batch->len, sizeof *places); // in the batch, of each line
    size_t *ends = calloc(batch->len, sizeof *ends);       // of each line
    size_t count = 0;
    *ret = (exports_millstream_plugin_exporter_list_undelivered_t){calloc(batch->len, sizeof *ret->ptr), 0};
    if (!places || !ends || !ret->ptr) abort();
    for (uint32_t place = 0; place < batch->len; place++) {
        if (line_add(&lines, &batch->ptr[place])) {
            places[count] = place;
            ends[count++] = lines.len;
        } else {
            ret->ptr[ret->len++] = (undelivered_t){place, REJECT, text_of("The payload is not text in UTF-8.", NULL)};
        }
    }
    outcome_t outcome = count > 0 ? send_lines(lines.ptr, lines.len, &reason, err) : DELIVERED;
    if (outcome == REFUSED) {
        // Alone, each line shows whether it is at fault. The first failure of another kind ends it: the
        // order is kept.
        plugin_string_free(&reason);
        outcome = DELIVERED;
        for (size_t sent = 0; sent < count && outcome != FAILED; sent++) {
            size_t start = sent == 0 ? 0 : ends[sent - 1];
            outcome = send_lines(lines.ptr + start, ends[sent] - start, &reason, err);
            if (outcome == REFUSED) ret->ptr[ret->len++] = (undelivered_t){places[sent], REJECT, reason};
            if (outcome != FAILED || sent == 0) continue;
            exports_millstream_plugin_exporter_export_error_free(err);
            for (size_t rest = sent; rest < count; rest++) {
                ret->ptr[ret->len++] = (undelivered_t){places[rest], RETRY, text_of("One before it could not be sent.", NULL)};
            }
            outcome = DELIVERED;
            break;
        }
    }
    if (outcome == FAILED) exports_millstream_plugin_exporter_list_undelivered_free(ret);
    if (ret->len == 0) { // The generated code frees no list that is empty.
        free(ret->ptr);
        ret->ptr = NULL;
    }
    // By hand: the function that is generated for it forgets the payloads.
    for (size_t place = 0; place < batch->len; place++) free(batch->ptr[place].payload.ptr);
    free(batch->ptr);
    free(lines.ptr); // Also if no line came to stand in it.
    free(places);
    free(ends);
    return outcome != FAILED;
}
