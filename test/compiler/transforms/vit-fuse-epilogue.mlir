// RUN: vit-opt %s --vit-fuse-epilogue --mlir-print-debuginfo --mlir-print-local-scope | FileCheck %s
// RUN: vit-opt %s --vit-fuse-epilogue --remarks-filter=fusion -o /dev/null 2>&1 | FileCheck %s --check-prefix=REMARK

// CHECK-LABEL: func.func @mlp
// CHECK-SAME: %[[X:.*]]: tensor<?x5x8xf32>
func.func @mlp(%x: tensor<?x5x8xf32>, %w: tensor<16x8xf32>, %v: tensor<8x16xf32>) -> tensor<?x5x8xf32> {
  // CHECK: %[[H:.*]] = vit.linear %[[X]], %{{.*}} {activation = #vit.activation<gelu_erf>} {{.*}} loc("act")
  // CHECK-NEXT: vit.linear %[[H]], %{{.*}} residual(%[[X]] : tensor<?x5x8xf32>{{.*}} loc("sum")
  // REMARK-DAG: [Passed] activation | Category:fusion | Function=mlp | Remark="activation fused into the product before it"
  // REMARK-DAG: [Passed] residual | Category:fusion | Function=mlp | Remark="residual sum fused into the product before it"
  %0 = vit.linear %x, %w : tensor<?x5x8xf32>, tensor<16x8xf32> -> tensor<?x5x16xf32> loc("fc1")
  %1 = vit.activation %0 {kind = #vit.activation<gelu_erf>} : tensor<?x5x16xf32> loc("act")
  %2 = vit.linear %1, %v : tensor<?x5x16xf32>, tensor<8x16xf32> -> tensor<?x5x8xf32> loc("fc2")
  %3 = vit.residual %x, %2 : tensor<?x5x8xf32> loc("sum")
  return %3 : tensor<?x5x8xf32>
}

// CHECK-LABEL: func.func @two_users
func.func @two_users(%x: tensor<?x5x8xf32>, %w: tensor<8x8xf32>) -> (tensor<?x5x8xf32>, tensor<?x5x8xf32>) {
  // CHECK: vit.activation
  // REMARK-DAG: [Missed] activation | Category:fusion | Function=two_users | Remark="activation is a launch of its own: the product has other users"
  %0 = vit.linear %x, %w : tensor<?x5x8xf32>, tensor<8x8xf32> -> tensor<?x5x8xf32>
  %1 = vit.activation %0 {kind = #vit.activation<relu>} : tensor<?x5x8xf32>
  return %0, %1 : tensor<?x5x8xf32>, tensor<?x5x8xf32>
}

// CHECK-LABEL: func.func @no_product
func.func @no_product(%x: tensor<?x5x8xf32>, %g: tensor<8xf32>) -> tensor<?x5x8xf32> {
  // CHECK: vit.residual
  // REMARK-DAG: [Missed] residual | Category:fusion | Function=no_product | Remark="residual sum is a launch of its own: its input is not a product"
  %0 = vit.normalize %x gain(%g : tensor<8xf32>) {eps = 1.0e-6 : f32} : tensor<?x5x8xf32>
  %1 = vit.residual %x, %0 : tensor<?x5x8xf32>
  return %1 : tensor<?x5x8xf32>
}

// As in a ResNet: the activation of the sum.
// CHECK-LABEL: func.func @sum_first
func.func @sum_first(%x: tensor<?x5x8xf32>, %w: tensor<8x8xf32>) -> tensor<?x5x8xf32> {
  // CHECK: vit.linear %{{.*}} residual(%{{.*}} {activation = #vit.activation<relu>, activation_last} {{.*}} loc("act")
  %0 = vit.linear %x, %w : tensor<?x5x8xf32>, tensor<8x8xf32> -> tensor<?x5x8xf32> loc("conv")
  %1 = vit.residual %x, %0 : tensor<?x5x8xf32> loc("sum")
  %2 = vit.activation %1 {kind = #vit.activation<relu>} : tensor<?x5x8xf32> loc("act")
  return %2 : tensor<?x5x8xf32>
}

// CHECK-LABEL: func.func @group_norm
func.func @group_norm(%x: tensor<?x5x8xf32>) -> (tensor<?x5x8xf32>, tensor<?x5x8xf32>) {
  // CHECK: vit.group_norm_rows %{{.*}} residual(%{{.*}} {activation = #vit.activation<relu>, {{.*}} loc("act")
  // REMARK-DAG: [Passed] residual | Category:fusion | Function=group_norm | Remark="residual sum fused into the normalization before it"
  %0 = vit.group_norm_rows %x {groups = 2 : i64, eps = 1.0e-6 : f32} : tensor<?x5x8xf32> loc("norm")
  %1 = vit.residual %x, %0 : tensor<?x5x8xf32> loc("sum")
  %2 = vit.activation %1 {kind = #vit.activation<relu>} : tensor<?x5x8xf32> loc("act")
  // Its activation is computed behind a sum, so one before it stays.
  // CHECK: vit.group_norm_rows %{{.*}} {activation = #vit.activation<relu>, {{.*}} loc("inner")
  // CHECK: vit.residual
  // REMARK-DAG: [Missed] residual | Category:fusion | Function=group_norm | Remark="residual sum is a launch of its own: the normalization has an activation already"
  %3 = vit.group_norm_rows %x {groups = 2 : i64, eps = 1.0e-6 : f32} : tensor<?x5x8xf32>
  %4 = vit.activation %3 {kind = #vit.activation<relu>} : tensor<?x5x8xf32> loc("inner")
  %5 = vit.residual %x, %4 : tensor<?x5x8xf32>
  return %2, %5 : tensor<?x5x8xf32>, tensor<?x5x8xf32>
}
