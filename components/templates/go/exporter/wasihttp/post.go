// Package wasihttp is a POST through wasi:http, one at a time. The host reaches only what is granted, and
// does TLS.
package wasihttp

import (
	"errors"
	"fmt"
	"net/url"
	"strconv"

	. "go.bytecodealliance.org/pkg/wit/types"

	handler "{{name}}/gen/wasi_http_outgoing_handler"
	http "{{name}}/gen/wasi_http_types"
	"{{name}}/sink"
)

func Post(address *url.URL, contentType string, body []byte) (sink.Answer, error) {
	headers := http.FieldsFromList([]Tuple2[string, []uint8]{
		{F0: "content-type", F1: []byte(contentType)},
		{F0: "content-length", F1: []byte(strconv.Itoa(len(body)))},
	})
	if headers.IsErr() {
		return sink.Answer{}, errors.New("the host does not take its headers")
	}
	request := http.MakeOutgoingRequest(headers.Ok())
	scheme := http.MakeSchemeHttp()
	if address.Scheme == "https" {
		scheme = http.MakeSchemeHttps()
	}
	request.SetMethod(http.MakeMethodPost())
	request.SetScheme(Some(scheme))
	request.SetAuthority(Some(address.Host))
	request.SetPathWithQuery(Some(address.RequestURI()))
	outgoing := request.Body().Ok() // It is asked for once.
	// Without options: the host has time limits of its own.
	handled := handler.Handle(request, None[*http.RequestOptions]())
	if handled.IsErr() {
		outgoing.Drop()
		return sink.Answer{}, why(handled.Err())
	}
	future := handled.Ok()
	defer future.Drop()
	write(outgoing, body)
	answered := future.Subscribe()
	answered.Block()
	answered.Drop()
	result := future.Get().Some().Ok() // It is there, and taken once.
	if result.IsErr() {
		return sink.Answer{}, why(result.Err())
	}
	response := result.Ok()
	defer response.Drop()
	return read(response), nil
}

func why(code http.ErrorCode) error {
	switch code.Tag() {
	case http.ErrorCodeHttpRequestDenied:
		return sink.ErrNotGranted
	case http.ErrorCodeConnectionRefused:
		return errors.New("it refuses connections")
	case http.ErrorCodeConnectionReadTimeout, http.ErrorCodeHttpResponseTimeout:
		return errors.New("it did not answer in time")
	default:
		return fmt.Errorf("error %d of wasi:http", code.Tag())
	}
}

func write(outgoing *http.OutgoingBody, rest []byte) {
	stream := outgoing.Write().Ok()
	writable := stream.Subscribe()
	isTaken := true
	for isTaken && len(rest) > 0 {
		writable.Block()
		room := stream.CheckWrite()
		if isTaken = room.IsOk(); isTaken {
			count := min(int(room.Ok()), len(rest))
			isTaken = stream.Write(rest[:count]).IsOk()
			rest = rest[count:]
		}
	}
	writable.Drop()
	stream.Drop()
	if isTaken {
		http.OutgoingBodyFinish(outgoing, None[*http.Fields]())
	} else {
		outgoing.Drop() // The host takes no more of it: the answer says why.
	}
}

func read(response *http.IncomingResponse) sink.Answer {
	answer := sink.Answer{Status: int(response.Status()), RetryAfterMs: None[uint64]()}
	headers := response.Headers()
	for _, value := range headers.Get("retry-after") {
		if seconds, err := strconv.ParseUint(string(value), 10, 32); err == nil {
			answer.RetryAfterMs = Some(seconds * 1000)
		}
	}
	headers.Drop()
	// To its end, so that the connection can serve the next request.
	if body := response.Consume(); body.IsOk() {
		if stream := body.Ok().Stream(); stream.IsOk() {
			for stream.Ok().BlockingSkip(64 << 10).IsOk() {
			}
			stream.Ok().Drop()
		}
		body.Ok().Drop()
	}
	return answer
}
