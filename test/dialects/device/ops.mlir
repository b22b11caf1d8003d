// RUN: vit-opt %s | vit-opt | FileCheck %s
// RUN: vit-opt %s --mlir-print-op-generic | vit-opt | FileCheck %s

// CHECK: device.kernel @operations(%[[X:.*]]: !device.memory<global, f32>, %[[H:.*]]: !device.memory<global, bf16>, %[[IMAGES:.*]]: i32, %[[COUNTERS:.*]]: !device.memory<global, i32>)
// CHECK-SAME: attributes {shared_bytes = 4096 : i64, threads = 64 : i64} {
device.kernel @operations(%x: !device.memory<global, f32>, %h: !device.memory<global, bf16>, %images: i32, %counters: !device.memory<global, i32>)
    attributes {threads = 64 : i64, shared_bytes = 4096 : i64} {
  // CHECK: %[[THREAD:.*]] = device.thread_id
  %thread = device.thread_id
  // CHECK: %[[BLOCK:.*]] = device.block_id
  %block = device.block_id
  // CHECK: %[[WIDE:.*]] = arith.extsi %[[BLOCK]]
  %wide = arith.extsi %block : i32 to i64
  // CHECK: %[[SHARED:.*]] = device.shared 128 : <shared, bf16>
  %shared = device.shared 128 : !device.memory<shared, bf16>
  // CHECK: %[[SCRATCH:.*]] = device.scratch 64 : <global, f32>
  %scratch = device.scratch 64 : !device.memory<global, f32>
  // CHECK: device.view %[[SCRATCH]] : <global, f32> as memref<4x8xf32>
  %fixed = device.view %scratch : !device.memory<global, f32> as memref<4x8xf32>
  // CHECK: %[[ROWS:.*]] = arith.index_cast
  %rows = arith.index_cast %images : i32 to index
  // CHECK: device.view %[[X]] rows %[[ROWS]] : <global, f32> as memref<?x8xf32>
  %dynamic = device.view %x rows %rows : !device.memory<global, f32> as memref<?x8xf32>
  // CHECK: %[[ROW:.*]] = device.advance %[[X]][%[[WIDE]]] : <global, f32>[i64]
  %row = device.advance %x[%wide] : !device.memory<global, f32>[i64]
  // CHECK: %[[ONE:.*]] = device.load %[[ROW]][%[[THREAD]]] : <global, f32>[i32] -> f32
  %one = device.load %row[%thread] : !device.memory<global, f32>[i32] -> f32
  // CHECK: %[[EIGHT:.*]] = device.load %[[H]][%[[WIDE]]] : <global, bf16>[i64] -> vector<8xbf16>
  %eight = device.load %h[%wide] : !device.memory<global, bf16>[i64] -> vector<8xbf16>
  // CHECK: device.store %[[EIGHT]], %[[SHARED]][%[[THREAD]]] : vector<8xbf16>, <shared, bf16>[i32]
  device.store %eight, %shared[%thread] : vector<8xbf16>, !device.memory<shared, bf16>[i32]
  // CHECK: device.atomic_add %[[ONE]], %[[X]][%[[THREAD]]] : <global, f32>[i32]
  device.atomic_add %one, %x[%thread] : !device.memory<global, f32>[i32]
  // CHECK: device.shuffle %[[ONE]], 16 : f32
  %other = device.shuffle %one, 16 : f32
  // CHECK: device.arrive %[[COUNTERS]][%[[THREAD]]] of 3 : <global, i32>[i32]
  %last = device.arrive %counters[%thread] of 3 : !device.memory<global, i32>[i32]
  // CHECK: device.copy_async %[[H]][%[[WIDE]]] to %[[SHARED]][%[[THREAD]]] live %[[IMAGES]] {bytes = 16 : i64} : <global, bf16>[i64] to <shared, bf16>[i32]
  device.copy_async %h[%wide] to %shared[%thread] live %images {bytes = 16 : i64}
    : !device.memory<global, bf16>[i64] to !device.memory<shared, bf16>[i32]
  // CHECK: device.copy_async %[[H]][%[[THREAD]]] to %[[SHARED]][%[[THREAD]]] {bytes = 4 : i64} : <global, bf16>[i32] to <shared, bf16>[i32]
  device.copy_async %h[%thread] to %shared[%thread] {bytes = 4 : i64} : !device.memory<global, bf16>[i32] to !device.memory<shared, bf16>[i32]
  // CHECK: device.copy_commit
  device.copy_commit
  // CHECK: device.copy_wait 0
  device.copy_wait 0
  // CHECK: device.barrier
  device.barrier
  // CHECK: %[[A:.*]] = device.load_matrix %[[SHARED]][%[[THREAD]]] : <shared, bf16>[i32] -> vector<8xbf16>
  %a = device.load_matrix %shared[%thread] : !device.memory<shared, bf16>[i32] -> vector<8xbf16>
  // CHECK: %[[B:.*]] = device.load_matrix %[[SHARED]][%[[THREAD]]] {transposed} : <shared, bf16>[i32] -> vector<4xbf16>
  %b = device.load_matrix %shared[%thread] {transposed} : !device.memory<shared, bf16>[i32] -> vector<4xbf16>
  // CHECK: %[[ZERO:.*]] = arith.constant
  %zero = arith.constant dense<0.0> : vector<4xf32>
  // CHECK: device.mma %[[A]], %[[B]], %[[ZERO]] : vector<8xbf16>, vector<4xbf16>
  %sums = device.mma %a, %b, %zero : vector<8xbf16>, vector<4xbf16>
  // CHECK: %[[WORDS:.*]] = device.shared 512 : <shared, tf32>
  %words = device.shared 512 : !device.memory<shared, tf32>
  // CHECK: %[[C:.*]] = device.load_matrix %[[WORDS]][%[[THREAD]]] : <shared, tf32>[i32] -> vector<4xf32>
  %c = device.load_matrix %words[%thread] : !device.memory<shared, tf32>[i32] -> vector<4xf32>
  // CHECK: %[[D:.*]] = device.load %[[WORDS]][%[[THREAD]]] : <shared, tf32>[i32] -> vector<2xf32>
  %d = device.load %words[%thread] : !device.memory<shared, tf32>[i32] -> vector<2xf32>
  // CHECK: %[[PRODUCT:.*]] = device.mma %[[C]], %[[D]], %{{.*}} : vector<4xf32>, vector<2xf32>
  %product = device.mma %c, %d, %sums : vector<4xf32>, vector<2xf32>
  // CHECK: device.to_tf32 %[[PRODUCT]] : vector<4xf32>
  %rounded = device.to_tf32 %product : vector<4xf32>
  // CHECK: device.return
  device.return
}

// CHECK-LABEL: func.func private @scheduled()
// CHECK-SAME: #device.warp_product<rows = 128, columns = 64, depth = 32, warps_down = 4, warps_across = 2, stages = 4>
// CHECK-SAME: #device.warpgroup_product<consumers = 2, columns = 192, stages = 5, parts = 3>
func.func private @scheduled() attributes {device.schedule = [
  #device.warp_product<rows = 128, columns = 64, depth = 32, warps_down = 4, warps_across = 2, stages = 4>,
  #device.warpgroup_product<consumers = 2, columns = 192, stages = 5, parts = 3>]}
