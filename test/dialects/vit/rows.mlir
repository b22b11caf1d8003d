// RUN: vit-opt %s | vit-opt | FileCheck %s
// RUN: vit-opt %s --mlir-print-op-generic | vit-opt | FileCheck %s
// RUN: vit-opt %s --canonicalize | FileCheck %s --check-prefix=FOLDED

// CHECK-LABEL: func @rows
func.func @rows(%x: tensor<?x4x5x7xf32>, %v: tensor<4xf32>, %w: tensor<8x36xf32>) -> tensor<?x35x8xf32> {
  // CHECK: vit.channels_last %{{[^ ]*}} : tensor<?x4x5x7xf32> -> tensor<?x35x4xf32>
  %r = vit.channels_last %x : tensor<?x4x5x7xf32> -> tensor<?x35x4xf32>
  // CHECK: vit.group_norm_rows %{{[^ ]*}} gain(%{{[^ ]*}} : tensor<4xf32>) shift(%{{[^ ]*}} : tensor<4xf32>) residual(%{{[^ ]*}} : tensor<?x35x4xf32>) {activation = #vit.activation<relu>, eps = {{.*}} : f32, groups = 2 : i64} : tensor<?x35x4xf32>
  %n = vit.group_norm_rows %r gain(%v : tensor<4xf32>) shift(%v : tensor<4xf32>) residual(%r : tensor<?x35x4xf32>)
    {activation = #vit.activation<relu>, groups = 2 : i64, eps = 1.0e-6 : f32} : tensor<?x35x4xf32>
  // CHECK: vit.pool_rows %{{[^ ]*}} {grid = array<i64: 5, 7>, kind = #vit.window_pool<avg>, padding = array<i64: 1, 1, 1, 1>, stride = array<i64: 1, 1>, window = array<i64: 3, 3>} : tensor<?x35x4xf32> -> tensor<?x35x4xf32>
  %p = vit.pool_rows %n {kind = #vit.window_pool<avg>, grid = array<i64: 5, 7>, window = array<i64: 3, 3>, stride = array<i64: 1, 1>, padding = array<i64: 1, 1, 1, 1>}
    : tensor<?x35x4xf32> -> tensor<?x35x4xf32>
  // CHECK: vit.im2col %{{[^ ]*}} {grid = array<i64: 5, 7>, padding = array<i64: 1, 1, 1, 1>, stride = array<i64: 1, 1>, window = array<i64: 3, 3>} : tensor<?x35x4xf32> -> tensor<?x35x36xf32>
  %c = vit.im2col %p {grid = array<i64: 5, 7>, window = array<i64: 3, 3>, stride = array<i64: 1, 1>, padding = array<i64: 1, 1, 1, 1>}
    : tensor<?x35x4xf32> -> tensor<?x35x36xf32>
  // CHECK: vit.linear %{{[^ ]*}}, %{{[^ ]*}} {activation = #vit.activation<relu>, activation_last} : tensor<?x35x36xf32>, tensor<8x36xf32> -> tensor<?x35x8xf32>
  %y = vit.linear %c, %w {activation = #vit.activation<relu>, activation_last} : tensor<?x35x36xf32>, tensor<8x36xf32> -> tensor<?x35x8xf32>
  return %y : tensor<?x35x8xf32>
}

// CHECK-LABEL: func @there_and_back
// FOLDED-LABEL: func @there_and_back
// FOLDED-SAME: %[[R:.*]]: tensor
func.func @there_and_back(%r: tensor<?x35x4xf32>) -> tensor<?x35x4xf32> {
  // CHECK: vit.channels_first %{{[^ ]*}} : tensor<?x35x4xf32> -> tensor<?x4x5x7xf32>
  // FOLDED-NEXT: return %[[R]]
  %0 = vit.channels_first %r : tensor<?x35x4xf32> -> tensor<?x4x5x7xf32>
  %1 = vit.channels_last %0 : tensor<?x4x5x7xf32> -> tensor<?x35x4xf32>
  return %1 : tensor<?x35x4xf32>
}

// CHECK-LABEL: func @maps
func.func @maps(%x: tensor<?x4x5x7xf32>, %v: tensor<4xf32>, %k: tensor<8x3x2x1xf32>) -> tensor<?x4x3x4xf32> {
  // CHECK: vit.batch_norm %{{[^ ]*}} mean(%{{[^ ]*}} : tensor<4xf32>) variance(%{{[^ ]*}} : tensor<4xf32>) gain(%{{[^ ]*}} : tensor<4xf32>) shift(%{{[^ ]*}} : tensor<4xf32>) {eps = {{.*}} : f32} : tensor<?x4x5x7xf32>
  %n = vit.batch_norm %x mean(%v : tensor<4xf32>) variance(%v : tensor<4xf32>) gain(%v : tensor<4xf32>) shift(%v : tensor<4xf32>) {eps = 1.0e-5 : f32}
    : tensor<?x4x5x7xf32>
  // CHECK: vit.avg_pool %{{[^ ]*}} {padding = array<i64: 0, 1, 0, 1>, stride = array<i64: 2, 2>, window = array<i64: 2, 2>} : tensor<?x4x5x7xf32> -> tensor<?x4x3x4xf32>
  %p = vit.avg_pool %n {window = array<i64: 2, 2>, stride = array<i64: 2, 2>, padding = array<i64: 0, 1, 0, 1>} : tensor<?x4x5x7xf32> -> tensor<?x4x3x4xf32>
  // CHECK: vit.transpose %{{[^ ]*}} {permutation = array<i64: 0, 2, 3, 1>} : tensor<8x3x2x1xf32> -> tensor<8x2x1x3xf32>
  %t = vit.transpose %k {permutation = array<i64: 0, 2, 3, 1>} : tensor<8x3x2x1xf32> -> tensor<8x2x1x3xf32>
  // CHECK: vit.inverse_deviation %{{[^ ]*}} {eps = {{.*}} : f32} : tensor<4xf32>
  %i = vit.inverse_deviation %v {eps = 1.0e-5 : f32} : tensor<4xf32>
  return %p : tensor<?x4x3x4xf32>
}
