// RUN: vit-opt %s | vit-opt | FileCheck %s
// RUN: vit-opt %s --mlir-print-op-generic | vit-opt | FileCheck %s

// CHECK-LABEL: func @losses
func.func @losses(%logits: tensor<?x7xf32>, %targets: tensor<?x7xf32>, %weights: tensor<?x1xf32>) -> tensor<?x7xf32> {
  // CHECK: vit.cross_entropy %{{[^ ]*}}, %{{[^ ]*}} : tensor<?x7xf32>, tensor<?x7xf32> -> tensor<?x1xf32>
  %loss = vit.cross_entropy %logits, %targets : tensor<?x7xf32>, tensor<?x7xf32> -> tensor<?x1xf32>
  // CHECK: vit.cross_entropy_grad %{{[^ ]*}}, %{{[^ ]*}}, %{{[^ ]*}} : tensor<?x7xf32>, tensor<?x1xf32>
  %grad = vit.cross_entropy_grad %logits, %targets, %weights : tensor<?x7xf32>, tensor<?x1xf32>
  return %grad : tensor<?x7xf32>
}

// CHECK-LABEL: func @dropout
func.func @dropout(%x: tensor<?x5x12xf32>, %key: tensor<?x4xf32>, %images: tensor<?x3x9x8xf32>) -> tensor<?x5x4xf32> {
  // CHECK: vit.dropout %{{[^ ]*}}, %{{[^ ]*}} {rate = 2.500000e-01 : f32, stream = 3 : i64} : tensor<?x5x12xf32>, tensor<?x4xf32>
  %a = vit.dropout %x, %key {rate = 0.25 : f32, stream = 3 : i64} : tensor<?x5x12xf32>, tensor<?x4xf32>
  // CHECK: vit.dropout %{{[^ ]*}}, %{{[^ ]*}} {per_image, rate = 0.000000e+00 : f32, stream = 4 : i64} : tensor<?x5x12xf32>, tensor<?x4xf32>
  %b = vit.dropout %a, %key {rate = 0.0 : f32, stream = 4 : i64, per_image} : tensor<?x5x12xf32>, tensor<?x4xf32>
  // CHECK: vit.drop_patches %{{[^ ]*}}, %{{[^ ]*}} {prefix = 1 : i64, stream = 5 : i64} : tensor<?x5x12xf32>, tensor<?x4xf32> -> tensor<?x3x12xf32>
  %fewer = vit.drop_patches %b, %key {prefix = 1 : i64, stream = 5 : i64} : tensor<?x5x12xf32>, tensor<?x4xf32> -> tensor<?x3x12xf32>
  // CHECK: vit.drop_patches_grad %{{[^ ]*}}, %{{[^ ]*}} {prefix = 1 : i64, stream = 5 : i64} : tensor<?x3x12xf32>, tensor<?x4xf32> -> tensor<?x5x12xf32>
  %back = vit.drop_patches_grad %fewer, %key {prefix = 1 : i64, stream = 5 : i64} : tensor<?x3x12xf32>, tensor<?x4xf32> -> tensor<?x5x12xf32>
  %shares = vit.attention_probabilities %b {heads = 2 : i64, scale = 0.5 : f32} : tensor<?x5x12xf32> -> tensor<?x2x5x5xf32>
  // CHECK: vit.weigh_values %{{[^ ]*}}, %{{[^ ]*}} : tensor<?x2x5x5xf32>, tensor<?x5x12xf32> -> tensor<?x5x4xf32>
  %heads = vit.weigh_values %shares, %b : tensor<?x2x5x5xf32>, tensor<?x5x12xf32> -> tensor<?x5x4xf32>
  // CHECK: vit.unfold_patches %{{[^ ]*}} {patch = array<i64: 4, 3>} : tensor<?x3x9x8xf32> -> tensor<?x4x36xf32>
  %rows = vit.unfold_patches %images {patch = array<i64: 4, 3>} : tensor<?x3x9x8xf32> -> tensor<?x4x36xf32>
  return %heads : tensor<?x5x4xf32>
}

