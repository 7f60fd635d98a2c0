package readings

import (
	"errors"
	"testing"
	"time"
)

// produce runs against a host that gives these answers, and nil after them.
func produce(count int, answers ...error) (appends, pauses int, err error) {
	err = Produce(Options{"s", time.Second, count}, func(string, []byte) error {
		appends++
		if appends <= len(answers) {
			return answers[appends-1]
		}
		return nil
	}, func(time.Duration) { pauses++ })
	return
}

func TestAsManyReadingsAreAppendedAsAskedForWithPauses(t *testing.T) {
	if appends, pauses, err := produce(3); appends != 3 || pauses != 3 || err != nil {
		t.Error(appends, pauses, err)
	}
}

func TestItWaitsWhileTheStreamIsFull(t *testing.T) {
	if appends, pauses, err := produce(1, ErrFull); appends != 2 || pauses != 2 || err != nil {
		t.Error(appends, pauses, err)
	}
}

func TestAHostThatShutsDownIsACleanEnd(t *testing.T) {
	if appends, _, err := produce(0, nil, ErrHostStops); appends != 2 || err != nil {
		t.Error(appends, err)
	}
}

func TestAnyOtherErrorEndsIt(t *testing.T) {
	refused := errors.New("not granted")
	if appends, _, err := produce(0, refused); appends != 1 || err != refused {
		t.Error(appends, err)
	}
}

func TestArgumentsAreChecked(t *testing.T) {
	options, err := Parse([]string{"--stream", "s", "--count", "3"})
	if err != nil || options != (Options{"s", time.Second, 3}) {
		t.Error(options, err)
	}
	for _, arguments := range [][]string{{}, {"--stream", "s", "--count", "many"}} {
		if _, err := Parse(arguments); err == nil {
			t.Error(arguments)
		}
	}
}
