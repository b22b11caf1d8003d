// RUN: vit-opt %s --vit-drop-dead-rows --mlir-print-debuginfo --mlir-print-local-scope | FileCheck %s
// RUN: vit-opt %s --vit-drop-dead-rows --remarks-filter=rows -o /dev/null 2>&1 | FileCheck %s --check-prefix=REMARK
// RUN: vit-opt %s --vit-drop-dead-rows=largest-share=90 | FileCheck %s --check-prefix=MOST

// A block in front of a class token: keys and values of all tokens, everything else of one.
// CHECK-LABEL: func.func @class_token
// CHECK-SAME: %[[X:[^:]*]]: tensor<?x5x4xf32>
func.func @class_token(%x: tensor<?x5x4xf32>, %w: tensor<12x4xf32>, %b: tensor<12xf32>, %p: tensor<4x4xf32>) -> tensor<?x4xf32> {
  // CHECK: %[[N:.*]] = vit.normalize %[[X]] {eps = {{.*}}} : tensor<?x5x4xf32>
  %n = vit.normalize %x {eps = 1.0e-6 : f32} : tensor<?x5x4xf32> loc("norm1")
  // CHECK: %[[ONE:.*]] = vit.slice_tokens %[[X]] {first = 0 : i64} : tensor<?x5x4xf32> -> tensor<?x1x4xf32>
  // CHECK: %[[ROW:.*]] = vit.normalize %[[ONE]] {{.*}} : tensor<?x1x4xf32> loc("norm1.row0")
  // CHECK: %[[WQ:.*]] = vit.slice_rows %{{.*}} {first = 0 : i64} : tensor<12x4xf32> -> tensor<4x4xf32>
  // CHECK: %[[BQ:.*]] = vit.slice_rows %{{.*}} {first = 0 : i64} : tensor<12xf32> -> tensor<4xf32>
  // CHECK: %[[Q:.*]] = vit.linear %[[ROW]], %[[WQ]] bias(%[[BQ]] : tensor<4xf32>) {{.*}} -> tensor<?x1x4xf32> loc("attn.qkv.q.row0")
  // CHECK: %[[WKV:.*]] = vit.slice_rows %{{.*}} {first = 4 : i64} : tensor<12x4xf32> -> tensor<8x4xf32>
  // CHECK: %[[BKV:.*]] = vit.slice_rows %{{.*}} {first = 4 : i64} : tensor<12xf32> -> tensor<8xf32>
  // CHECK: %[[KV:.*]] = vit.linear %[[N]], %[[WKV]] bias(%[[BKV]] : tensor<8xf32>) {{.*}} -> tensor<?x5x8xf32> loc("attn.qkv.kv")
  %qkv = vit.linear %n, %w bias(%b : tensor<12xf32>) : tensor<?x5x4xf32>, tensor<12x4xf32> -> tensor<?x5x12xf32> loc("attn.qkv")
  // CHECK: %[[HEADS:.*]] = vit.sdpa %[[KV]] query(%[[Q]] : tensor<?x1x4xf32>) {heads = 2 : i64, scale = 5.000000e-01 : f32} {{.*}} loc("attn.heads.row0")
  // REMARK-DAG: [Passed] dead-rows | Category:rows | Function=class_token | Remark="computes the 1 of 5 rows that are needed"
  %heads = vit.sdpa %qkv {heads = 2 : i64, scale = 0.5 : f32} : tensor<?x5x12xf32> -> tensor<?x5x4xf32> loc("attn.heads")
  // CHECK: %[[SKIP:.*]] = vit.slice_tokens %[[X]] {first = 0 : i64}
  // CHECK: %[[SUM:.*]] = vit.linear %[[HEADS]], %{{.*}} residual(%[[SKIP]] : tensor<?x1x4xf32>) {{.*}} loc("attn_residual.row0")
  %sum = vit.linear %heads, %p residual(%x : tensor<?x5x4xf32>) : tensor<?x5x4xf32>, tensor<4x4xf32> -> tensor<?x5x4xf32> loc("attn_residual")
  // CHECK: %[[NORM:.*]] = vit.normalize %[[SUM]] {{.*}} : tensor<?x1x4xf32> loc("norm.row0")
  %norm = vit.normalize %sum {eps = 1.0e-6 : f32} : tensor<?x5x4xf32> loc("norm")
  // CHECK: vit.pool %[[NORM]] {kind = #vit.pool<token>} : tensor<?x1x4xf32> -> tensor<?x4xf32> loc("pool")
  %pool = vit.pool %norm {kind = #vit.pool<token>} : tensor<?x5x4xf32> -> tensor<?x4xf32> loc("pool")
  return %pool : tensor<?x4xf32>
}

// Two tokens of two classifiers: their hull.
// CHECK-LABEL: func.func @hull
func.func @hull(%x: tensor<?x8x4xf32>, %w: tensor<6x4xf32>) -> (tensor<?x6xf32>, tensor<?x6xf32>) {
  // CHECK: %[[S:.*]] = vit.slice_tokens %{{.*}} {first = 1 : i64} : tensor<?x8x4xf32> -> tensor<?x3x4xf32>
  // CHECK: %[[Y:.*]] = vit.linear %[[S]], {{.*}} -> tensor<?x3x6xf32> loc("y.rows1to3")
  %y = vit.linear %x, %w : tensor<?x8x4xf32>, tensor<6x4xf32> -> tensor<?x8x6xf32> loc("y")
  // CHECK: vit.pool %[[Y]] {index = 2 : i64, kind = #vit.pool<token>}
  %a = vit.pool %y {kind = #vit.pool<token>, index = 3 : i64} : tensor<?x8x6xf32> -> tensor<?x6xf32>
  // CHECK: vit.pool %[[Y]] {kind = #vit.pool<token>}
  %b = vit.pool %y {kind = #vit.pool<token>, index = 1 : i64} : tensor<?x8x6xf32> -> tensor<?x6xf32>
  return %a, %b : tensor<?x6xf32>, tensor<?x6xf32>
}

// A result that is taken keeps its rows alive, and what it is made of.
// CHECK-LABEL: func.func @taken
// CHECK-NOT: slice_tokens
func.func @taken(%x: tensor<?x8x4xf32>) -> (tensor<?x8x4xf32>, tensor<?x4xf32>) {
  %y = vit.activation %x {kind = #vit.activation<silu>} : tensor<?x8x4xf32>
  %a = vit.pool %y {kind = #vit.pool<token>} : tensor<?x8x4xf32> -> tensor<?x4xf32>
  return %y, %a : tensor<?x8x4xf32>, tensor<?x4xf32>
}

// The query has been turned with the rest: it stays where it is.
// CHECK-LABEL: func.func @rotary
func.func @rotary(%x: tensor<?x5x12xf32>, %table: tensor<5x2xf32>, %bias: tensor<2x5x5xf32>) -> tensor<?x4xf32> {
  // CHECK: %[[R:.*]] = vit.rotary {{.*}} : tensor<?x5x12xf32>
  %r = vit.rotary %x sin(%table : tensor<5x2xf32>) cos(%table : tensor<5x2xf32>)
         {heads = 2 : i64, prefix = 0 : i64, layout = #vit.rotary_layout<halves>} : tensor<?x5x12xf32>
  // CHECK: %[[BYQUERY:.*]] = vit.transpose %{{.*}} {permutation = array<i64: 1, 0, 2>}
  // CHECK: %[[SOME:.*]] = vit.slice_rows %[[BYQUERY]] {first = 3 : i64} : tensor<5x2x5xf32> -> tensor<1x2x5xf32>
  // CHECK: %[[B:.*]] = vit.transpose %[[SOME]] {permutation = array<i64: 1, 0, 2>} : tensor<1x2x5xf32> -> tensor<2x1x5xf32>
  // CHECK: vit.sdpa %[[R]] bias(%[[B]] : tensor<2x1x5xf32>) {first_query = 3 : i64, heads = 2 : i64, {{.*}} : tensor<?x5x12xf32> -> tensor<?x1x4xf32>
  // REMARK-DAG: [Missed] dead-rows | Category:rows | Function=rotary | Remark="the query's product computes all rows: it is no plain product that nothing else reads"
  %heads = vit.sdpa %r bias(%bias : tensor<2x5x5xf32>) {heads = 2 : i64, scale = 0.5 : f32} : tensor<?x5x12xf32> -> tensor<?x5x4xf32>
  %y = vit.pool %heads {kind = #vit.pool<token>, index = 3 : i64} : tensor<?x5x4xf32> -> tensor<?x4xf32>
  return %y : tensor<?x4xf32>
}

// CHECK-LABEL: func.func @windows
func.func @windows(%x: tensor<?x8x12xf32>) -> tensor<?x4xf32> {
  // CHECK: vit.sdpa {{.*}} -> tensor<?x8x4xf32>
  // REMARK-DAG: [Missed] dead-rows | Category:rows | Function=windows | Remark="1 of 8 rows are needed, all are computed: attention in windows is computed whole"
  %heads = vit.sdpa %x {heads = 2 : i64, scale = 0.5 : f32, windows = 2 : i64} : tensor<?x8x12xf32> -> tensor<?x8x4xf32>
  %y = vit.pool %heads {kind = #vit.pool<token>} : tensor<?x8x4xf32> -> tensor<?x4xf32>
  return %y : tensor<?x4xf32>
}

// The mean of the patches leaves out one row, which is not worth two copies.
// CHECK-LABEL: func.func @mean
func.func @mean(%x: tensor<?x5x4xf32>) -> tensor<?x4xf32> {
  // CHECK: vit.activation {{.*}} : tensor<?x5x4xf32>
  // REMARK-DAG: [Missed] dead-rows | Category:rows | Function=mean | Remark="4 of 5 rows are needed, all are computed: too few are dead to pay for copying the others"
  // MOST: func.func @mean
  // MOST: vit.activation {{.*}} : tensor<?x4x4xf32>
  // MOST: vit.pool %{{[^ ]*}} {kind = #vit.pool<avg>} : tensor<?x4x4xf32>
  %y = vit.activation %x {kind = #vit.activation<silu>} : tensor<?x5x4xf32>
  %p = vit.pool %y {kind = #vit.pool<avg>, index = 1 : i64} : tensor<?x5x4xf32> -> tensor<?x4xf32>
  return %p : tensor<?x4xf32>
}

// CaiT: a class token of its own path; only the sequence's first part is wanted.
// CHECK-LABEL: func.func @class_attention
// CHECK-SAME: %[[TOKEN:[^:]*]]: tensor<?x1x4xf32>
func.func @class_attention(%token: tensor<?x1x4xf32>, %patches: tensor<?x4x4xf32>, %kv: tensor<?x5x8xf32>, %q: tensor<3x4xf32>)
    -> (tensor<?x4xf32>, tensor<?x4xf32>) {
  // CHECK: vit.normalize %[[TOKEN]] {{.*}} : tensor<?x1x4xf32>
  %all = vit.concat_tokens %token, %patches : (tensor<?x1x4xf32>, tensor<?x4x4xf32>) -> tensor<?x5x4xf32>
  %n = vit.normalize %all {eps = 1.0e-6 : f32} : tensor<?x5x4xf32>
  %y = vit.pool %n {kind = #vit.pool<token>} : tensor<?x5x4xf32> -> tensor<?x4xf32>
  // CHECK: %[[Q:.*]] = vit.slice_rows %{{.*}} {first = 2 : i64} : tensor<3x4xf32> -> tensor<1x4xf32>
  // CHECK: vit.attention_pool %[[Q]], %{{.*}} -> tensor<?x1x4xf32>
  %heard = vit.attention_pool %q, %kv {heads = 2 : i64, scale = 0.5 : f32} : tensor<3x4xf32>, tensor<?x5x8xf32> -> tensor<?x3x4xf32>
  %z = vit.pool %heard {kind = #vit.pool<token>, index = 2 : i64} : tensor<?x3x4xf32> -> tensor<?x4xf32>
  return %y, %z : tensor<?x4xf32>, tensor<?x4xf32>
}
