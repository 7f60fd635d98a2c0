;; An exporter whose deeds are chosen by the first byte of the first payload of a batch.
(module
  (import "millstream:plugin/log@0.1.0" "write" (func $log (param i32 i32 i32)))
  (import "millstream:plugin/streams@0.1.0" "append"
    (func $append (param i32 i32 i32 i32 i32)))
  (import "millstream:plugin/work@0.1.0" "recall" (func $recall (param i32)))
  (import "millstream:plugin/work@0.1.0" "remember" (func $remember (param i32 i32 i32 i32)))
  (import "millstream:plugin/work@0.1.0" "in-progress" (func $in_progress (param i32 i32)))
  (memory (export "memory") 2)
  (global $heap (mut i32) (i32.const 65536))
  (global $calls (mut i32) (i32.const 0))

  (data (i32.const 0x100) "test")
  (data (i32.const 0x110) "1.0.0")
  (data (i32.const 0x120) "{}")
  (data (i32.const 0x130) "opened")
  (data (i32.const 0x140) "out")
  (data (i32.const 0x150) "a reason")
  (data (i32.const 0x160) "rotation.max")
  ;; A list of one payload: the five bytes of the version.
  (data (i32.const 0x170) "\10\01\00\00\05\00\00\00")
  ;; The answer to `describe`.
  (data (i32.const 0x200)
    "\00\01\00\00\04\00\00\00\10\01\00\00\05\00\00\00\50\01\00\00\08\00\00\00\20\01\00\00\02\00\00\00"
    "\0a\00\00\00\00\00\00\00\00\04\00\00\00\00\00\00\00\02\00\00\00\00\00\00")

  ;; Takes from the heap and never gives back; `export` empties it.
  (func (export "cabi_realloc") (param $old i32) (param $size i32) (param $align i32) (param $new i32)
    (result i32)
    (local $at i32)
    (local.set $at (i32.and (i32.add (global.get $heap) (i32.const 7)) (i32.const -8)))
    (global.set $heap (i32.add (local.get $at) (local.get $new)))
    (local.get $at))

  (func (export "millstream:plugin/exporter@0.1.0#describe") (result i32)
    (i32.const 0x200))

  ;; Takes the configuration `{}` and refuses any other.
  (func (export "millstream:plugin/exporter@0.1.0#open")
    (param i32 i32 i32 i32) (param $config i32) (param $length i32) (result i32)
    (call $log (i32.const 2) (i32.const 0x130) (i32.const 6))
    (memory.fill (i32.const 0x300) (i32.const 0) (i32.const 24))
    (if (i32.ne (local.get $length) (i32.const 2))
      (then
        (i32.store8 (i32.const 0x300) (i32.const 1))
        (i32.store8 (i32.const 0x304) (i32.const 1))
        (i32.store (i32.const 0x308) (i32.const 0x160))
        (i32.store (i32.const 0x30c) (i32.const 12))
        (i32.store (i32.const 0x310) (i32.const 0x150))
        (i32.store (i32.const 0x314) (i32.const 8))))
    (i32.const 0x300))

  ;; Makes the answer `err` with the given case and "a reason".
  (func $fail (param $case i32)
    (i32.store8 (i32.const 0x400) (i32.const 1))
    (i32.store8 (i32.const 0x408) (local.get $case))
    (i32.store (i32.const 0x410) (i32.const 0x150))
    (i32.store (i32.const 0x414) (i32.const 8)))

  ;; Makes the answer `ok` with one message to reject.
  (func $reject (param $index i32)
    (i32.store (i32.const 0x500) (local.get $index))
    (i32.store8 (i32.const 0x504) (i32.const 1))
    (i32.store (i32.const 0x508) (i32.const 0x150))
    (i32.store (i32.const 0x50c) (i32.const 8))
    (i32.store (i32.const 0x408) (i32.const 0x500))
    (i32.store (i32.const 0x40c) (i32.const 1)))

  ;; Appends "w" to what is remembered.
  (func $append_byte
    (local $length i32)
    (call $recall (i32.const 0x700))
    (if (i32.load8_u (i32.const 0x700))
      (then
        (local.set $length (i32.load (i32.const 0x708)))
        (memory.copy (i32.const 0x800) (i32.load (i32.const 0x704)) (local.get $length))))
    (i32.store8 (i32.add (i32.const 0x800) (local.get $length)) (i32.const 0x77))
    (call $remember (i32.const 1) (i32.const 0x800) (i32.add (local.get $length) (i32.const 1))
      (i32.const 0x710)))

  (func (export "millstream:plugin/exporter@0.1.0#export")
    (param $batch i32) (param $count i32) (result i32)
    (local $deed i32)
    (local.set $deed (i32.load8_u (i32.load offset=16 (local.get $batch))))
    (memory.fill (i32.const 0x400) (i32.const 0) (i32.const 48))
    ;; r: reject the last message of the batch.
    (if (i32.eq (local.get $deed) (i32.const 0x72))
      (then (call $reject (i32.sub (local.get $count) (i32.const 1)))))
    ;; x: speak of a message that is not there.
    (if (i32.eq (local.get $deed) (i32.const 0x78))
      (then (call $reject (local.get $count))))
    ;; n: reject the message whose index is the number of earlier calls.
    (if (i32.eq (local.get $deed) (i32.const 0x6e))
      (then (call $reject (global.get $calls))))
    ;; u: unavailable for 1500 ms.
    (if (i32.eq (local.get $deed) (i32.const 0x75))
      (then
        (call $fail (i32.const 0))
        (i32.store8 (i32.const 0x418) (i32.const 1))
        (i64.store (i32.const 0x420) (i64.const 1500))))
    ;; d: denied.
    (if (i32.eq (local.get $deed) (i32.const 0x64))
      (then (call $fail (i32.const 2))))
    ;; a: append to the stream "out"; misconfigured if that does not work.
    (if (i32.eq (local.get $deed) (i32.const 0x61))
      (then
        (call $append (i32.const 0x140) (i32.const 3) (i32.const 0x170) (i32.const 1) (i32.const 0x600))
        (if (i32.load8_u (i32.const 0x600))
          (then (call $fail (i32.const 3))))))
    ;; l: loop without end.
    (if (i32.eq (local.get $deed) (i32.const 0x6c))
      (then (loop $again (br $again))))
    ;; t: trap.
    (if (i32.eq (local.get $deed) (i32.const 0x74))
      (then (unreachable)))
    ;; m: take memory until there is no more, then trap.
    (if (i32.eq (local.get $deed) (i32.const 0x6d))
      (then
        (loop $more
          (br_if $more (i32.ne (memory.grow (i32.const 16)) (i32.const -1))))
        (unreachable)))
    ;; w: append a byte to what is remembered, and speak of progress.
    (if (i32.eq (local.get $deed) (i32.const 0x77))
      (then
        (call $append_byte)
        (call $in_progress (i32.const 0x150) (i32.const 8))))
    ;; W: the same, then trap.
    (if (i32.eq (local.get $deed) (i32.const 0x57))
      (then (call $append_byte) (unreachable)))
    ;; g: take 4 MiB.
    (if (i32.eq (local.get $deed) (i32.const 0x67))
      (then (drop (memory.grow (i32.const 64)))))
    (global.set $calls (i32.add (global.get $calls) (i32.const 1)))
    (global.set $heap (i32.const 65536))
    (i32.const 0x400))
  ;; CANCELING
)
