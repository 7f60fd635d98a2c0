;; What an exporter and a transform have in common: memory, what they say of themselves, and `open`.
  (memory (export "memory") 2)
  (global $heap (mut i32) (i32.const 65536))

  (data (i32.const 0x100) "test")
  (data (i32.const 0x110) "1.0.0")
  (data (i32.const 0x120) "Nowhere.")
  (data (i32.const 0x130) "limit")
  (data (i32.const 0x140) "millstreamKitUnknownKey")
  (data (i32.const 0x160) "a reason")
  (data (i32.const 0x1000) "SCHEMA")
  ;; How the answer to `describe` begins: name, version, summary, schema.
  (data (i32.const 0x200)
    "\00\01\00\00\04\00\00\00\10\01\00\00\05\00\00\00\20\01\00\00\08\00\00\00\00\10\00\00LENGTH")

  ;; Takes from the heap and never gives back; each call that has to do with a batch empties it.
  (func $allocate (export "cabi_realloc")
    (param $old i32) (param $size i32) (param $align i32) (param $new i32) (result i32)
    (local $at i32) (local $short i32)
    (local.set $at (i32.and (i32.add (global.get $heap) (i32.const 7)) (i32.const -8)))
    (global.set $heap (i32.add (local.get $at) (local.get $new)))
    (local.set $short
      (i32.sub (global.get $heap) (i32.shl (memory.size) (i32.const 16))))
    (if (i32.gt_s (local.get $short) (i32.const 0))
      (then
        (drop (memory.grow
          (i32.add (i32.shr_u (local.get $short) (i32.const 16)) (i32.const 1))))))
    (local.get $at))

  (func (export "millstream:plugin/INTERFACE@0.1.0#describe") (result i32)
    (i32.const 0x200))

  ;; Takes `{"limit":1}`, and refuses any other for its unknown key, or else for the limit.
  (func (export "millstream:plugin/INTERFACE@0.1.0#open")
    (param i32 i32 i32 i32) (param $config i32) (param $length i32) (result i32)
    (local $end i32)
    (memory.fill (i32.const 0x300) (i32.const 0) (i32.const 24))
    (if (i32.eq (local.get $length) (i32.const 11))
      (then (return (i32.const 0x300))))
    (i32.store8 (i32.const 0x300) (i32.const 1))
    (i32.store8 (i32.const 0x304) (i32.const 1))
    (i32.store (i32.const 0x308) (i32.const 0x130))
    (i32.store (i32.const 0x30c) (i32.const 5))
    (i32.store (i32.const 0x310) (i32.const 0x160))
    (i32.store (i32.const 0x314) (i32.const 8))
    (local.set $end (i32.add (local.get $config) (local.get $length)))
    (loop $look
      (if (i32.eq (i32.load8_u (local.get $config)) (i32.const 0x4b))
        (then
          (i32.store (i32.const 0x308) (i32.const 0x140))
          (i32.store (i32.const 0x30c) (i32.const 23))))
      (local.set $config (i32.add (local.get $config) (i32.const 1)))
      (br_if $look (i32.lt_u (local.get $config) (local.get $end))))
    ;; OPEN
    (i32.const 0x300))