// CHECK-LABEL: func @gradients
func.func @gradients(%x: tensor<?x5x12xf32>, %dy: tensor<?x5x4xf32>, %gain: tensor<12xf32>, %q: tensor<?x2x6xf32>) -> tensor<4x12xf32> {
  // CHECK: vit.contract_rows %{{[^ ]*}}, %{{[^ ]*}} : tensor<?x5x4xf32>, tensor<?x5x12xf32> -> tensor<4x12xf32>
  %dw = vit.contract_rows %dy, %x : tensor<?x5x4xf32>, tensor<?x5x12xf32> -> tensor<4x12xf32>
  // CHECK: vit.sum_rows %{{[^ ]*}} : tensor<?x5x4xf32> -> tensor<4xf32>
  %db = vit.sum_rows %dy : tensor<?x5x4xf32> -> tensor<4xf32>
  // CHECK: vit.sum_rows %{{[^ ]*}} : tensor<?x5x4xf32> -> tensor<5x4xf32>
  %dt = vit.sum_rows %dy : tensor<?x5x4xf32> -> tensor<5x4xf32>
  // CHECK: vit.activation_grad %{{[^ ]*}}, %{{[^ ]*}} {kind = #vit.activation<gelu_erf>} : tensor<?x5x12xf32>
  %da = vit.activation_grad %x, %x {kind = #vit.activation<gelu_erf>} : tensor<?x5x12xf32>
  // CHECK: vit.normalize_grad %{{[^ ]*}}, %{{[^ ]*}} gain(%{{[^ ]*}} : tensor<12xf32>) {eps = {{.*}} : f32} : tensor<?x5x12xf32>
  %dn = vit.normalize_grad %x, %da gain(%gain : tensor<12xf32>) {eps = 1.0e-6 : f32} : tensor<?x5x12xf32>
  // CHECK: vit.normalize_grad %{{[^ ]*}}, %{{[^ ]*}} {eps = {{.*}} : f32, groups = 3 : i64, kind = #vit.norm<rms>} : tensor<?x5x12xf32>
  %dr = vit.normalize_grad %x, %dn {eps = 1.0e-6 : f32, kind = #vit.norm<rms>, groups = 3 : i64} : tensor<?x5x12xf32>
  // CHECK: %{{.*}}, %{{.*}} = vit.normalize_weight_grad %{{[^ ]*}}, %{{[^ ]*}} {eps = {{.*}} : f32} : tensor<?x5x12xf32> -> tensor<12xf32>, tensor<12xf32>
  %dg, %ds = vit.normalize_weight_grad %x, %dr {eps = 1.0e-6 : f32} : tensor<?x5x12xf32> -> tensor<12xf32>, tensor<12xf32>
  // CHECK: vit.sdpa_grad %{{[^ ]*}}, %{{[^ ]*}} {heads = 2 : i64, scale = 5.000000e-01 : f32} : tensor<?x5x12xf32>, tensor<?x5x4xf32>
  %dq = vit.sdpa_grad %x, %dy {heads = 2 : i64, scale = 0.5 : f32} : tensor<?x5x12xf32>, tensor<?x5x4xf32>
  // CHECK: %{{.*}}, %{{.*}} = vit.sdpa_grad %{{[^ ]*}}, %{{[^ ]*}} query(%{{[^ ]*}} : tensor<?x2x6xf32>) {heads = 2 : i64, scale = 5.000000e-01 : f32} : tensor<?x5x12xf32>, tensor<?x2x6xf32> -> tensor<?x2x6xf32>
  %dkv, %dquery = vit.sdpa_grad %x, %q query(%q : tensor<?x2x6xf32>) {heads = 2 : i64, scale = 0.5 : f32} : tensor<?x5x12xf32>, tensor<?x2x6xf32> -> tensor<?x2x6xf32>
  return %dw : tensor<4x12xf32>
}

// CHECK-LABEL: func @pullback
func.func @pullback(%x: tensor<?x5x4xf32>, %g: tensor<4xf32>, %dy: tensor<?x4xf32>) -> (tensor<4xf32>, tensor<?x5x4xf32>) {
  // CHECK: %{{.*}}:2 = vit.pullback(%{{[^ ]*}}, %{{[^ ]*}}) of(%{{[^ ]*}}) {wrt = array<i64: 1, 0>} : (tensor<?x5x4xf32>, tensor<4xf32>, tensor<?x4xf32>) -> (tensor<4xf32>, tensor<?x5x4xf32>) {
  // CHECK-NEXT: ^bb0(%[[A:.*]]: tensor<?x5x4xf32>, %[[G:.*]]: tensor<4xf32>):
  // CHECK-NEXT: vit.residual %[[A]], %[[A]] gamma(%[[G]] : tensor<4xf32>)
  // CHECK-NEXT: vit.pool
  // CHECK-NEXT: vit.yield %{{[^ ]*}} : tensor<?x4xf32>
  %d:2 = vit.pullback(%x, %g) of(%dy) {wrt = array<i64: 1, 0>} : (tensor<?x5x4xf32>, tensor<4xf32>, tensor<?x4xf32>) -> (tensor<4xf32>, tensor<?x5x4xf32>) {
  ^bb0(%a: tensor<?x5x4xf32>, %b: tensor<4xf32>):
    %s = vit.residual %a, %a gamma(%b : tensor<4xf32>) : tensor<?x5x4xf32>
    %y = vit.pool %s {kind = #vit.pool<avg>} : tensor<?x5x4xf32> -> tensor<?x4xf32>
    vit.yield %y : tensor<?x4xf32>
  }
  return %d#0, %d#1 : tensor<4xf32>, tensor<?x5x4xf32>
}
