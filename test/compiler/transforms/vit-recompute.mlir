// RUN: vit-opt %s --vit-differentiate --canonicalize --cse --vit-recompute=blocks --canonicalize --cse --mlir-use-nameloc-as-prefix | FileCheck %s
// RUN: vit-opt %s --vit-differentiate --canonicalize --cse --vit-recompute | FileCheck %s --check-prefix=ATTENTION
// RUN: not vit-opt %s --vit-recompute 2>&1 | FileCheck %s --check-prefix=UNDIFFERENTIATED

// UNDIFFERENTIATED: error: has no input 'loss_weights'; what is computed again is chosen after vit-differentiate

// The first block is computed again before its gradients, without its result, which is the second's input and kept. The second is kept as it is.
// CHECK-LABEL: func.func @train
// CHECK: %[[QKV:.*]] = vit.linear %{{.*}} -> tensor<?x5x12xf32>
// CHECK: vit.sdpa %[[QKV]]
// CHECK: %[[X:.*]] = vit.residual %{{.*}}, %{{.*}} : tensor<?x5x4xf32>
// CHECK: %[[Z:.*]] = vit.linear %[[X]]
// CHECK: %[[Y:.*]] = vit.activation %[[Z]]
// CHECK: vit.cross_entropy_grad
// CHECK: vit.activation_grad %[[Z]]
// CHECK: %[[QKV2:.*]] = vit.linear {{.*}} {vit.recomputed} {{.*}} -> tensor<?x5x12xf32>
// CHECK: %[[A:.*]] = vit.sdpa %[[QKV2]] {{{.*}}vit.recomputed} : tensor<?x5x12xf32> -> tensor<?x5x4xf32>
// CHECK-NOT: vit.recomputed
// CHECK: vit.contract_rows {{.*}}%[[A]]
// CHECK-NOT: vit.recomputed
// CHECK: vit.sdpa_grad %[[QKV2]]

// ATTENTION: vit.sdpa {{.*}} {heads = 1 : i64, scale = 5.000000e-01 : f32}
// ATTENTION: vit.sdpa_grad {{.*}} {heads = 1 : i64, scale = 5.000000e-01 : f32, vit.recomputed}
// ATTENTION-NOT: vit.recomputed
func.func @train(%x: tensor<?x5x4xf32> {vit.input = "images"}, %targets: tensor<?x4xf32>) -> tensor<?x1xf32> {
  %w0 = vit.weight @blocks.0.attn.qkv.weight : tensor<12x4xf32>
  %w1 = vit.weight @blocks.0.attn.proj.weight : tensor<4x4xf32>
  %w2 = vit.weight @blocks.1.fc.weight : tensor<4x4xf32>
  %qkv = vit.linear %x, %w0 : tensor<?x5x4xf32>, tensor<12x4xf32> -> tensor<?x5x12xf32> loc("blocks.0.attn.qkv")
  %a = vit.sdpa %qkv {heads = 1 : i64, scale = 0.5 : f32} : tensor<?x5x12xf32> -> tensor<?x5x4xf32> loc("blocks.0.attn")
  %p = vit.linear %a, %w1 : tensor<?x5x4xf32>, tensor<4x4xf32> -> tensor<?x5x4xf32> loc("blocks.0.attn.proj")
  %r = vit.residual %x, %p : tensor<?x5x4xf32> loc("blocks.0")
  %z = vit.linear %r, %w2 : tensor<?x5x4xf32>, tensor<4x4xf32> -> tensor<?x5x4xf32> loc("blocks.1.fc")
  %y = vit.activation %z {kind = #vit.activation<gelu_erf>} : tensor<?x5x4xf32> loc("blocks.1")
  %s = vit.pool %y {kind = #vit.pool<token>} : tensor<?x5x4xf32> -> tensor<?x4xf32> loc("pool")
  %loss = vit.cross_entropy %s, %targets : tensor<?x4xf32>, tensor<?x4xf32> -> tensor<?x1xf32> loc("loss")
  return %loss : tensor<?x1xf32>
}
