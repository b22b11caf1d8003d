// RUN: vit-opt %s --vit-drop-key-bias --mlir-print-debuginfo --mlir-print-local-scope | FileCheck %s
// RUN: vit-opt %s --vit-drop-key-bias --remarks-filter=fold -o /dev/null 2>&1 | FileCheck %s --check-prefix=REMARK
// RUN: vit-opt %s --vit-drop-key-bias --vit-fold-value-bias --vit-drop-dead-rows --canonicalize | FileCheck %s --check-prefix=ALL

// CHECK-LABEL: func.func @packed
func.func @packed(%x: tensor<?x5x4xf32>, %w: tensor<12x4xf32>, %b: tensor<12xf32>, %p: tensor<4x4xf32>) -> tensor<?x4xf32> {
  // CHECK: %[[Q:.*]] = vit.slice_rows %{{.*}} {first = 0 : i64} : tensor<12xf32> -> tensor<4xf32>
  // CHECK: %[[Z:.*]] = vit.zeros : tensor<4xf32>
  // CHECK: %[[V:.*]] = vit.slice_rows %{{.*}} {first = 8 : i64} : tensor<12xf32> -> tensor<4xf32>
  // CHECK: %[[B:.*]] = vit.concat %[[Q]], %[[Z]], %[[V]]
  // CHECK: vit.linear %{{.*}}, %{{.*}} bias(%[[B]] : tensor<12xf32>) {{.*}} loc("attn.qkv.folded")
  // REMARK-DAG: [Passed] key-bias | Category:fold | Function=packed | Remark="the key's bias dropped, which adds the same to all scores of a query"
  %qkv = vit.linear %x, %w bias(%b : tensor<12xf32>) : tensor<?x5x4xf32>, tensor<12x4xf32> -> tensor<?x5x12xf32> loc("attn.qkv")
  %heads = vit.sdpa %qkv {heads = 2 : i64, scale = 0.5 : f32} : tensor<?x5x12xf32> -> tensor<?x5x4xf32>
  %y = vit.linear %heads, %p : tensor<?x5x4xf32>, tensor<4x4xf32> -> tensor<?x5x4xf32>
  %pool = vit.pool %y {kind = #vit.pool<token>} : tensor<?x5x4xf32> -> tensor<?x4xf32>
  // The product of keys and values is left without any bias.
  // ALL-LABEL: func.func @packed
  // ALL: vit.linear {{.*}} bias({{.*}} -> tensor<?x1x4xf32>
  // ALL: vit.linear %{{[^ ]*}}, %{{[^ ]*}} : tensor<?x5x4xf32>, tensor<8x4xf32> -> tensor<?x5x8xf32>
  return %pool : tensor<?x4xf32>
}

// CHECK-LABEL: func.func @missed
func.func @missed(%x: tensor<?x5x4xf32>, %w: tensor<12x4xf32>, %b: tensor<12xf32>, %t: tensor<5x2xf32>) -> (tensor<?x5x4xf32>, tensor<?x5x4xf32>) {
  // CHECK-NOT: vit.zeros
  // REMARK-DAG: [Missed] key-bias | Category:fold | Function=missed | Remark="the key's bias is added at run time: the key is normalized with it"
  %0 = vit.linear %x, %w bias(%b : tensor<12xf32>) : tensor<?x5x4xf32>, tensor<12x4xf32> -> tensor<?x5x12xf32>
  %n = vit.head_normalize %0 {heads = 2 : i64, eps = 1.0e-6 : f32} : tensor<?x5x12xf32>
  %y = vit.sdpa %n {heads = 2 : i64, scale = 0.5 : f32} : tensor<?x5x12xf32> -> tensor<?x5x4xf32>
  // REMARK-DAG: Remark="the key's bias is added at run time: the key is rotated with it"
  %1 = vit.linear %x, %w bias(%b : tensor<12xf32>) : tensor<?x5x4xf32>, tensor<12x4xf32> -> tensor<?x5x12xf32>
  %r = vit.rotary %1 sin(%t : tensor<5x2xf32>) cos(%t : tensor<5x2xf32>)
         {heads = 2 : i64, prefix = 0 : i64, layout = #vit.rotary_layout<halves>} : tensor<?x5x12xf32>
  %z = vit.sdpa %r {heads = 2 : i64, scale = 0.5 : f32} : tensor<?x5x12xf32> -> tensor<?x5x4xf32>
  return %y, %z : tensor<?x5x4xf32>, tensor<?x5x4xf32>
}
