// Package export_wasi_cli_run is what the host calls:
// a producer with `--stream NAME [--interval-ms N] [--count N]`.
package export_wasi_cli_run

import (
	"fmt"
	"os"
	"time"

	. "go.bytecodealliance.org/pkg/wit/types"

	streams "{{name}}/gen/millstream_plugin_streams"
	"{{name}}/readings"
)

func Run() Result[Unit, Unit] {
	options, err := readings.Parse(os.Args[1:])
	if err == nil {
		err = readings.Produce(options, appendTo, time.Sleep)
	}
	if err != nil {
		// A failure: the host starts the producer again, as its configuration says.
		fmt.Fprintln(os.Stderr, err)
		return Err[Unit](Unit{})
	}
	return Ok[Unit, Unit](Unit{})
}

func appendTo(stream string, payload []byte) error {
	result := streams.Append(stream, [][]uint8{payload})
	if result.IsOk() {
		return nil
	}
	switch failure := result.Err(); failure.Tag() {
	case streams.StreamErrorFull:
		return readings.ErrFull
	case streams.StreamErrorUnavailable:
		return readings.ErrHostStops
	case streams.StreamErrorNotGranted:
		return fmt.Errorf("stream %q is not granted: put it into `append` of the grants", stream)
	default:
		return fmt.Errorf("stream %q: error %d of the contract", stream, failure.Tag())
	}
}
