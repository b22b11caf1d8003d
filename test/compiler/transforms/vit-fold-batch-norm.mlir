// RUN: vit-opt %s --vit-fold-batch-norm | FileCheck %s
// RUN: vit-opt %s --vit-fold-batch-norm --remarks-filter=fold -o /dev/null 2>&1 | FileCheck %s --check-prefix=REMARK

// CHECK-LABEL: func.func @fold
// CHECK-SAME: %[[X:.*]]: tensor<?x3x8x8xf32>, %[[W:.*]]: tensor<6x3x1x1xf32>, %[[B:.*]]: tensor<6xf32>, %[[M:[a-z0-9]*]]: tensor<6xf32>, %[[V:.*]]: tensor<6xf32>
func.func @fold(%x: tensor<?x3x8x8xf32>, %w: tensor<6x3x1x1xf32>, %b: tensor<6xf32>, %m: tensor<6xf32>, %v: tensor<6xf32>) -> tensor<?x6x8x8xf32> {
  // CHECK: %[[I:.*]] = vit.inverse_deviation %[[V]]
  // CHECK: %[[F:.*]] = vit.scale %[[I]] by %[[M]] {axis = 0 : i64}
  // CHECK: %[[N:.*]] = vit.scale_rows %[[M]] {factor = -1.000000e+00 : f32, rows = 6 : i64}
  // CHECK: %[[C:.*]] = vit.add %[[B]], %[[N]]
  // CHECK: %[[O:.*]] = vit.scale %[[C]] by %[[F]] {axis = 0 : i64}
  // CHECK: %[[S:.*]] = vit.add %[[V]], %[[O]]
  // CHECK: %[[K:.*]] = vit.scale %[[W]] by %[[F]] {axis = 0 : i64}
  // CHECK: vit.conv %[[X]], %[[K]] bias(%[[S]] : tensor<6xf32>)
  // CHECK-NOT: vit.batch_norm
  // REMARK-DAG: [Passed] batch-norm | Category:fold | Function=fold
  %0 = vit.conv %x, %w bias(%b : tensor<6xf32>) {stride = array<i64: 1, 1>, padding = array<i64: 0, 0, 0, 0>}
    : tensor<?x3x8x8xf32>, tensor<6x3x1x1xf32> -> tensor<?x6x8x8xf32>
  %1 = vit.batch_norm %0 mean(%m : tensor<6xf32>) variance(%v : tensor<6xf32>) gain(%m : tensor<6xf32>) shift(%v : tensor<6xf32>)
    {eps = 1.0e-5 : f32} : tensor<?x6x8x8xf32>
  return %1 : tensor<?x6x8x8xf32>
}

// CHECK-LABEL: func.func @missed
func.func @missed(%x: tensor<?x6x8x8xf32>, %m: tensor<6xf32>) -> tensor<?x6x8x8xf32> {
  // CHECK: vit.batch_norm
  // REMARK-DAG: [Missed] batch-norm | Category:fold | Function=missed | Remark="statistics are applied at run time: the input is not a convolution"
  %0 = vit.batch_norm %x mean(%m : tensor<6xf32>) variance(%m : tensor<6xf32>) {eps = 1.0e-5 : f32} : tensor<?x6x8x8xf32>
  return %0 : tensor<?x6x8x8xf32>
}
