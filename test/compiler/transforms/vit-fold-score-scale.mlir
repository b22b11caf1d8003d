// RUN: vit-opt %s --vit-fold-score-scale --mlir-print-debuginfo --mlir-print-local-scope | FileCheck %s
// RUN: vit-opt %s --vit-fold-score-scale --remarks-filter=fold -o /dev/null 2>&1 | FileCheck %s --check-prefix=REMARK

// The probabilities see the same query.
// CHECK-LABEL: func.func @packed
func.func @packed(%x: tensor<?x5x4xf32>, %w: tensor<12x4xf32>, %b: tensor<12xf32>) -> (tensor<?x5x4xf32>, tensor<?x2x5x5xf32>) {
  // CHECK: %[[W:.*]] = vit.scale_rows %{{.*}} {factor = 5.000000e-01 : f32, rows = 4 : i64} : tensor<12x4xf32>
  // CHECK: %[[B:.*]] = vit.scale_rows %{{.*}} {factor = 5.000000e-01 : f32, rows = 4 : i64} : tensor<12xf32>
  // CHECK: vit.linear %{{.*}}, %[[W]] bias(%[[B]] : tensor<12xf32>) {{.*}} loc("attn.qkv.folded")
  %qkv = vit.linear %x, %w bias(%b : tensor<12xf32>) : tensor<?x5x4xf32>, tensor<12x4xf32> -> tensor<?x5x12xf32> loc("attn.qkv")
  // CHECK: vit.sdpa %{{.*}} {heads = 2 : i64, scale = 1.000000e+00 : f32} {{.*}} loc("attn.heads")
  // CHECK: vit.attention_probabilities %{{.*}} {heads = 2 : i64, scale = 1.000000e+00 : f32}
  // REMARK-DAG: [Passed] score-scale | Category:fold | Function=packed | Remark="the scores' scale folded into the query"
  %heads = vit.sdpa %qkv {heads = 2 : i64, scale = 0.5 : f32} : tensor<?x5x12xf32> -> tensor<?x5x4xf32> loc("attn.heads")
  %shares = vit.attention_probabilities %qkv {heads = 2 : i64, scale = 0.5 : f32} : tensor<?x5x12xf32> -> tensor<?x2x5x5xf32>
  return %heads, %shares : tensor<?x5x4xf32>, tensor<?x2x5x5xf32>
}

