// RUN: vit-opt %s --vit-fold-layer-scale | FileCheck %s
// RUN: vit-opt %s --vit-fold-layer-scale --remarks-filter=fold -o /dev/null 2>&1 | FileCheck %s --check-prefix=REMARK

// CHECK-LABEL: func.func @fold
// CHECK-SAME: %[[X:.*]]: tensor<?x5x8xf32>, %[[W:.*]]: tensor<8x8xf32>, %[[B:.*]]: tensor<8xf32>, %[[G:.*]]: tensor<8xf32>
func.func @fold(%x: tensor<?x5x8xf32>, %w: tensor<8x8xf32>, %b: tensor<8xf32>, %g: tensor<8xf32>) -> tensor<?x5x8xf32> {
  // CHECK: %[[WG:.*]] = vit.scale %[[W]] by %[[G]] {axis = 0 : i64}
  // CHECK: %[[BG:.*]] = vit.scale %[[B]] by %[[G]] {axis = 0 : i64}
  // CHECK: %[[Y:.*]] = vit.linear %[[X]], %[[WG]] bias(%[[BG]] : tensor<8xf32>)
  // CHECK: vit.residual %[[X]], %[[Y]] : tensor<?x5x8xf32>
  // REMARK-DAG: [Passed] layer-scale | Category:fold | Function=fold | Remark="gamma folded into the product before it"
  %0 = vit.linear %x, %w bias(%b : tensor<8xf32>) : tensor<?x5x8xf32>, tensor<8x8xf32> -> tensor<?x5x8xf32>
  %1 = vit.residual %x, %0 gamma(%g : tensor<8xf32>) : tensor<?x5x8xf32>
  return %1 : tensor<?x5x8xf32>
}

// A gamma that import placed after the product moves up.
// CHECK-LABEL: func.func @gamma_after
func.func @gamma_after(%x: tensor<?x5x8xf32>, %w: tensor<8x8xf32>) -> tensor<?x5x8xf32> {
  // CHECK: vit.weight @ls1.gamma
  // CHECK: vit.scale
  // CHECK: vit.linear
  %0 = vit.linear %x, %w : tensor<?x5x8xf32>, tensor<8x8xf32> -> tensor<?x5x8xf32>
  %g = vit.weight @ls1.gamma : tensor<8xf32>
  %1 = vit.residual %x, %0 gamma(%g : tensor<8xf32>) : tensor<?x5x8xf32>
  return %1 : tensor<?x5x8xf32>
}

// CHECK-LABEL: func.func @missed
func.func @missed(%x: tensor<?x5x8xf32>, %g: tensor<8xf32>) -> tensor<?x5x8xf32> {
  // CHECK: vit.residual %{{.*}}, %{{.*}} gamma(
  // REMARK-DAG: [Missed] layer-scale | Category:fold | Function=missed | Remark="gamma is applied at run time: its branch is not a product"
  %1 = vit.residual %x, %x gamma(%g : tensor<8xf32>) : tensor<?x5x8xf32>
  return %1 : tensor<?x5x8xf32>
}
