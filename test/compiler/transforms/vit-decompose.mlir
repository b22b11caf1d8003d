// RUN: vit-opt %s --vit-decompose --mlir-print-debuginfo --mlir-print-local-scope | FileCheck %s

// CHECK-LABEL: func.func @block
func.func @block(%x: tensor<?x5x8xf32>, %qkv: tensor<24x8xf32>, %qb: tensor<24xf32>, %proj: tensor<8x8xf32>, %fc1: tensor<16x8xf32>,
                 %gate: tensor<16x8xf32>, %fc2: tensor<8x16xf32>) -> tensor<?x5x8xf32> {
  // CHECK: %[[QKV:.*]] = vit.linear %{{.*}}, %{{.*}} bias({{.*}}) {{.*}} loc("blocks.0.attn.qkv")
  // CHECK: %[[HEADS:.*]] = vit.sdpa %[[QKV]] {heads = 2 : i64, scale = 5.000000e-01 : f32} {{.*}} loc("blocks.0.attn.heads")
  // CHECK: vit.linear %[[HEADS]], %{{.*}} loc("blocks.0.attn")
  %0 = vit.attention %x qkv(%qkv : tensor<24x8xf32>, %qb : tensor<24xf32>) proj(%proj : tensor<8x8xf32>) {heads = 2 : i64, scale = 0.5 : f32}
    : tensor<?x5x8xf32> -> tensor<?x5x8xf32> loc("blocks.0.attn")
  // CHECK: %[[FC1:.*]] = vit.linear
  // CHECK: %[[ACT:.*]] = vit.activation %[[FC1]] {kind = #vit.activation<silu>}
  // CHECK: %[[GATE:.*]] = vit.linear
  // CHECK: %[[GATED:.*]] = vit.mul %[[ACT]], %[[GATE]]
  // CHECK: vit.linear %[[GATED]], %{{.*}} loc("blocks.0.mlp")
  %1 = vit.mlp %0 fc1(%fc1 : tensor<16x8xf32>) gate(%gate : tensor<16x8xf32>) fc2(%fc2 : tensor<8x16xf32>) {activation = #vit.activation<silu>}
    : tensor<?x5x8xf32> -> tensor<?x5x8xf32> loc("blocks.0.mlp")
  return %1 : tensor<?x5x8xf32>
}

// CHECK-LABEL: func.func @with_probabilities
func.func @with_probabilities(%x: tensor<?x5x8xf32>, %qkv: tensor<24x8xf32>, %proj: tensor<8x8xf32>) -> tensor<?x2x5x5xf32> {
  // CHECK: %[[QKV:.*]] = vit.linear
  // CHECK: vit.sdpa %[[QKV]]
  // CHECK: vit.attention_probabilities %[[QKV]] {heads = 2 : i64, scale = 5.000000e-01 : f32} {{.*}} loc("blocks.0.attn.probabilities")
  %0, %1 = vit.attention %x qkv(%qkv : tensor<24x8xf32>) proj(%proj : tensor<8x8xf32>) {heads = 2 : i64, scale = 0.5 : f32}
    : tensor<?x5x8xf32> -> tensor<?x5x8xf32>, tensor<?x2x5x5xf32> loc("blocks.0.attn")
  return %1 : tensor<?x2x5x5xf32>
}
