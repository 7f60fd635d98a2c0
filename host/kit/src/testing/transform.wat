;; A transform that keeps the contract and changes nothing; tests put their misdeeds at the marks.
(module
  ;; COMMON

  ;; How the answer to `describe` ends: at most one message of one.
  (data (i32.const 0x220) "\01\00\00\00")

  ;; Each message becomes itself: 16 bytes of each are the places it comes from and the payload.
  (func (export "millstream:plugin/INTERFACE@0.1.0#transform")
    (param $batch i32) (param $count i32) (result i32)
    (local $outputs i32) (local $places i32)
    (local $place i32) (local $output i32) (local $source i32) (local $message i32)
    ;; TRANSFORM
    (local.set $outputs
      (call $allocate (i32.const 0) (i32.const 0) (i32.const 4)
        (i32.mul (local.get $count) (i32.const 16))))
    (local.set $places
      (call $allocate (i32.const 0) (i32.const 0) (i32.const 4)
        (i32.mul (local.get $count) (i32.const 4))))
    (block $done
      (loop $next
        (br_if $done (i32.ge_u (local.get $place) (local.get $count)))
        (local.set $message
          (i32.add (local.get $batch) (i32.mul (local.get $place) (i32.const 24))))
        (local.set $output
          (i32.add (local.get $outputs) (i32.mul (local.get $place) (i32.const 16))))
        (local.set $source
          (i32.add (local.get $places) (i32.mul (local.get $place) (i32.const 4))))
        (i32.store (local.get $source) (local.get $place))
        (i32.store offset=0 (local.get $output) (local.get $source))
        (i32.store offset=4 (local.get $output) (i32.const 1))
        (i64.store offset=8 (local.get $output) (i64.load offset=16 (local.get $message)))
        (local.set $place (i32.add (local.get $place) (i32.const 1)))
        (br $next)))
    (memory.fill (i32.const 0x400) (i32.const 0) (i32.const 20))
    (i32.store (i32.const 0x404) (local.get $outputs))
    (i32.store (i32.const 0x408) (local.get $count))
    (global.set $heap (i32.const 65536))
    (i32.const 0x400))
)
