// RUN: vit-opt %s --split-input-file --verify-diagnostics --convert-device-to-nvvm | FileCheck %s

// Shared memory is one global, however often it is used.
// CHECK: llvm.mlir.global external @shared_memory() {addr_space = 3 : i32, alignment = 1024 : i64} : !llvm.array<0 x i8>
// CHECK-NOT: llvm.mlir.global

// CHECK-LABEL: llvm.func @memory(
// CHECK-SAME: %[[X:.*]]: !llvm.ptr<1>, %[[N:.*]]: i32, %{{.*}}: !llvm.ptr<1>) attributes {nvvm.kernel, nvvm.maxntid = array<i32: 64>, nvvm.minctasm = 1 : i32}
device.kernel @memory(%x: !device.memory<global, f32>, %n: i32, %counters: !device.memory<global, i32>) attributes {threads = 64 : i64, shared_bytes = 2048 : i64} {
  // CHECK: %[[THREAD:.*]] = nvvm.read.ptx.sreg.tid.x : i32
  // CHECK: nvvm.read.ptx.sreg.ctaid.x : i32
  %thread = device.thread_id
  %block = device.block_id
  // CHECK: %[[ROW:.*]] = llvm.getelementptr %[[X]][%{{.*}}] : (!llvm.ptr<1>, i32) -> !llvm.ptr<1>, f32
  %row = device.advance %x[%block] : !device.memory<global, f32>[i32]
  // CHECK: %[[FROM:.*]] = llvm.getelementptr %[[ROW]][%[[THREAD]]]
  // CHECK: %[[VALUE:.*]] = llvm.load %[[FROM]] {alignment = 16 : i64} : !llvm.ptr<1> -> vector<4xf32>
  %value = device.load %row[%thread] : !device.memory<global, f32>[i32] -> vector<4xf32>
  // CHECK: llvm.mlir.addressof @shared_memory : !llvm.ptr<3>
  // CHECK: llvm.mlir.addressof @shared_memory : !llvm.ptr<3>
  %low = device.shared 0 : !device.memory<shared, f32>
  %high = device.shared 1024 : !device.memory<shared, f32>
  // CHECK: llvm.store %[[VALUE]], %{{.*}} {alignment = 16 : i64} : vector<4xf32>, !llvm.ptr<3>
  device.store %value, %high[%thread] : vector<4xf32>, !device.memory<shared, f32>[i32]
  // CHECK: nvvm.barrier0
  device.barrier
  // CHECK: %[[ONE:.*]] = llvm.load %{{.*}} {alignment = 4 : i64} : !llvm.ptr<3> -> f32
  %one = device.load %low[%thread] : !device.memory<shared, f32>[i32] -> f32
  // CHECK: %[[OTHER:.*]] = nvvm.shfl.sync bfly %{{.*}}, %[[ONE]], %{{.*}}, %{{.*}} : f32 -> f32
  %other = device.shuffle %one, 16 : f32
  // CHECK: %[[NUMBER:.*]] = llvm.inline_asm has_side_effects {{.*}}"{{.*}}bar.warp.sync{{.*}}atom.acq_rel.gpu.global.inc.u32{{.*}}bar.warp.sync{{.*}}", "=r,l,r,~{memory}"
  // CHECK: llvm.icmp "eq" %[[NUMBER]]
  %last = device.arrive %counters[%n] of 4 : !device.memory<global, i32>[i32]
  // CHECK: llvm.atomicrmw fadd %{{.*}}, %[[OTHER]] syncscope("device") monotonic : !llvm.ptr<1>, f32
  device.atomic_add %other, %x[%n] : !device.memory<global, f32>[i32]
  // CHECK: llvm.return
  device.return
}

// CHECK-LABEL: llvm.func @functions
device.kernel @functions(%x: !device.memory<global, f32>, %n: i32) attributes {threads = 32 : i64, shared_bytes = 0 : i64} {
  %value = device.load %x[%n] : !device.memory<global, f32>[i32] -> f32
  // CHECK: llvm.intr.exp2(%{{.*}}) {fastmathFlags = #llvm.fastmath<afn>} : (f32) -> f32
  %power = math.exp2 %value : f32
  // CHECK: llvm.call_intrinsic "llvm.nvvm.rsqrt.approx.f"(%{{.*}}) : (f32) -> f32
  %root = math.rsqrt %power : f32
  device.store %root, %x[%n] : f32, !device.memory<global, f32>[i32]
  device.return
}

// Memory of a block's own is two more arguments.
// CHECK-LABEL: llvm.func @own(
// CHECK-SAME: %{{.*}}: !llvm.ptr<1>, %{{.*}}: i32, %[[ALL:.*]]: !llvm.ptr<1>, %[[BYTES:.*]]: i64)
device.kernel @own(%x: !device.memory<global, f32>, %n: i32) attributes {threads = 32 : i64, shared_bytes = 0 : i64} {
  // CHECK: %[[BEGIN:.*]] = llvm.mul %{{.*}}, %[[BYTES]] : i64
  // CHECK: %[[AT:.*]] = llvm.add %[[BEGIN]], %{{.*}} : i64
  // CHECK: %[[OWN:.*]] = llvm.getelementptr %[[ALL]][%[[AT]]] : (!llvm.ptr<1>, i64) -> !llvm.ptr<1>, i8
  // CHECK: llvm.addrspacecast %[[OWN]] : !llvm.ptr<1> to !llvm.ptr
  %own = device.scratch 64 : !device.memory<global, f32>
  %view = device.view %own : !device.memory<global, f32> as memref<1x8xf32>
  %zero = arith.constant 0 : index
  %value = memref.load %view[%zero, %zero] : memref<1x8xf32>
  device.store %value, %x[%n] : f32, !device.memory<global, f32>[i32]
  device.return
}

