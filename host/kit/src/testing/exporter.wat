;; An exporter that keeps the contract and delivers to nowhere; tests put their misdeeds at the marks.
(module
  ;; COMMON

  ;; How the answer to `describe` ends: 100 messages, 1 MiB, 64 KiB.
  (data (i32.const 0x220)
    "\64\00\00\00\00\00\00\00\00\00\10\00\00\00\00\00\00\00\01\00\00\00\00\00")

  ;; Says of the first message that it is not delivered: 0 for another time, 1 for ever.
  (func $undelivered (param $disposition i32)
    (i32.store (i32.const 0x500) (i32.const 0))
    (i32.store8 (i32.const 0x504) (local.get $disposition))
    (i32.store (i32.const 0x508) (i32.const 0x160))
    (i32.store (i32.const 0x50c) (i32.const 8))
    (i32.store (i32.const 0x408) (i32.const 0x500))
    (i32.store (i32.const 0x40c) (i32.const 1)))

  (func (export "millstream:plugin/INTERFACE@0.1.0#export")
    (param $batch i32) (param $count i32) (result i32)
    (memory.fill (i32.const 0x400) (i32.const 0) (i32.const 48))
    ;; EXPORT
    (global.set $heap (i32.const 65536))
    (i32.const 0x400))
)
