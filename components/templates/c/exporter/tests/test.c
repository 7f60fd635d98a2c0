// The exporter with a server of its own in the place of the network.
#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../src/line.h"
#include "../src/post.h"
#include "../src/settings.h"
#include "../src/text.h"

typedef exports_millstream_plugin_exporter_list_undelivered_t undelivered_t;
typedef exports_millstream_plugin_exporter_export_error_t export_error_t;

extern address_t address;
static answer_t (*server)(const char *lines);
static int calls;

answer_t post(const address_t *address, const char *content_type, const uint8_t *body, size_t len) {
    char lines[4096] = {0};
    memcpy(lines, body, len);
    calls++;
    return server(lines);
}

// In the component these are generated.
void plugin_string_free(plugin_string_t *text) { free(text->ptr); *text = (plugin_string_t){0}; }
void exports_millstream_plugin_exporter_export_context_free(exports_millstream_plugin_exporter_export_context_t *it) {}
void exports_millstream_plugin_exporter_export_error_free(export_error_t *it) { plugin_string_free(&it->val.denied); }
void exports_millstream_plugin_exporter_list_undelivered_free(undelivered_t *it) {
    for (size_t i = 0; i < it->len; i++) plugin_string_free(&it->ptr[i].reason);
    if (it->len > 0) free(it->ptr);
}

static char *open_with(const char *config) {
    static char field[32];
    address_free(&address); // An instance is opened once; here it is opened again and again.
    plugin_string_t text = text_of(config, NULL);
    exports_millstream_plugin_exporter_config_error_t error;
    if (exports_millstream_plugin_exporter_open(NULL, &text, &error)) return NULL;
    memset(field, 0, sizeof field);
    memcpy(field, error.field.val.ptr, error.field.val.len);
    plugin_string_free(&error.field.val);
    plugin_string_free(&error.message);
    return field;
}

// Exports three messages; returns -1 if that failed as a whole, else how many were not delivered.
static int export(const char *second, answer_t (*answer)(const char *), undelivered_t *undelivered, export_error_t *error) {
    const char *payloads[] = {"first", second, "third"};
    millstream_plugin_types_message_t *messages = calloc(3, sizeof *messages);
    for (size_t i = 0; i < 3; i++) {
        plugin_string_t payload = text_of(payloads[i], NULL);
        messages[i] = (millstream_plugin_types_message_t){i, 7, {payload.ptr, payload.len}};
    }
    exports_millstream_plugin_exporter_list_message_t batch = {messages, 3};
    calls = 0;
    server = answer;
    assert(open_with("{\"url\":\"http://127.0.0.1:8000/in\"}") == NULL);
    return exports_millstream_plugin_exporter_export(&batch, undelivered, error) ? (int)undelivered->len : -1;
}

static answer_t takes_all(const char *lines) { return (answer_t){.status = 200}; }
static answer_t refuses_bad(const char *lines) { return (answer_t){.status = strstr(lines, "bad") ? 422 : 200}; }
static answer_t throttles(const char *lines) { return (answer_t){.status = 429, .retry_after_ms = {true, 7000}}; }
static answer_t not_granted(const char *lines) { return (answer_t){.not_granted = true}; }
static answer_t fails_at_the_second(const char *lines) {
    bool is_one = strchr(lines, '\n') == strrchr(lines, '\n');
    return (answer_t){.status = !is_one ? 422 : strstr(lines, "bad") ? 500 : 200};
}

#define RETRY EXPORTS_MILLSTREAM_PLUGIN_EXPORTER_DISPOSITION_RETRY
#define REJECT EXPORTS_MILLSTREAM_PLUGIN_EXPORTER_DISPOSITION_REJECT

int main(void) {
    undelivered_t undelivered;
    export_error_t error;

    puts("a batch is one call");
    assert(export("\"second\"\n", takes_all, &undelivered, &error) == 0 && calls == 1);
    exports_millstream_plugin_exporter_list_undelivered_free(&undelivered);

    puts("only what is not text is rejected");
    assert(export("\xff", takes_all, &undelivered, &error) == 1 && calls == 1);
    assert(undelivered.ptr[0].index == 1 && undelivered.ptr[0].disposition == REJECT);
    exports_millstream_plugin_exporter_list_undelivered_free(&undelivered);

    puts("only what the server refuses is rejected");
    assert(export("bad", refuses_bad, &undelivered, &error) == 1);
    assert(undelivered.ptr[0].index == 1 && undelivered.ptr[0].disposition == REJECT);
    exports_millstream_plugin_exporter_list_undelivered_free(&undelivered);

    puts("what stands behind a failure comes again");
    assert(export("bad", fails_at_the_second, &undelivered, &error) == 2);
    assert(undelivered.ptr[0].index == 1 && undelivered.ptr[0].disposition == RETRY);
    assert(undelivered.ptr[1].index == 2 && undelivered.ptr[1].disposition == RETRY);
    exports_millstream_plugin_exporter_list_undelivered_free(&undelivered);

    puts("the pause a server asks for is passed on");
    assert(export("second", throttles, &undelivered, &error) == -1);
    assert(error.tag == EXPORTS_MILLSTREAM_PLUGIN_EXPORTER_EXPORT_ERROR_THROTTLED);
    assert(error.val.throttled.retry_after_ms.val == 7000);
    plugin_string_free(&error.val.throttled.reason);

    puts("a missing grant is named");
    assert(export("second", not_granted, &undelivered, &error) == -1);
    assert(error.tag == EXPORTS_MILLSTREAM_PLUGIN_EXPORTER_EXPORT_ERROR_DENIED);
    assert(memcmp(error.val.denied.ptr, "Put \"http://127.0.0.1:8000\"", 27) == 0);
    plugin_string_free(&error.val.denied);

    puts("a wrong field of the configuration is named");
    assert(strcmp(open_with("{}"), "url") == 0);
    assert(strcmp(open_with("{\"url\": 1}"), "url") == 0);
    assert(strcmp(open_with("{\"url\":\"ftp://example.com\"}"), "url") == 0);
    assert(strcmp(open_with("{\"url\":\"http://example.com\",\"uri\":\"\"}"), "uri") == 0);
    assert(open_with("{ \"url\" : \"https:\\/\\/example.com?a=b\" }") == NULL);

    puts("a line is JSON");
    plugin_string_t line = {0};
    const char *payload = "\"\\\x01\xc3\xbc";
    millstream_plugin_types_message_t message = {18446744073709551615u, 0, {(uint8_t *)payload, strlen(payload)}};
    const char *wanted = "{\"sequenceNumber\":18446744073709551615,\"ingestTime\":0,\"payload\":\"\\\"\\\\\\u0001\xc3\xbc\"}\n";
    assert(line_add(&line, &message) && line.len == strlen(wanted) && memcmp(line.ptr, wanted, line.len) == 0);
    plugin_string_free(&line);

    puts("all passed");
    return 0;
}