// CHECK-LABEL: llvm.func @copies
device.kernel @copies(%x: !device.memory<global, bf16>, %n: i32) attributes {threads = 32 : i64, shared_bytes = 512 : i64} {
  %tile = device.shared 0 : !device.memory<shared, bf16>
  // CHECK: nvvm.cp.async.shared.global %{{.*}}, %{{.*}}, 16, cache = cg, %{{.*}} : !llvm.ptr<3>, !llvm.ptr<1>, i32
  device.copy_async %x[%n] to %tile[%n] live %n {bytes = 16 : i64} : !device.memory<global, bf16>[i32] to !device.memory<shared, bf16>[i32]
  // CHECK: nvvm.cp.async.shared.global %{{.*}}, %{{.*}}, 8, cache = ca : !llvm.ptr<3>, !llvm.ptr<1>
  device.copy_async %x[%n] to %tile[%n] {bytes = 8 : i64} : !device.memory<global, bf16>[i32] to !device.memory<shared, bf16>[i32]
  // CHECK: nvvm.cp.async.commit.group
  device.copy_commit
  // CHECK: nvvm.cp.async.wait.group 1
  device.copy_wait 1
  device.return
}

// Pairs of bf16 go to the product as bits, pairs of f16 as vectors.
// CHECK-LABEL: llvm.func @product_bf16
device.kernel @product_bf16(%x: !device.memory<global, f32>, %n: i32) attributes {threads = 32 : i64, shared_bytes = 1024 : i64} {
  %tile = device.shared 0 : !device.memory<shared, bf16>
  %zeros = arith.constant dense<0.0> : vector<4xf32>
  // CHECK: nvvm.ldmatrix %{{.*}} {{.*}}layout = #nvvm.mma_layout<row>, num = 4 : i32
  %a = device.load_matrix %tile[%n] : !device.memory<shared, bf16>[i32] -> vector<8xbf16>
  // CHECK: nvvm.ldmatrix %{{.*}} {{.*}}layout = #nvvm.mma_layout<col>, num = 2 : i32
  %b = device.load_matrix %tile[%n] {transposed} : !device.memory<shared, bf16>[i32] -> vector<4xbf16>
  // CHECK: nvvm.mma.sync {{.*}}multiplicandAPtxType = #nvvm.mma_type<bf16>{{.*}} : (i32, i32, f32) -> !llvm.struct<(f32, f32, f32, f32)>
  %sums = device.mma %a, %b, %zeros : vector<8xbf16>, vector<4xbf16>
  device.store %sums, %x[%n] : vector<4xf32>, !device.memory<global, f32>[i32]
  device.return
}

// CHECK-LABEL: llvm.func @product_f16
device.kernel @product_f16(%x: !device.memory<global, f32>, %n: i32) attributes {threads = 32 : i64, shared_bytes = 1024 : i64} {
  %tile = device.shared 0 : !device.memory<shared, f16>
  %zeros = arith.constant dense<0.0> : vector<4xf32>
  %a = device.load_matrix %tile[%n] : !device.memory<shared, f16>[i32] -> vector<8xf16>
  %b = device.load_matrix %tile[%n] : !device.memory<shared, f16>[i32] -> vector<4xf16>
  // CHECK: nvvm.mma.sync {{.*}} : (vector<2xf16>, vector<2xf16>, f32) -> !llvm.struct<(f32, f32, f32, f32)>
  %sums = device.mma %a, %b, %zeros : vector<8xf16>, vector<4xf16>
  device.store %sums, %x[%n] : vector<4xf32>, !device.memory<global, f32>[i32]
  device.return
}

// Of words a matrix has four columns, and a product eight steps; f32 are rounded before they are stored as tf32.
// CHECK-LABEL: llvm.func @product_tf32
device.kernel @product_tf32(%x: !device.memory<global, tf32>, %n: i32) attributes {threads = 32 : i64, shared_bytes = 1024 : i64} {
  %tile = device.shared 0 : !device.memory<shared, tf32>
  %zeros = arith.constant dense<0.0> : vector<4xf32>
  // CHECK: nvvm.ldmatrix %{{.*}} num = 4 : i32
  %a = device.load_matrix %tile[%n] : !device.memory<shared, tf32>[i32] -> vector<4xf32>
  %b = device.load_matrix %tile[%n] : !device.memory<shared, tf32>[i32] -> vector<2xf32>
  // CHECK: nvvm.mma.sync {{.*}}multiplicandAPtxType = #nvvm.mma_type<tf32>{{.*}}shape = #nvvm.shape<m = 16, n = 8, k = 8>{{.*}} : (i32, i32, f32)
  %sums = device.mma %a, %b, %zeros : vector<4xf32>, vector<2xf32>
  // CHECK: nvvm.convert.float.to.tf32 %{{.*}} {rnd = #nvvm.fp_rnd_mode<rna>}
  %rounded = device.to_tf32 %sums : vector<4xf32>
  device.store %rounded, %x[%n] : vector<4xf32>, !device.memory<global, tf32>[i32]
  device.return
}

// -----

device.kernel @no_instruction(%x: !device.memory<global, f32>, %n: i32) attributes {threads = 32 : i64, shared_bytes = 0 : i64} {
  %value = device.load %x[%n] : !device.memory<global, f32>[i32] -> f32
  // expected-error @+1 {{'math.erf' of 'f32' is no instruction of a GPU; cpu-expand-math makes arithmetic of functions of f32}}
  %result = math.erf %value : f32
  device.store %result, %x[%n] : f32, !device.memory<global, f32>[i32]
  device.return
}
