// RUN: vit-opt %s --convert-vit-to-kernel=training | FileCheck %s

// Attention keeps its weights for its gradient.
// CHECK-LABEL: func.func @attention
func.func @attention(%qkv: tensor<?x17x48xf32>, %upstream: tensor<?x17x16xf32>) -> (tensor<?x17x16xf32>, tensor<?x17x48xf32>) {
  // CHECK: %[[Y:.*]], %[[W:.*]] = kernel.attention %[[QKV:.*]] {heads = 2 : i64, scale = 5.000000e-01 : f32}
  // CHECK-SAME: : tensor<?x17x48xf32> -> tensor<?x17x16xf32>, tensor<?x2x17x32xf32>
  %0 = vit.sdpa %qkv {heads = 2 : i64, scale = 0.5 : f32} : tensor<?x17x48xf32> -> tensor<?x17x16xf32>
  // CHECK: kernel.attention_grad %[[QKV]], %{{.*}} weights(%[[W]] : tensor<?x2x17x32xf32>) {heads = 2 : i64, scale = 5.000000e-01 : f32}
  %1 = vit.sdpa_grad %qkv, %upstream {heads = 2 : i64, scale = 0.5 : f32} : tensor<?x17x48xf32>, tensor<?x17x16xf32>
  return %0, %1 : tensor<?x17x16xf32>, tensor<?x17x48xf32>
}

// Weights of 33 keys would take more than four times the eight columns of a head.
// CHECK-LABEL: func.func @many_tokens
func.func @many_tokens(%qkv: tensor<?x33x48xf32>, %upstream: tensor<?x33x16xf32>) -> (tensor<?x33x16xf32>, tensor<?x33x48xf32>) {
  // CHECK: kernel.attention {{.*}} -> tensor<?x33x16xf32>{{$}}
  %0 = vit.sdpa %qkv {heads = 2 : i64, scale = 0.5 : f32} : tensor<?x33x48xf32> -> tensor<?x33x16xf32>
  // CHECK: kernel.attention_grad %{{.*}}, %{{[a-z0-9]+}} {heads
  %1 = vit.sdpa_grad %qkv, %upstream {heads = 2 : i64, scale = 0.5 : f32} : tensor<?x33x48xf32>, tensor<?x33x16xf32>
  return %0, %1 : tensor<?x33x16xf32>, tensor<?x33x48xf32>
}

// Without a gradient nothing is kept.
// CHECK-LABEL: func.func @forward_alone
func.func @forward_alone(%qkv: tensor<?x17x48xf32>) -> tensor<?x17x16xf32> {
  // CHECK: kernel.attention {{.*}} -> tensor<?x17x16xf32>{{$}}
  %0 = vit.sdpa %qkv {heads = 2 : i64, scale = 0.5 : f32} : tensor<?x17x48xf32> -> tensor<?x17x16xf32>
  return %0 : tensor<?x17x16xf32>
}

// Weights are read as they lie: no transposed copy, and a sum that follows is the product's residual.
// CHECK-LABEL: func.func @products
// CHECK-SAME: %[[X:[^:]*]]: tensor<?x5x8xf32>, %[[DY:[^:]*]]: tensor<?x5x4xf32>, %[[W:[^:]*]]: tensor<4x8xf32>, %[[B:[^:]*]]: tensor<4xf32>, %[[R:[^:]*]]: tensor<?x5x8xf32>
func.func @products(%x: tensor<?x5x8xf32>, %dy: tensor<?x5x4xf32>, %w: tensor<4x8xf32>, %b: tensor<4xf32>, %r: tensor<?x5x8xf32>)
    -> (tensor<?x5x4xf32>, tensor<?x5x8xf32>, tensor<4x8xf32>, tensor<4xf32>) {
  // CHECK: %[[Y:.*]] = kernel.matmul %[[X]], %[[W]] bias(%[[B]] : tensor<4xf32>) : tensor<?x5x8xf32>, tensor<4x8xf32> -> tensor<?x5x4xf32>
  %0 = vit.linear %x, %w bias(%b : tensor<4xf32>) : tensor<?x5x8xf32>, tensor<4x8xf32> -> tensor<?x5x4xf32>
  // CHECK: %[[DX:.*]] = kernel.matmul %[[DY]], %[[W]] residual(%[[R]] : tensor<?x5x8xf32>) {transposed} : tensor<?x5x4xf32>, tensor<4x8xf32> -> tensor<?x5x8xf32>
  %t = vit.transpose %w {permutation = array<i64: 1, 0>} : tensor<4x8xf32> -> tensor<8x4xf32>
  %1 = vit.linear %dy, %t : tensor<?x5x4xf32>, tensor<8x4xf32> -> tensor<?x5x8xf32>
  %2 = vit.residual %r, %1 : tensor<?x5x8xf32>
  // CHECK-NEXT: %[[DW:.*]] = kernel.contract_rows %[[DY]], %[[X]]
  %3 = vit.contract_rows %dy, %x : tensor<?x5x4xf32>, tensor<?x5x8xf32> -> tensor<4x8xf32>
  // CHECK-NEXT: %[[DB:.*]] = kernel.sum_rows %[[DY]]
  %4 = vit.sum_rows %dy : tensor<?x5x4xf32> -> tensor<4xf32>
  // CHECK-NEXT: return %[[Y]], %[[DX]], %[[DW]], %[[DB]]
  return %0, %2, %3, %4 : tensor<?x5x4xf32>, tensor<?x5x8xf32>, tensor<4x8xf32>, tensor<4xf32>
}

