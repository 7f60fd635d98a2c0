;; A command that prints, and then ends as the placeholder says.
(module
  (import "wasi:cli/stdout@0.2.0" "get-stdout" (func $get-stdout (result i32)))
  (import "wasi:io/streams@0.2.0" "[method]output-stream.blocking-write-and-flush"
    (func $write (param i32 i32 i32 i32)))
  (import "wasi:cli/exit@0.2.0" "exit" (func $exit (param i32)))
  (memory (export "memory") 1)
  (data (i32.const 0x100) "first\nsecond\nthird")
  (func (export "wasi:cli/run@0.2.0#run") (result i32)
    (call $write (call $get-stdout) (i32.const 0x100) (i32.const 18) (i32.const 0x10))
    ;; END
    (i32.const 0)))
