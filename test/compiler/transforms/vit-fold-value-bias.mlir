// RUN: vit-opt %s --vit-fold-value-bias --mlir-print-debuginfo --mlir-print-local-scope | FileCheck %s
// RUN: vit-opt %s --vit-fold-value-bias --remarks-filter=fold -o /dev/null 2>&1 | FileCheck %s --check-prefix=REMARK

// CHECK-LABEL: func.func @packed
func.func @packed(%x: tensor<?x5x4xf32>, %w: tensor<12x4xf32>, %b: tensor<12xf32>, %p: tensor<6x4xf32>, %c: tensor<6xf32>) -> tensor<?x5x6xf32> {
  // CHECK: %[[V:.*]] = vit.slice_rows %{{.*}} {first = 8 : i64} : tensor<12xf32> -> tensor<4xf32>
  // CHECK: %[[QK:.*]] = vit.slice_rows %{{.*}} {first = 0 : i64} : tensor<12xf32> -> tensor<8xf32>
  // CHECK: %[[Z:.*]] = vit.zeros : tensor<4xf32>
  // CHECK: %[[B:.*]] = vit.concat %[[QK]], %[[Z]]
  // CHECK: vit.linear %{{.*}}, %{{.*}} bias(%[[B]] : tensor<12xf32>) {{.*}} loc("attn.qkv.folded")
  %qkv = vit.linear %x, %w bias(%b : tensor<12xf32>) : tensor<?x5x4xf32>, tensor<12x4xf32> -> tensor<?x5x12xf32> loc("attn.qkv")
  // CHECK: vit.sdpa {{.*}} loc("attn.heads.unbiased")
  // REMARK-DAG: [Passed] value-bias | Category:fold | Function=packed | Remark="the value's bias folded into the bias of the product that follows"
  %heads = vit.sdpa %qkv {heads = 2 : i64, scale = 0.5 : f32} : tensor<?x5x12xf32> -> tensor<?x5x4xf32> loc("attn.heads")
  // CHECK: %[[PV:.*]] = vit.matvec %{{.*}}, %[[V]] : tensor<6x4xf32>, tensor<4xf32> -> tensor<6xf32>
  // CHECK: %[[C:.*]] = vit.add %{{.*}}, %[[PV]]
  // CHECK: vit.linear %{{.*}}, %{{.*}} bias(%[[C]] : tensor<6xf32>) {{.*}} loc("attn")
  %y = vit.linear %heads, %p bias(%c : tensor<6xf32>) : tensor<?x5x4xf32>, tensor<6x4xf32> -> tensor<?x5x6xf32> loc("attn")
  return %y : tensor<?x5x6xf32>
}

// CHECK-LABEL: func.func @missed
func.func @missed(%x: tensor<?x5x4xf32>, %w: tensor<12x4xf32>, %b: tensor<12xf32>, %m: tensor<2x2xf32>, %v: tensor<2xf32>, %p: tensor<4x4xf32>)
    -> (tensor<?x5x4xf32>, tensor<?x5x4xf32>) {
  // CHECK-NOT: vit.zeros
  // REMARK-DAG: [Missed] value-bias | Category:fold | Function=missed | Remark="the value's bias is added at run time: the heads are read by something else than a product"
  %0 = vit.linear %x, %w bias(%b : tensor<12xf32>) : tensor<?x5x4xf32>, tensor<12x4xf32> -> tensor<?x5x12xf32>
  %heads = vit.sdpa %0 {heads = 2 : i64, scale = 0.5 : f32} : tensor<?x5x12xf32> -> tensor<?x5x4xf32>
  %n = vit.normalize %heads {eps = 1.0e-6 : f32} : tensor<?x5x4xf32>
  // REMARK-DAG: Remark="the value's bias is added at run time: the mixed shares of a query do not sum to 1"
  %1 = vit.linear %x, %w bias(%b : tensor<12xf32>) : tensor<?x5x4xf32>, tensor<12x4xf32> -> tensor<?x5x12xf32>
  %talked = vit.talking_heads %1 before(%m : tensor<2x2xf32>, %v : tensor<2xf32>) after(%m : tensor<2x2xf32>, %v : tensor<2xf32>)
              {heads = 2 : i64, scale = 0.5 : f32} : tensor<?x5x12xf32> -> tensor<?x5x4xf32>
  %y = vit.linear %talked, %p : tensor<?x5x4xf32>, tensor<4x4xf32> -> tensor<?x5x4xf32>
  return %n, %y : tensor<?x5x4xf32>, tensor<?x5x4xf32>
}
