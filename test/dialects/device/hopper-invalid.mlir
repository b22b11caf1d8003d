// RUN: vit-opt %s -split-input-file -verify-diagnostics

// expected-error @+1 {{a warpgroup's product has 8 to 256 columns, a multiple of 8, not 260}}
device.kernel @columns(%n: i32, %s: !device.sums<260>) attributes {threads = 128 : i64, shared_bytes = 0 : i64} {
  device.return
}

// -----

device.kernel @rank(%n: i32, %map: !device.tensor_map<bf16, rank = 2>) attributes {threads = 32 : i64, shared_bytes = 2048 : i64} {
  %a = device.shared 0 : !device.memory<shared, bf16>
  %bars = device.shared 1024 : !device.memory<shared, i64>
  // expected-error @+1 {{has 1 coordinates in a tensor of rank 2}}
  device.tensor_copy %map[%n] to %a[%n], %bars[%n]
      : !device.tensor_map<bf16, rank = 2> to !device.memory<shared, bf16>[i32], !device.memory<shared, i64>[i32]
  device.return
}

// -----

device.kernel @barriers(%n: i32) attributes {threads = 32 : i64, shared_bytes = 8 : i64} {
  %bars = device.shared 0 : !device.memory<shared, f32>
  // expected-error @+1 {{uses memory of 'f32' as barriers, which are i64}}
  device.mbarrier_arrive %bars[%n] : !device.memory<shared, f32>[i32]
  device.return
}

// -----

device.kernel @incomplete(%n: i32) attributes {threads = 128 : i64, shared_bytes = 0 : i64} {
  %zero = arith.constant dense<0.0> : vector<32xf32>
  // expected-error @+1 {{hands over 'vector<32xf32>' as '!device.sums<32>'; columns / 2 values of f32 become sums, sums and fragments stay what they are}}
  %s = device.wgmma_begin %zero : vector<32xf32> -> !device.sums<32>
  device.return
}

// -----

device.kernel @returned(%n: i32) attributes {threads = 128 : i64, shared_bytes = 0 : i64} {
  %zero = arith.constant dense<0.0> : vector<32xf32>
  %s = device.wgmma_begin %zero : vector<32xf32> -> !device.sums<64>
  // expected-error @+1 {{returns '!device.sums<64>' as 'vector<16xf32>'; complete sums are 'vector<32xf32>'}}
  %v = device.wgmma_wait 0, %s : !device.sums<64> -> vector<16xf32>
  device.return
}

// -----

device.kernel @swizzle(%n: i32, %s: !device.sums<64>) attributes {threads = 128 : i64, shared_bytes = 64 : i64} {
  %a = device.shared 0 : !device.memory<shared, bf16>
  // expected-error @+1 {{rows of an operand have 32, 64 or 128 bytes, not 96}}
  %0 = device.wgmma %s, %a[%n] <k, swizzle = 96>, %a[%n] <k, swizzle = 128> : !device.sums<64>, !device.memory<shared, bf16>[i32], !device.memory<shared, bf16>[i32]
  device.return
}

// -----

device.kernel @registers(%n: i32) attributes {threads = 128 : i64, shared_bytes = 0 : i64} {
  // expected-error @+1 {{asks for 100 registers; they come in eights}}
  device.set_registers 100
  device.return
}

// -----

device.kernel @numbers(%n: i32) attributes {threads = 128 : i64, shared_bytes = 64 : i64} {
  %zeros = arith.constant dense<0.0> : vector<32xf32>
  %s = device.wgmma_begin %zeros : vector<32xf32> -> !device.sums<64>
  %a = device.shared 0 : !device.memory<shared, f32>
  // expected-error @+1 {{multiplies 'f32' by 'f32'; operands are both bf16, both f16 or both tf32}}
  %0 = device.wgmma %s, %a[%n] <k, swizzle = 128>, %a[%n] <k, swizzle = 128> : !device.sums<64>, !device.memory<shared, f32>[i32], !device.memory<shared, f32>[i32]
  device.return
}

// -----

device.kernel @along_mn(%n: i32) attributes {threads = 128 : i64, shared_bytes = 64 : i64} {
  %zeros = arith.constant dense<0.0> : vector<32xf32>
  %s = device.wgmma_begin %zeros : vector<32xf32> -> !device.sums<64>
  %a = device.shared 0 : !device.memory<shared, tf32>
  // expected-error @+1 {{has operands of tf32 along mn; they lie along k}}
  %0 = device.wgmma %s, %a[%n] <k, swizzle = 128>, %a[%n] <mn, swizzle = 128, panel = 8192> : !device.sums<64>, !device.memory<shared, tf32>[i32], !device.memory<shared, tf32>[i32]
  device.return
}
