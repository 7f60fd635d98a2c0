package sink

import (
	"bytes"
	"encoding/json"
	"net/url"
	"reflect"
	"testing"

	. "go.bytecodealliance.org/pkg/wit/types"

	contract "{{name}}/gen/millstream_plugin_exporter"
)

// export exports messages to a server that answers as told, and returns the lines of each call too.
func export(answer func(lines []string) (Answer, error), payloads ...string) ([]contract.Undelivered, *contract.ExportError, [][]string) {
	var calls [][]string
	subject, _ := Open(`{"url":"http://127.0.0.1:8000/in"}`, func(_ *url.URL, _ string, body []byte) (Answer, error) {
		var lines []string
		for _, text := range bytes.Split(bytes.TrimSpace(body), []byte("\n")) {
			var line struct{ Payload string }
			if err := json.Unmarshal(text, &line); err != nil {
				panic(err)
			}
			lines = append(lines, line.Payload)
		}
		calls = append(calls, lines)
		return answer(lines)
	})
	var batch []contract.Message
	for number, payload := range payloads {
		batch = append(batch, contract.Message{SequenceNumber: uint64(number), Payload: []byte(payload)})
	}
	undelivered, failure := subject.Export(batch)
	return undelivered, failure, calls
}

func with(status int) (Answer, error) {
	return Answer{Status: status, RetryAfterMs: None[uint64]()}, nil
}

type settled struct {
	place       uint32
	disposition contract.Disposition
}

func expect(t *testing.T, undelivered []contract.Undelivered, wanted ...settled) {
	t.Helper()
	var found []settled
	for _, it := range undelivered {
		found = append(found, settled{it.Index, it.Disposition})
	}
	if !reflect.DeepEqual(found, wanted) {
		t.Errorf("%v instead of %v", found, wanted)
	}
}

func TestABatchIsOneCallInOrder(t *testing.T) {
	undelivered, failure, calls := export(func([]string) (Answer, error) { return with(200) }, "a", "b", "c")
	expect(t, undelivered)
	if failure != nil || !reflect.DeepEqual(calls, [][]string{{"a", "b", "c"}}) {
		t.Error(failure, calls)
	}
}

func TestOnlyWhatIsNotTextIsRejected(t *testing.T) {
	undelivered, _, calls := export(func([]string) (Answer, error) { return with(200) }, "a", "\xff", "c")
	expect(t, undelivered, settled{1, contract.DispositionReject})
	if !reflect.DeepEqual(calls, [][]string{{"a", "c"}}) {
		t.Error(calls)
	}
}

func TestOnlyWhatTheServerRefusesIsRejected(t *testing.T) {
	undelivered, _, _ := export(func(lines []string) (Answer, error) {
		for _, line := range lines {
			if line == "bad" {
				return with(422)
			}
		}
		return with(200)
	}, "a", "bad", "c")
	expect(t, undelivered, settled{1, contract.DispositionReject})
}

func TestWhatStandsBehindAFailureComesAgain(t *testing.T) {
	undelivered, _, _ := export(func(lines []string) (Answer, error) {
		switch {
		case len(lines) > 1:
			return with(422)
		case lines[0] == "b":
			return with(500)
		}
		return with(200)
	}, "a", "b", "c")
	expect(t, undelivered, settled{1, contract.DispositionRetry}, settled{2, contract.DispositionRetry})
}

func TestThePauseAServerAsksForIsPassedOn(t *testing.T) {
	_, failure, _ := export(func([]string) (Answer, error) {
		return Answer{Status: 429, RetryAfterMs: Some[uint64](7000)}, nil
	}, "a")
	if failure.Throttled().RetryAfterMs.Some() != 7000 {
		t.Error(failure)
	}
}

func TestAMissingGrantIsNamed(t *testing.T) {
	_, failure, _ := export(func([]string) (Answer, error) { return Answer{}, ErrNotGranted }, "a")
	if failure.Denied() != "Put \"http://127.0.0.1:8000\" into `hosts` of the grants." {
		t.Error(failure.Denied())
	}
}

func TestAWrongFieldOfTheConfigurationIsNamed(t *testing.T) {
	for config, field := range map[string]string{
		`{}`:                            "url",
		`{"url": 1}`:                    "url",
		`{"url": "ftp://example.com"}`:  "url",
		`{"url": "http://a", "uri": 1}`: "uri",
	} {
		if _, wrong := Open(config, nil); wrong == nil || wrong.Field.SomeOr("") != field {
			t.Error(config, wrong)
		}
	}
}
