// Package readings makes messages, and appends them.
package readings

import (
	"encoding/json"
	"errors"
	"flag"
	"io"
	"time"
)

var (
	// ErrFull says that the stream is full: wait, and try again.
	ErrFull = errors.New("the stream is full")
	// ErrHostStops says that the host shuts down.
	ErrHostStops = errors.New("the host stops")
)

type Options struct {
	Stream   string
	Interval time.Duration
	Count    int // 0 has no end
}

func Parse(arguments []string) (Options, error) {
	var options Options
	flags := flag.NewFlagSet("{{name}}", flag.ContinueOnError)
	flags.SetOutput(io.Discard)
	flags.StringVar(&options.Stream, "stream", "", "")
	interval := flags.Int("interval-ms", 1000, "")
	flags.IntVar(&options.Count, "count", 0, "")
	if err := flags.Parse(arguments); err != nil {
		return options, err
	}
	options.Interval = time.Duration(*interval) * time.Millisecond
	if options.Stream == "" {
		return options, errors.New("--stream NAME is missing")
	}
	return options, nil
}

// Produce appends until the count is reached or the host stops, which is a clean end.
func Produce(options Options, appendTo func(string, []byte) error, pause func(time.Duration)) error {
	for number := 0; options.Count == 0 || number < options.Count; number++ {
		payload := reading(number)
		err := appendTo(options.Stream, payload)
		for errors.Is(err, ErrFull) {
			pause(options.Interval)
			err = appendTo(options.Stream, payload)
		}
		if errors.Is(err, ErrHostStops) {
			return nil
		}
		if err != nil {
			return err
		}
		pause(options.Interval)
	}
	return nil
}

// reading is what is appended: put your sensor here.
func reading(number int) []byte {
	payload, _ := json.Marshal(map[string]any{"number": number, "time": time.Now().Unix()})
	return payload
}
