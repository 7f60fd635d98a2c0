#include "line.h"

#include "text.h"

#define ADD(lines, literal) text_add(lines, literal, sizeof literal - 1)

// The length of the character that begins here, 0 if it is none (RFC 3629).
static size_t character(const uint8_t *at, size_t left) {
    uint8_t first = at[0];
    size_t len = first < 0x80 ? 1 : first >= 0xC2 && first < 0xE0 ? 2 : first >= 0xE0 && first < 0xF0 ? 3
               : first >= 0xF0 && first < 0xF5 ? 4 : 0;
    if (len == 0 || len > left) return 0;
    for (size_t i = 1; i < len; i++) {
        if ((at[i] & 0xC0) != 0x80) return 0;
    }
    // What has a shorter form, surrogates, and what is beyond the last character.
    if ((first == 0xE0 && at[1] < 0xA0) || (first == 0xED && at[1] > 0x9F)) return 0;
    if ((first == 0xF0 && at[1] < 0x90) || (first == 0xF4 && at[1] > 0x8F)) return 0;
    return len;
}

bool line_add(plugin_string_t *lines, const millstream_plugin_types_message_t *message) {
    size_t before = lines->len;
    ADD(lines, "{\"sequenceNumber\":");
    text_add_number(lines, message->sequence_number);
    ADD(lines, ",\"ingestTime\":");
    text_add_number(lines, message->ingest_time);
    ADD(lines, ",\"payload\":\"");
    const uint8_t *at = message->payload.ptr, *end = at + message->payload.len;
    while (at < end) {
        size_t size = character(at, (size_t)(end - at));
        if (size == 0) {
            lines->len = before;
            return false;
        }
        if (*at < 0x20) {
            ADD(lines, "\\u00");
            text_add(lines, &"01"[*at >> 4], 1);
            text_add(lines, &"0123456789abcdef"[*at & 15], 1);
        } else {
            if (*at == '"' || *at == '\\') ADD(lines, "\\");
            text_add(lines, at, size);
        }
        at += size;
    }
    ADD(lines, "\"}\n");
    return true;
}
