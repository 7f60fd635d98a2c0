// The component: what it offers is in export_wasi_cli_run, the folder that is named after the interface of the
// contract.
package main

import _ "{{name}}/gen/wit_exports"

func main() {}