// CHECK-LABEL: func.func @qk_norm
// CHECK-SAME: %[[W:[^:]*]]: tensor<12x4xf32>
func.func @qk_norm(%w: tensor<12x4xf32>, %x: tensor<?x5x4xf32>, %g: tensor<2xf32>, %t: tensor<5x2xf32>) -> tensor<?x5x4xf32> {
  // CHECK: vit.linear %{{.*}}, %[[W]]
  %qkv = vit.linear %x, %w : tensor<?x5x4xf32>, tensor<12x4xf32> -> tensor<?x5x12xf32>
  // CHECK: %[[G:.*]] = vit.scale_rows %{{.*}} {factor = 5.000000e-01 : f32, rows = 2 : i64} : tensor<2xf32>
  // CHECK: vit.head_normalize %{{.*}} q_gain(%[[G]] : tensor<2xf32>)
  %n = vit.head_normalize %qkv q_gain(%g : tensor<2xf32>) k_gain(%g : tensor<2xf32>) {heads = 2 : i64, eps = 1.0e-6 : f32} : tensor<?x5x12xf32>
  // CHECK: vit.rotary {{.*}} loc("rotary.folded")
  %r = vit.rotary %n sin(%t : tensor<5x2xf32>) cos(%t : tensor<5x2xf32>)
         {heads = 2 : i64, prefix = 0 : i64, layout = #vit.rotary_layout<halves>} : tensor<?x5x12xf32> loc("rotary")
  // CHECK: vit.sdpa %{{.*}} {heads = 2 : i64, scale = 1.000000e+00 : f32}
  %heads = vit.sdpa %r {heads = 2 : i64, scale = 0.5 : f32} : tensor<?x5x12xf32> -> tensor<?x5x4xf32>
  return %heads : tensor<?x5x4xf32>
}

// CHECK-LABEL: func.func @own_query
func.func @own_query(%x: tensor<?x5x8xf32>, %token: tensor<?x1x8xf32>, %q: tensor<1x4xf32>, %w: tensor<4x8xf32>)
    -> (tensor<?x1x4xf32>, tensor<?x1x4xf32>) {
  // CHECK: %[[Q:.*]] = vit.scale_rows %{{.*}} {factor = 5.000000e-01 : f32, rows = 1 : i64} : tensor<1x4xf32>
  // CHECK: vit.attention_pool %[[Q]], %{{.*}} {heads = 2 : i64, scale = 1.000000e+00 : f32}
  %y = vit.attention_pool %q, %x {heads = 2 : i64, scale = 0.5 : f32} : tensor<1x4xf32>, tensor<?x5x8xf32> -> tensor<?x1x4xf32>
  // CHECK: %[[W:.*]] = vit.scale_rows %{{.*}} {factor = 2.500000e-01 : f32, rows = 4 : i64} : tensor<4x8xf32>
  // CHECK: %[[P:.*]] = vit.linear %{{.*}}, %[[W]]
  %p = vit.linear %token, %w : tensor<?x1x8xf32>, tensor<4x8xf32> -> tensor<?x1x4xf32>
  // CHECK: vit.sdpa %{{.*}} query(%[[P]] : tensor<?x1x4xf32>) {heads = 2 : i64, scale = 1.000000e+00 : f32}
  %z = vit.sdpa %x query(%p : tensor<?x1x4xf32>) {heads = 2 : i64, scale = 0.25 : f32} : tensor<?x5x8xf32> -> tensor<?x1x4xf32>
  return %y, %z : tensor<?x1x4xf32>, tensor<?x1x4xf32>
}

// CHECK-LABEL: func.func @missed
func.func @missed(%x: tensor<?x6x12xf32>, %w: tensor<12x12xf32>, %y: tensor<?x6x12xf32>, %r: tensor<2x3xf32>, %c: tensor<2x5xf32>)
    -> (tensor<?x6x4xf32>, tensor<?x6x4xf32>, tensor<?x6x4xf32>) {
  // CHECK-COUNT-3: scale = 5.000000e-01
  // REMARK-DAG: [Missed] score-scale | Category:fold | Function=missed | Remark="scores are scaled at run time: decomposed relative positions are products of the unscaled query"
  %qkv = vit.linear %x, %w : tensor<?x6x12xf32>, tensor<12x12xf32> -> tensor<?x6x12xf32>
  %0 = vit.sdpa %qkv decomposed(%r : tensor<2x3xf32>, %c : tensor<2x5xf32>) {heads = 2 : i64, scale = 0.5 : f32} : tensor<?x6x12xf32> -> tensor<?x6x4xf32>
  // REMARK-DAG: Remark="scores are scaled at run time: query, key and value do not come from a product"
  %1 = vit.sdpa %y {heads = 2 : i64, scale = 0.5 : f32} : tensor<?x6x12xf32> -> tensor<?x6x4xf32>
  // REMARK-DAG: Remark="scores are scaled at run time: the query is normalized and has no gain"
  %other = vit.linear %x, %w : tensor<?x6x12xf32>, tensor<12x12xf32> -> tensor<?x6x12xf32>
  %n = vit.head_normalize %other {heads = 2 : i64, eps = 1.0e-6 : f32} : tensor<?x6x12xf32>
  %2 = vit.sdpa %n {heads = 2 : i64, scale = 0.5 : f32} : tensor<?x6x12xf32> -> tensor<?x6x4xf32>
  return %0, %1, %2 : tensor<?x6x4xf32>, tensor<?x6x4xf32>, tensor<?x6x4xf32>
}

// CHECK-LABEL: func.func @two_readers
func.func @two_readers(%x: tensor<?x6x12xf32>, %w: tensor<12x12xf32>) -> (tensor<?x6x4xf32>, tensor<?x6x4xf32>, tensor<?x6x12xf32>) {
  // REMARK-DAG: Function=two_readers | Remark="scores are scaled at run time: it is read with several scales"
  %a = vit.linear %x, %w : tensor<?x6x12xf32>, tensor<12x12xf32> -> tensor<?x6x12xf32>
  %0 = vit.sdpa %a {heads = 2 : i64, scale = 0.5 : f32} : tensor<?x6x12xf32> -> tensor<?x6x4xf32>
  %shares = vit.attention_probabilities %a {heads = 2 : i64, scale = 0.25 : f32} : tensor<?x6x12xf32> -> tensor<?x2x6x6xf32>
  // REMARK-DAG: Function=two_readers | Remark="scores are scaled at run time: the rows of query, key and value have other users"
  %b = vit.linear %x, %w : tensor<?x6x12xf32>, tensor<12x12xf32> -> tensor<?x6x12xf32>
  %1 = vit.sdpa %b {heads = 2 : i64, scale = 0.5 : f32} : tensor<?x6x12xf32> -> tensor<?x6x4xf32>
  return %0, %1, %b : tensor<?x6x4xf32>, tensor<?x6x4xf32>, tensor<?x6x12xf32>
}
