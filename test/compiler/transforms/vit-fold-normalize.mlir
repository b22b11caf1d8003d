// RUN: vit-opt %s --vit-fold-normalize | FileCheck %s
// RUN: vit-opt %s --vit-fold-normalize --remarks-filter=fold -o /dev/null 2>&1 | FileCheck %s --check-prefix=REMARK

// CHECK-LABEL: func.func @fold
// CHECK-SAME: %[[X:.*]]: tensor<?x5x8xf32>, %[[W:.*]]: tensor<6x8xf32>, %[[B:.*]]: tensor<6xf32>, %[[G:.*]]: tensor<8xf32>, %[[S:.*]]: tensor<8xf32>
func.func @fold(%x: tensor<?x5x8xf32>, %w: tensor<6x8xf32>, %b: tensor<6xf32>, %g: tensor<8xf32>, %s: tensor<8xf32>) -> tensor<?x5x6xf32> {
  // CHECK: %[[N:.*]] = vit.normalize %[[X]] {eps
  // CHECK: %[[WS:.*]] = vit.matvec %[[W]], %[[S]]
  // CHECK: %[[BS:.*]] = vit.add %[[B]], %[[WS]]
  // CHECK: %[[WG:.*]] = vit.scale %[[W]] by %[[G]] {axis = 1 : i64}
  // CHECK: vit.linear %[[N]], %[[WG]] bias(%[[BS]] : tensor<6xf32>)
  // REMARK-DAG: [Passed] normalize | Category:fold | Function=fold
  %0 = vit.normalize %x gain(%g : tensor<8xf32>) shift(%s : tensor<8xf32>) {eps = 1.0e-6 : f32} : tensor<?x5x8xf32>
  %1 = vit.linear %0, %w bias(%b : tensor<6xf32>) : tensor<?x5x8xf32>, tensor<6x8xf32> -> tensor<?x5x6xf32>
  return %1 : tensor<?x5x6xf32>
}

// CHECK-LABEL: func.func @missed
func.func @missed(%x: tensor<?x5x8xf32>, %g: tensor<8xf32>) -> tensor<?x8xf32> {
  // CHECK: vit.normalize %{{.*}} gain(
  // REMARK-DAG: [Missed] normalize | Category:fold | Function=missed | Remark="gain and shift are applied at run time: the rows are read by something else than products"
  %0 = vit.normalize %x gain(%g : tensor<8xf32>) {eps = 1.0e-6 : f32} : tensor<?x5x8xf32>
  %1 = vit.pool %0 {kind = #vit.pool<avg>} : tensor<?x5x8xf32> -> tensor<?x8xf32>
  return %1 : tensor<?x8xf32>
}
