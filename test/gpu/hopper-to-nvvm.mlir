// RUN: vit-opt %s -convert-device-to-nvvm -split-input-file | FileCheck %s

// Tensor maps lie in the launch's own memory; sums go from text to text in the same registers.
// CHECK-LABEL: llvm.func @product(
// CHECK-SAME: %[[MAP:.*]]: !llvm.ptr {llvm.align = 64 : i64, llvm.byval = !llvm.array<128 x i8>, nvvm.grid_constant}
device.kernel @product(%n: i32, %map: !device.tensor_map<bf16, rank = 2>) attributes {threads = 128 : i64, shared_bytes = 16400 : i64} {
  %c0 = arith.constant 0 : i32
  %zero = arith.constant dense<0.0> : vector<4xf32>
  %a = device.shared 0 : !device.memory<shared, bf16>
  %bars = device.shared 16384 : !device.memory<shared, i64>
  // CHECK: "griddepcontrol.launch_dependents; griddepcontrol.wait;"
  device.dependency_wait
  // CHECK: "mbarrier.init.shared::cta.b64 [$0], $1;"
  device.mbarrier_init %bars[%c0] count 3 : !device.memory<shared, i64>[i32]
  // CHECK: "fence.mbarrier_init.release.cluster;"
  device.mbarrier_fence
  // CHECK: "mbarrier.arrive.expect_tx.shared::cta.b64 _, [$0], $1;"
  device.mbarrier_expect %bars[%c0] bytes 16384 : !device.memory<shared, i64>[i32]
  // CHECK: "cp.async.bulk.tensor.2d.shared::cluster.global.tile.mbarrier::complete_tx::bytes [$0], [$1, {$3, $4}], [$2];", "r,l,r,r,r,~{memory}"
  device.tensor_copy %map[%c0, %n] to %a[%c0], %bars[%c0]
      : !device.tensor_map<bf16, rank = 2> to !device.memory<shared, bf16>[i32], !device.memory<shared, i64>[i32]
  // CHECK: mbarrier.try_wait.parity.shared::cta.b64
  device.mbarrier_wait %bars[%c0] parity %c0 : !device.memory<shared, i64>[i32]
  // CHECK: "fence.proxy.async.shared::cta;"
  device.proxy_fence
  // CHECK: "setmaxnreg.inc.sync.aligned.u32 232;"
  device.set_registers 232 increase
  // CHECK: "wgmma.fence.sync.aligned;", "=f,=f,=f,=f,0,1,2,3,~{memory}"
  %s = device.wgmma_begin %zero : vector<4xf32> -> !device.sums<8>
  // The descriptor: 16 bytes to the next panel, 1024 to the next 8 rows, a swizzle of 128 bytes.
  // CHECK: llvm.mlir.constant(4611686293305360384 : i64)
  // CHECK: wgmma.mma_async.sync.aligned.m64n8k16.f32.bf16.bf16 {$0, $1, $2, $3}, $8, $9, p, 1, 1, 0, 1; }", "=f,=f,=f,=f,0,1,2,3,l,l,~{memory}"
  %t = device.wgmma %s, %a[%c0] <k, swizzle = 128>, %a[%c0] <mn, swizzle = 128, panel = 8192>
      : !device.sums<8>, !device.memory<shared, bf16>[i32], !device.memory<shared, bf16>[i32]
  // CHECK: "wgmma.commit_group.sync.aligned;"
  device.wgmma_commit
  // CHECK: "wgmma.wait_group.sync.aligned 0;", "=f,=f,=f,=f,0,1,2,3,~{memory}"
  %v = device.wgmma_wait 0, %t : !device.sums<8> -> vector<4xf32>
  // Operands of tf32 lie along k, of which the text says nothing, and a product has eight steps.
  // CHECK: wgmma.mma_async.sync.aligned.m64n8k8.f32.tf32.tf32 {$0, $1, $2, $3}, $8, $9, p, 1, 1; }", "=f,=f,=f,=f,0,1,2,3,l,l,~{memory}"
  %words = device.shared 0 : !device.memory<shared, tf32>
  %u = device.wgmma_begin %v : vector<4xf32> -> !device.sums<8>
  %w = device.wgmma %u, %words[%c0] <k, swizzle = 128>, %words[%c0] <k, swizzle = 128>
      : !device.sums<8>, !device.memory<shared, tf32>[i32], !device.memory<shared, tf32>[i32]
  device.wgmma_commit
  %x = device.wgmma_wait 0, %w : !device.sums<8> -> vector<4xf32>
  // CHECK: "mbarrier.arrive.shared::cta.b64 _, [$0];"
  device.mbarrier_arrive %bars[%c0] : !device.memory<shared, i64>[i32]
  device.return
}