// The weights' gradients take the statistics of the input's.
// CHECK-LABEL: func.func @normalize
// CHECK-SAME: %[[X:[^:]*]]: tensor<?x5x8xf32>, %[[DY:[^:]*]]: tensor<?x5x8xf32>, %[[G:[^:]*]]: tensor<8xf32>, %[[R:[^:]*]]: tensor<?x5x8xf32>
func.func @normalize(%x: tensor<?x5x8xf32>, %dy: tensor<?x5x8xf32>, %g: tensor<8xf32>, %r: tensor<?x5x8xf32>)
    -> (tensor<?x5x8xf32>, tensor<8xf32>, tensor<8xf32>) {
  // CHECK: %[[DX:.*]], %[[S:.*]] = kernel.normalize_grad %[[X]], %[[DY]] gain(%[[G]] : tensor<8xf32>) residual(%[[R]] : tensor<?x5x8xf32>)
  // CHECK-SAME: -> tensor<?x5x8xf32>, tensor<?x5x2xf32>
  %0 = vit.normalize_grad %x, %dy gain(%g : tensor<8xf32>) {eps = 1.0e-6 : f32} : tensor<?x5x8xf32>
  %1 = vit.residual %r, %0 : tensor<?x5x8xf32>
  // CHECK-NEXT: %[[DG:.*]], %[[DB:.*]] = kernel.normalize_weight_grad %[[X]], %[[DY]], %[[S]]
  %2, %3 = vit.normalize_weight_grad %x, %dy {eps = 1.0e-6 : f32} : tensor<?x5x8xf32> -> tensor<8xf32>, tensor<8xf32>
  // CHECK-NEXT: return %[[DX]], %[[DG]], %[[DB]]
  return %1, %2, %3 : tensor<?x5x8xf32>, tensor<8xf32>, tensor<8xf32>
}

// If nothing before the layer is trained, they are made for that alone.
// CHECK-LABEL: func.func @normalize_weights_alone
func.func @normalize_weights_alone(%x: tensor<?x5x8xf32>, %dy: tensor<?x5x8xf32>) -> (tensor<8xf32>, tensor<8xf32>) {
  // CHECK: %{{.*}}, %[[S:.*]] = kernel.normalize_grad
  // CHECK-NEXT: kernel.normalize_weight_grad %{{.*}}, %{{.*}}, %[[S]]
  %0, %1 = vit.normalize_weight_grad %x, %dy {eps = 1.0e-6 : f32} : tensor<?x5x8xf32> -> tensor<8xf32>, tensor<8xf32>
  return %0, %1 : tensor<8xf32>, tensor<8xf32>
}

// CHECK-LABEL: func.func @elements
func.func @elements(%x: tensor<?x5x8xf32>, %dy: tensor<?x5x8xf32>) -> (tensor<?x5x8xf32>, tensor<?x5x8xf32>) {
  // CHECK: kernel.activation %{{.*}} {kind = #vit.activation<gelu_erf>}
  %0 = vit.activation %x {kind = #vit.activation<gelu_erf>} : tensor<?x5x8xf32>
  // CHECK: %[[D:.*]] = kernel.activation_grad %{{.*}}, %{{.*}} {kind = #vit.activation<gelu_erf>}
  %1 = vit.activation_grad %x, %dy {kind = #vit.activation<gelu_erf>} : tensor<?x5x8xf32>
  // CHECK: kernel.add %{{.*}}, %[[D]]
  %2 = vit.residual %x, %1 : tensor<?x5x8xf32>
  return %0, %2 : tensor<?x5x8xf32>, tensor<?x5x8xf32>
}

// What has no kernel is its reference lowering, image by image; a weight's gradient is the sum of the images'.
// CHECK-LABEL: func.func @reference
func.func @reference(%x: tensor<?x5x8xf32>, %dy: tensor<?x5x8xf32>, %g: tensor<8xf32>) -> (tensor<?x5x8xf32>, tensor<8xf32>) {
  // CHECK: kernel.reference %{{.*}} : (tensor<?x5x8xf32>, tensor<?x5x8xf32>) -> tensor<?x5x8xf32> {
  // CHECK: vit.normalize_grad %{{.*}} {eps = {{.*}} : f32, groups = 2 : i64} : tensor<1x5x8xf32>
  %0 = vit.normalize_grad %x, %dy {eps = 1.0e-6 : f32, groups = 2 : i64} : tensor<?x5x8xf32>
  // CHECK: kernel.reference %{{.*}} : (tensor<?x5x8xf32>, tensor<8xf32>, tensor<?x5x8xf32>) -> tensor<8xf32> {
  // CHECK: vit.pullback(%{{[^ ]*}}, %{{[^ ]*}}) of(%{{[^ ]*}}) {wrt = array<i64: 1>} : (tensor<1x5x8xf32>, tensor<8xf32>, tensor<1x5x8xf32>) -> tensor<8xf32> {
  // CHECK-NEXT: ^bb0(%{{[^ ]*}}: tensor<1x5x8xf32>, %{{[^ ]*}}: tensor<8xf32>):
  %1 = vit.pullback(%x, %g) of(%dy) {wrt = array<i64: 1>} : (tensor<?x5x8xf32>, tensor<8xf32>, tensor<?x5x8xf32>) -> tensor<8xf32> {
  ^bb0(%a: tensor<?x5x8xf32>, %b: tensor<8xf32>):
    %y = vit.residual %a, %a gamma(%b : tensor<8xf32>) : tensor<?x5x8xf32>
    vit.yield %y : tensor<?x5x8xf32>
  }
  return %0, %1 : tensor<?x5x8xf32>, tensor<8xf32>
}
