  ;; Remembers the reason and the count of the messages; refuses with "a reason" if there are any.
  (func (export "millstream:plugin/canceling@0.1.0#cancel")
    (param $messages i32) (param $count i32) (param $reason i32) (result i32)
    (i32.store8 (i32.const 0x900) (local.get $reason))
    (i32.store8 (i32.const 0x901) (local.get $count))
    (call $remember (i32.const 1) (i32.const 0x900) (i32.const 2) (i32.const 0x710))
    (memory.fill (i32.const 0xa00) (i32.const 0) (i32.const 12))
    (if (local.get $count)
      (then
        (i32.store8 (i32.const 0xa00) (i32.const 1))
        (i32.store (i32.const 0xa04) (i32.const 0x150))
        (i32.store (i32.const 0xa08) (i32.const 8))))
    (global.set $heap (i32.const 65536))
    (i32.const 0xa00))
