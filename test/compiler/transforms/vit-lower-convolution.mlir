// RUN: vit-opt %s --vit-lower-convolution | FileCheck %s
// RUN: vit-opt %s --vit-lower-convolution --vit-fuse-epilogue --cse | FileCheck %s --check-prefix=FUSED

// A bottleneck: between its input and its result no value is a map.
// CHECK-LABEL: func.func @bottleneck
// CHECK-SAME: %[[X:.*]]: tensor<?x4x5x7xf32>
// FUSED-LABEL: func.func @bottleneck
func.func @bottleneck(%x: tensor<?x4x5x7xf32>, %w: tensor<4x4x3x3xf32>, %v: tensor<4x4x1x1xf32>, %b: tensor<4xf32>) -> tensor<?x4x5x7xf32> {
  // CHECK: %[[R:.*]] = vit.channels_last %[[X]] : tensor<?x4x5x7xf32> -> tensor<?x35x4xf32>
  // CHECK: %[[C:.*]] = vit.im2col %[[R]] {grid = array<i64: 5, 7>, padding = array<i64: 1, 1, 1, 1>, stride = array<i64: 1, 1>, window = array<i64: 3, 3>} : tensor<?x35x4xf32> -> tensor<?x35x36xf32>
  // CHECK: %[[T:.*]] = vit.transpose %{{.*}} {permutation = array<i64: 0, 2, 3, 1>} : tensor<4x4x3x3xf32> -> tensor<4x3x3x4xf32>
  // CHECK: %[[M:.*]] = vit.reshape %[[T]] : tensor<4x3x3x4xf32> -> tensor<4x36xf32>
  // CHECK: %[[Y:.*]] = vit.linear %[[C]], %[[M]] bias(%{{.*}} : tensor<4xf32>)
  // CHECK: %[[N:.*]] = vit.group_norm_rows %[[Y]]
  // CHECK: %[[A:.*]] = vit.activation %[[N]]
  // CHECK: %[[P:.*]] = vit.reshape %{{.*}} : tensor<4x4x1x1xf32> -> tensor<4x4xf32>
  // CHECK: %[[Z:.*]] = vit.linear %[[A]], %[[P]] : tensor<?x35x4xf32>, tensor<4x4xf32> -> tensor<?x35x4xf32>
  // CHECK: vit.residual %{{.*}}, %[[Z]] : tensor<?x35x4xf32>
  // CHECK: %[[S:.*]] = vit.activation
  // CHECK-NEXT: vit.channels_first %[[S]] : tensor<?x35x4xf32> -> tensor<?x4x5x7xf32>
  // FUSED: vit.group_norm_rows %{{.*}} {activation = #vit.activation<relu>, eps
  // FUSED: vit.linear %{{.*}} residual(%{{.*}} : tensor<?x35x4xf32>) {activation = #vit.activation<relu>, activation_last}
  %0 = vit.conv %x, %w bias(%b : tensor<4xf32>) {stride = array<i64: 1, 1>, padding = array<i64: 1, 1, 1, 1>}
    : tensor<?x4x5x7xf32>, tensor<4x4x3x3xf32> -> tensor<?x4x5x7xf32>
  %1 = vit.group_norm %0 {groups = 2 : i64, eps = 1.0e-6 : f32} : tensor<?x4x5x7xf32>
  %2 = vit.activation %1 {kind = #vit.activation<relu>} : tensor<?x4x5x7xf32>
  %3 = vit.conv %2, %v {stride = array<i64: 1, 1>, padding = array<i64: 0, 0, 0, 0>}
    : tensor<?x4x5x7xf32>, tensor<4x4x1x1xf32> -> tensor<?x4x5x7xf32>
  %4 = vit.residual %x, %3 : tensor<?x4x5x7xf32>
  %5 = vit.activation %4 {kind = #vit.activation<relu>} : tensor<?x4x5x7xf32>
  return %5 : tensor<?x4x5x7xf32>
}

// A strided 1 x 1 convolution picks rows; pooling and the patches follow on rows.
// CHECK-LABEL: func.func @patches
func.func @patches(%x: tensor<?x3x9x8xf32>, %w: tensor<4x3x1x1xf32>, %k: tensor<6x4x2x2xf32>) -> tensor<?x1x6xf32> {
  // CHECK: vit.im2col %{{.*}} {grid = array<i64: 9, 8>, padding = array<i64: 0, 0, 0, 0>, stride = array<i64: 2, 2>, window = array<i64: 1, 1>} : tensor<?x72x3xf32> -> tensor<?x20x3xf32>
  // CHECK: vit.pool_rows %{{.*}} {grid = array<i64: 5, 4>, kind = #vit.window_pool<max>, padding = array<i64: 0, 1, 0, 1>, stride = array<i64: 2, 2>, window = array<i64: 3, 3>} : tensor<?x20x4xf32> -> tensor<?x4x4xf32>
  // CHECK: %[[W:.*]] = vit.im2col %{{.*}} {grid = array<i64: 2, 2>, padding = array<i64: 0, 0, 0, 0>, stride = array<i64: 2, 2>, window = array<i64: 2, 2>} : tensor<?x4x4xf32> -> tensor<?x1x16xf32>
  // CHECK: %[[Y:.*]] = vit.linear %[[W]], %{{.*}} : tensor<?x1x16xf32>, tensor<6x16xf32> -> tensor<?x1x6xf32>
  // CHECK-NEXT: return %[[Y]]
  %0 = vit.conv %x, %w {stride = array<i64: 2, 2>, padding = array<i64: 0, 0, 0, 0>}
    : tensor<?x3x9x8xf32>, tensor<4x3x1x1xf32> -> tensor<?x4x5x4xf32>
  %1 = vit.max_pool %0 {window = array<i64: 3, 3>, stride = array<i64: 2, 2>, padding = array<i64: 0, 1, 0, 1>} : tensor<?x4x5x4xf32> -> tensor<?x4x2x2xf32>
  %2 = vit.patchify %1, %k : tensor<?x4x2x2xf32>, tensor<6x4x2x2xf32> -> tensor<?x1x6xf32>
  return %2 : tensor<?x1x6xf32>
}

// Patches of an image without a stem are left to the patch embedding's own kernel.
// CHECK-LABEL: func.func @no_stem
func.func @no_stem(%x: tensor<?x3x8x8xf32>, %k: tensor<6x3x4x4xf32>) -> tensor<?x4x6xf32> {
  // CHECK: vit.patchify
  %0 = vit.patchify %x, %k : tensor<?x3x8x8xf32>, tensor<6x3x4x4xf32> -> tensor<?x4x6xf32>
  return %0 : tensor<?x4x6xf32>
}
