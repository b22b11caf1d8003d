// RUN: vit-opt --convert-device-to-emulator %s | FileCheck %s

// Each operation's name, as the emulator's sentences say it.
// CHECK-DAG: llvm.mlir.global internal constant @site_load_2("load 2\00")
// CHECK-DAG: llvm.mlir.global internal constant @site_store_3("store 3\00")
// CHECK-DAG: llvm.mlir.global internal constant @site_barrier_4("barrier 4\00")

// CHECK: func.func @copy(%[[SELF:.*]]: !llvm.ptr, %[[BUFFERS:.*]]: !llvm.ptr, %{{.*}}: i64) {
device.kernel @copy(%x: !device.memory<global, f32>, %images: i32) attributes {threads = 32 : i64, shared_bytes = 192 : i64} {
  // CHECK: %[[SLOT:.*]] = llvm.getelementptr %[[BUFFERS]][0] : (!llvm.ptr) -> !llvm.ptr, !llvm.ptr
  // CHECK: %[[X:.*]] = llvm.load %[[SLOT]] : !llvm.ptr -> !llvm.ptr
  // CHECK: %[[OF_THREAD:.*]] = llvm.getelementptr %[[SELF]][16] : (!llvm.ptr) -> !llvm.ptr, i8
  // CHECK: %[[THREAD:.*]] = llvm.load %[[OF_THREAD]] : !llvm.ptr -> i32
  %thread = device.thread_id
  // CHECK: llvm.getelementptr %[[SELF]][8] : (!llvm.ptr) -> !llvm.ptr, i8
  // CHECK: %[[OFFSET:.*]] = llvm.mlir.constant(64 : i64) : i64
  // CHECK: %[[SHARED:.*]] = llvm.getelementptr %{{.*}}[%[[OFFSET]]] : (!llvm.ptr, i64) -> !llvm.ptr, i8
  %shared = device.shared 64 : !device.memory<shared, f32>
  // The emulator hears of an access before it happens.
  // CHECK: %[[FROM:.*]] = llvm.getelementptr %[[X]][%[[THREAD]]] : (!llvm.ptr, i32) -> !llvm.ptr, f32
  // CHECK: %[[BYTES:.*]] = llvm.mlir.constant(16 : i64) : i64
  // CHECK: %[[READS:.*]] = llvm.mlir.constant(0 : i32) : i32
  // CHECK: %[[SITE:.*]] = llvm.mlir.addressof @site_load_2 : !llvm.ptr
  // CHECK: llvm.call %{{.*}}(%[[SELF]], %[[FROM]], %[[BYTES]], %[[READS]], %[[SITE]])
  // CHECK: %[[VALUE:.*]] = llvm.load %[[FROM]] {alignment = 16 : i64} : !llvm.ptr -> vector<4xf32>
  %value = device.load %x[%thread] : !device.memory<global, f32>[i32] -> vector<4xf32>
  // CHECK: %[[TO:.*]] = llvm.getelementptr %[[SHARED]][%[[THREAD]]] : (!llvm.ptr, i32) -> !llvm.ptr, f32
  // CHECK: %[[WRITES:.*]] = llvm.mlir.constant(1 : i32) : i32
  // CHECK: llvm.call %{{.*}}(%[[SELF]], %[[TO]], %{{.*}}, %[[WRITES]], %{{.*}})
  // CHECK: llvm.store %[[VALUE]], %[[TO]] {alignment = 16 : i64} : vector<4xf32>, !llvm.ptr
  device.store %value, %shared[%thread] : vector<4xf32>, !device.memory<shared, f32>[i32]
  // CHECK: %[[BARRIER:.*]] = llvm.mlir.addressof @site_barrier_4 : !llvm.ptr
  // CHECK: llvm.call %{{.*}}(%[[SELF]], %[[BARRIER]]) : !llvm.ptr, (!llvm.ptr, !llvm.ptr) -> ()
  device.barrier
  // CHECK: return
  device.return
}
