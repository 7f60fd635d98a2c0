// Package export_millstream_plugin_exporter is what the host calls.
package export_millstream_plugin_exporter

import (
	"runtime"
	"runtime/debug"

	. "go.bytecodealliance.org/pkg/wit/types"

	contract "{{name}}/gen/millstream_plugin_exporter"
	"{{name}}/sink"
	"{{name}}/wasihttp"
)

var exporter *sink.Sink

// While a batch is handed over, a component may not call its host, and Go's collector of garbage does. So it
// does not run by itself, but at the end of each call of Export.
func init() { debug.SetGCPercent(-1) }

func Describe() contract.Description {
	return contract.Description{
		Name:         "{{name}}",
		Version:      "0.1.0",
		Summary:      "Posts each batch as JSON lines to a URL.",
		ConfigSchema: sink.Schema,
		Limits:       contract.Limits{MaxMessages: 100, MaxBatchBytes: 1 << 20, MaxMessageBytes: 256 << 10},
		// It wants nothing by name: which host it is stands in the configuration of each export.
	}
}

func Open(context contract.ExportContext, config string) Result[Unit, contract.ConfigError] {
	opened, wrong := sink.Open(config, wasihttp.Post)
	if wrong != nil {
		return Err[Unit](*wrong)
	}
	exporter = opened
	return Ok[Unit, contract.ConfigError](Unit{})
}

func Export(batch []contract.Message) Result[[]contract.Undelivered, contract.ExportError] {
	defer runtime.GC()
	undelivered, failure := exporter.Export(batch)
	if failure != nil {
		return Err[[]contract.Undelivered](*failure)
	}
	return Ok[[]contract.Undelivered, contract.ExportError](undelivered)
}
