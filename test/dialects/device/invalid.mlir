// RUN: vit-opt %s --split-input-file --verify-diagnostics

// expected-error @+1 {{has 48 threads; a block consists of 1 to 32 warps of 32 threads}}
device.kernel @part_of_a_warp(%n: i32) attributes {threads = 48 : i64, shared_bytes = 0 : i64} {
  device.return
}

// -----

// expected-error @+1 {{has 1056 threads; a block consists of 1 to 32 warps of 32 threads}}
device.kernel @too_many(%n: i32) attributes {threads = 1056 : i64, shared_bytes = 0 : i64} {
  device.return
}

// -----

// expected-error @+1 {{'shared_bytes' failed to satisfy constraint}}
device.kernel @less_than_nothing(%n: i32) attributes {threads = 32 : i64, shared_bytes = -4 : i64} {
  device.return
}

// -----

// expected-error @+1 {{takes '!device.memory<shared, f32>'; arguments are global memory, numbers and tensor maps}}
device.kernel @shared_argument(%x: !device.memory<shared, f32>) attributes {threads = 32 : i64, shared_bytes = 0 : i64} {
  device.return
}

// -----

// expected-error @+1 {{returns values; a kernel writes its results to memory}}
device.kernel @result(%n: i32) -> i32 attributes {threads = 32 : i64, shared_bytes = 0 : i64} {
  device.return
}

// -----

device.kernel @element(%x: !device.memory<global, f32>, %i: i32) attributes {threads = 32 : i64, shared_bytes = 0 : i64} {
  // expected-error @+1 {{moves 'bf16' to or from memory of 'f32'}}
  %0 = device.load %x[%i] : !device.memory<global, f32>[i32] -> bf16
  device.return
}

// -----

device.kernel @three(%x: !device.memory<global, f32>, %i: i32) attributes {threads = 32 : i64, shared_bytes = 0 : i64} {
  // expected-error @+1 {{moves 'vector<3xf32>'; a vector in memory has one axis, a power of two of elements and 16 bytes at most}}
  %0 = device.load %x[%i] : !device.memory<global, f32>[i32] -> vector<3xf32>
  device.return
}

// -----

device.kernel @too_wide(%x: !device.memory<global, f32>, %v: f32, %i: i32) attributes {threads = 32 : i64, shared_bytes = 0 : i64} {
  %0 = vector.broadcast %v : f32 to vector<8xf32>
  // expected-error @+1 {{moves 'vector<8xf32>'; a vector in memory has one axis, a power of two of elements and 16 bytes at most}}
  device.store %0, %x[%i] : vector<8xf32>, !device.memory<global, f32>[i32]
  device.return
}

// -----

device.kernel @count(%c: !device.memory<global, f32>, %n: i32) attributes {threads = 32 : i64, shared_bytes = 0 : i64} {
  // expected-error @+1 {{counts in memory of 'f32'; a counter is an i32}}
  %0 = device.arrive %c[%n] of 2 : !device.memory<global, f32>[i32]
  device.return
}

// -----

// expected-error @+1 {{a schedule consists of positive numbers, 0 is none}}
func.func private @none() attributes {device.schedule = #device.warpgroup_product<consumers = 1, columns = 64, stages = 0>}

// -----

device.kernel @lane(%v: f32) attributes {threads = 32 : i64, shared_bytes = 0 : i64} {
  // expected-error @+1 {{'mask' failed to satisfy constraint}}
  %0 = device.shuffle %v, 32 : f32
  device.return
}

// -----

device.kernel @bytes(%x: !device.memory<global, f32>, %i: i32) attributes {threads = 32 : i64, shared_bytes = 64 : i64} {
  %s = device.shared 0 : !device.memory<shared, f32>
  // expected-error @+1 {{copies 32 bytes; a thread copies 4, 8 or 16}}
  device.copy_async %x[%i] to %s[%i] {bytes = 32 : i64} : !device.memory<global, f32>[i32] to !device.memory<shared, f32>[i32]
  device.return
}

// -----

device.kernel @copied_element(%x: !device.memory<global, f32>, %i: i32) attributes {threads = 32 : i64, shared_bytes = 64 : i64} {
  %s = device.shared 0 : !device.memory<shared, f16>
  // expected-error @+1 {{copies 'f32' to memory of 'f16'}}
  device.copy_async %x[%i] to %s[%i] {bytes = 4 : i64} : !device.memory<global, f32>[i32] to !device.memory<shared, f16>[i32]
  device.return
}

// -----

device.kernel @upwards(%x: !device.memory<global, f32>, %i: i32) attributes {threads = 32 : i64, shared_bytes = 0 : i64} {
  // expected-error @+1 {{operand #2 must be memory of the space Shared, but got '!device.memory<global, f32>'}}
  device.copy_async %x[%i] to %x[%i] {bytes = 4 : i64} : !device.memory<global, f32>[i32] to !device.memory<global, f32>[i32]
  device.return
}

// -----

device.kernel @matrix_element(%i: i32) attributes {threads = 32 : i64, shared_bytes = 512 : i64} {
  %s = device.shared 0 : !device.memory<shared, f16>
  // expected-error @+1 {{reads 'vector<8xbf16>' from memory of 'f16'}}
  %0 = device.load_matrix %s[%i] : !device.memory<shared, f16>[i32] -> vector<8xbf16>
  device.return
}

// -----

device.kernel @mixed(%x: !device.memory<global, f16>, %y: !device.memory<global, bf16>, %i: i32)
    attributes {threads = 32 : i64, shared_bytes = 0 : i64} {
  %a = device.load %x[%i] : !device.memory<global, f16>[i32] -> vector<8xf16>
  %b = device.load %y[%i] : !device.memory<global, bf16>[i32] -> vector<4xbf16>
  %zero = arith.constant dense<0.0> : vector<4xf32>
  // expected-error @+1 {{multiplies 'f16' by 'bf16'}}
  %0 = device.mma %a, %b, %zero : vector<8xf16>, vector<4xbf16>
  device.return
}

// -----

device.kernel @words(%i: i32) attributes {threads = 32 : i64, shared_bytes = 512 : i64} {
  %s = device.shared 0 : !device.memory<shared, f32>
  // expected-error @+1 {{reads 'vector<4xf32>' from memory of 'f32'; matrices are of bf16, f16 or tf32}}
  %0 = device.load_matrix %s[%i] : !device.memory<shared, f32>[i32] -> vector<4xf32>
  device.return
}

// -----

device.kernel @transposed_words(%i: i32) attributes {threads = 32 : i64, shared_bytes = 512 : i64} {
  %s = device.shared 0 : !device.memory<shared, tf32>
  // expected-error @+1 {{transposes matrices of 'tf32'; elements of 16 bits alone can be transposed}}
  %0 = device.load_matrix %s[%i] {transposed} : !device.memory<shared, tf32>[i32] -> vector<4xf32>
  device.return
}
