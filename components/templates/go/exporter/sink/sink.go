// Package sink posts each batch as JSON lines to a URL.
package sink

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"net/url"
	"unicode/utf8"

	. "go.bytecodealliance.org/pkg/wit/types"

	contract "{{name}}/gen/millstream_plugin_exporter"
)

const Schema = `{
	"$schema": "https://json-schema.org/draft/2020-12/schema",
	"type": "object",
	"properties": {"url": {"type": "string", "description": "Where the lines are posted."}},
	"required": ["url"],
	"additionalProperties": false
}`

// ErrNotGranted says that the grants do not cover the address.
var ErrNotGranted = errors.New("not granted")

type Answer struct {
	Status       int
	RetryAfterMs Option[uint64]
}

// Post sends a request; the component and the tests have one each.
type Post func(address *url.URL, contentType string, body []byte) (Answer, error)

type Sink struct {
	address *url.URL
	post    Post
}

func Open(config string, post Post) (*Sink, *contract.ConfigError) {
	wrong := func(field, message string) *contract.ConfigError {
		return &contract.ConfigError{Field: Some(field), Message: message}
	}
	var settings map[string]any
	if err := json.Unmarshal([]byte(config), &settings); err != nil {
		return nil, &contract.ConfigError{Field: None[string](), Message: err.Error()}
	}
	for key := range settings {
		if key != "url" {
			return nil, wrong(key, "There is no such setting; there is `url`.")
		}
	}
	text, _ := settings["url"].(string)
	address, err := url.Parse(text)
	if err != nil || (address.Scheme != "http" && address.Scheme != "https") || address.Host == "" {
		return nil, wrong("url", "Set it to an address such as https://example.com/ingest.")
	}
	return &Sink{address, post}, nil
}

// A message that can be sent: its place in the batch, and its line.
type line struct {
	place uint32
	text  []byte
}

func (sink *Sink) Export(batch []contract.Message) ([]contract.Undelivered, *contract.ExportError) {
	undelivered := []contract.Undelivered{}
	var lines []line
	var body []byte
	for index, message := range batch {
		place := uint32(index)
		if text, err := encode(message); err != nil {
			undelivered = append(undelivered, rejected(place, err.Error()))
		} else {
			lines = append(lines, line{place, text})
			body = append(body, text...)
		}
	}
	if len(lines) == 0 {
		return undelivered, nil
	}
	refusal, failure := sink.send(body)
	if failure != nil || refusal == "" {
		return undelivered, failure
	}
	// Alone, each line shows whether it is at fault. The first failure of another kind ends it: the order is
	// kept.
	for sent, line := range lines {
		refusal, failure := sink.send(line.text)
		if failure != nil && sent == 0 {
			return nil, failure
		}
		if failure != nil {
			for _, waiting := range lines[sent:] {
				undelivered = append(undelivered, contract.Undelivered{
					Index: waiting.place, Disposition: contract.DispositionRetry, Reason: "One before it could not be sent.",
				})
			}
			break
		}
		if refusal != "" {
			undelivered = append(undelivered, rejected(line.place, refusal))
		}
	}
	return undelivered, nil
}

func rejected(place uint32, reason string) contract.Undelivered {
	return contract.Undelivered{Index: place, Disposition: contract.DispositionReject, Reason: reason}
}

// send returns why the server refuses the content, or nothing if it has taken it.
func (sink *Sink) send(body []byte) (string, *contract.ExportError) {
	origin := sink.address.Scheme + "://" + sink.address.Host
	failed := func(err contract.ExportError) (string, *contract.ExportError) { return "", &err }
	answer, err := sink.post(sink.address, "application/x-ndjson", body)
	if errors.Is(err, ErrNotGranted) {
		return failed(contract.MakeExportErrorDenied(fmt.Sprintf("Put %q into `hosts` of the grants.", origin)))
	}
	if err != nil {
		reason := fmt.Sprintf("No answer from %s: %s.", origin, err)
		return failed(contract.MakeExportErrorUnavailable(contract.Failure{Reason: reason, RetryAfterMs: None[uint64]()}))
	}
	said := fmt.Sprintf("%s answers %d.", origin, answer.Status)
	failure := contract.Failure{Reason: said, RetryAfterMs: answer.RetryAfterMs}
	switch status := answer.Status; {
	case status >= 200 && status < 300:
		return "", nil
	case status == 400 || status == 413 || status == 415 || status == 422:
		return said, nil
	case status == 401 || status == 403 || status == 407:
		return failed(contract.MakeExportErrorDenied(said))
	case status == 429 || status == 503:
		return failed(contract.MakeExportErrorThrottled(failure))
	case status == 408 || status >= 500:
		return failed(contract.MakeExportErrorUnavailable(failure))
	default:
		return failed(contract.MakeExportErrorMisconfigured(said + " Check `url`."))
	}
}

func encode(message contract.Message) ([]byte, error) {
	if !utf8.Valid(message.Payload) {
		return nil, errors.New("The payload is not text in UTF-8.")
	}
	var line bytes.Buffer
	encoder := json.NewEncoder(&line) // It ends the line.
	encoder.SetEscapeHTML(false)
	err := encoder.Encode(struct {
		SequenceNumber uint64 `json:"sequenceNumber"`
		IngestTime     uint64 `json:"ingestTime"`
		Payload        string `json:"payload"`
	}{message.SequenceNumber, message.IngestTime, string(message.Payload)})
	return line.Bytes(), err
}
