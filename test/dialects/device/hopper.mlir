// RUN: vit-opt %s | vit-opt | FileCheck %s

// Operations of compute capability 9.0 as they are written.
// CHECK-LABEL: device.kernel @product
device.kernel @product(%x: !device.memory<global, f32>, %n: i32, %map: !device.tensor_map<bf16, rank = 2>)
    attributes {threads = 128 : i64, shared_bytes = 16400 : i64} {
  %c0 = arith.constant 0 : i32
  %zero = arith.constant dense<0.0> : vector<32xf32>
  %ones = arith.constant dense<1.0> : vector<8xbf16>
  %a = device.shared 0 : !device.memory<shared, bf16>
  %bars = device.shared 16384 : !device.memory<shared, i64>
  // CHECK: device.dependency_wait
  device.dependency_wait
  // CHECK: device.block_count
  %blocks = device.block_count
  // CHECK: device.mbarrier_init %{{.*}}[%{{.*}}] count 1 : <shared, i64>[i32]
  device.mbarrier_init %bars[%c0] count 1 : !device.memory<shared, i64>[i32]
  // CHECK: device.mbarrier_fence
  device.mbarrier_fence
  // CHECK: device.mbarrier_expect %{{.*}}[%{{.*}}] bytes 16384 : <shared, i64>[i32]
  device.mbarrier_expect %bars[%c0] bytes 16384 : !device.memory<shared, i64>[i32]
  // CHECK: device.tensor_copy %{{.*}}[%{{.*}}, %{{.*}}] to %{{.*}}[%{{.*}}], %{{.*}}[%{{.*}}]
  device.tensor_copy %map[%c0, %n] to %a[%c0], %bars[%c0]
      : !device.tensor_map<bf16, rank = 2> to !device.memory<shared, bf16>[i32], !device.memory<shared, i64>[i32]
  // CHECK: device.mbarrier_wait %{{.*}}[%{{.*}}] parity %{{.*}} : <shared, i64>[i32]
  device.mbarrier_wait %bars[%c0] parity %c0 : !device.memory<shared, i64>[i32]
  // CHECK: device.proxy_fence
  device.proxy_fence
  // CHECK: device.set_registers 232 increase
  device.set_registers 232 increase
  // CHECK: %[[BEGUN:.*]]:2 = device.wgmma_begin %{{.*}}, %{{.*}} : vector<32xf32>, vector<8xbf16> -> !device.sums<64>, vector<8xbf16>
  %begun, %fragments = device.wgmma_begin %zero, %ones : vector<32xf32>, vector<8xbf16> -> !device.sums<64>, vector<8xbf16>
  // CHECK: %[[ONE:.*]] = device.wgmma %[[BEGUN]]#0, %{{.*}}[%{{.*}}] <k, swizzle = 128>, %{{.*}}[%{{.*}}] <mn, swizzle = 128, panel = 8192> {overwrite}
  %one = device.wgmma %begun, %a[%c0] <k, swizzle = 128>, %a[%c0] <mn, swizzle = 128, panel = 8192> {overwrite}
      : !device.sums<64>, !device.memory<shared, bf16>[i32], !device.memory<shared, bf16>[i32]
  // CHECK: %[[AGAIN:.*]] = device.wgmma_begin %[[ONE]] : !device.sums<64> -> !device.sums<64>
  // CHECK: %[[TWO:.*]] = device.wgmma_fragments %[[AGAIN]], %[[BEGUN]]#1, %{{.*}}[%{{.*}}] <k, swizzle = 128>
  %again = device.wgmma_begin %one : !device.sums<64> -> !device.sums<64>
  %two = device.wgmma_fragments %again, %fragments, %a[%c0] <k, swizzle = 128>
      : !device.sums<64>, vector<8xbf16>, !device.memory<shared, bf16>[i32]
  // CHECK: device.wgmma_commit
  device.wgmma_commit
  // CHECK: device.wgmma_wait 0, %[[TWO]] : !device.sums<64> -> vector<32xf32>
  %done = device.wgmma_wait 0, %two : !device.sums<64> -> vector<32xf32>
  // CHECK: device.mbarrier_arrive %{{.*}}[%{{.*}}] : <shared, i64>[i32]
  device.mbarrier_arrive %bars[%c0] : !device.memory<shared, i64>[i32]
  device.return
}
