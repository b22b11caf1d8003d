// RUN: vit-opt %s --split-input-file --verify-diagnostics

// Labels (C1), (C2)... are those of the operations' descriptions.

func.func @channels_last_c1(%x: tensor<?x4x5x7xf32>) {
  // expected-error @+1 {{rows is [?, 4, 35], expected [B = ?, H W = 35, C = 4]}}
  %0 = vit.channels_last %x : tensor<?x4x5x7xf32> -> tensor<?x4x35xf32>
  return
}

// -----

func.func @channels_first_c1(%r: tensor<?x36x4xf32>) {
  // expected-error @+1 {{rows is [?, 36, 4], expected [B = ?, H W = 35, C = 4]}}
  %0 = vit.channels_first %r : tensor<?x36x4xf32> -> tensor<?x4x5x7xf32>
  return
}

// -----

func.func @im2col_c1_grid(%r: tensor<?x35x4xf32>) {
  // expected-error @+1 {{grid is [35], expected 2 numbers of at least 1}}
  %0 = vit.im2col %r {grid = array<i64: 35>, window = array<i64: 3, 3>, stride = array<i64: 1, 1>, padding = array<i64: 0, 0, 0, 0>} : tensor<?x35x4xf32> -> tensor<?x15x36xf32>
  return
}

// -----

func.func @im2col_c1_window(%r: tensor<?x35x4xf32>) {
  // expected-error @+1 {{window is [0, 3], expected 2 numbers of at least 1}}
  %0 = vit.im2col %r {grid = array<i64: 5, 7>, window = array<i64: 0, 3>, stride = array<i64: 1, 1>, padding = array<i64: 0, 0, 0, 0>} : tensor<?x35x4xf32> -> tensor<?x15x36xf32>
  return
}

// -----

func.func @im2col_c2(%r: tensor<?x35x4xf32>) {
  // expected-error @+1 {{rows is [?, 35, 4], expected [B, H W = 36, C]}}
  %0 = vit.im2col %r {grid = array<i64: 6, 6>, window = array<i64: 3, 3>, stride = array<i64: 1, 1>, padding = array<i64: 0, 0, 0, 0>} : tensor<?x35x4xf32> -> tensor<?x16x36xf32>
  return
}

// -----

func.func @im2col_c3(%r: tensor<?x35x4xf32>) {
  // expected-error @+1 {{a padded image of 5x7 pixels holds no window of 6x3}}
  %0 = vit.im2col %r {grid = array<i64: 5, 7>, window = array<i64: 6, 3>, stride = array<i64: 1, 1>, padding = array<i64: 0, 0, 0, 0>} : tensor<?x35x4xf32> -> tensor<?x16x36xf32>
  return
}

// -----

func.func @im2col_c4(%r: tensor<?x35x4xf32>) {
  // expected-error @+1 {{result is [?, 15, 9], expected [B = ?, H' W' = 15, P Q C = 36]}}
  %0 = vit.im2col %r {grid = array<i64: 5, 7>, window = array<i64: 3, 3>, stride = array<i64: 1, 1>, padding = array<i64: 0, 0, 0, 0>} : tensor<?x35x4xf32> -> tensor<?x15x9xf32>
  return
}

// -----

func.func @pool_rows_c3(%r: tensor<?x35x4xf32>) {
  // expected-error @+1 {{padding of 2 pixels is not smaller than the window's 2}}
  %0 = vit.pool_rows %r {kind = #vit.window_pool<max>, grid = array<i64: 5, 7>, window = array<i64: 2, 2>, stride = array<i64: 1, 1>, padding = array<i64: 2, 0, 0, 0>} : tensor<?x35x4xf32> -> tensor<?x36x4xf32>
  return
}

// -----

func.func @pool_rows_c4(%r: tensor<?x35x4xf32>) {
  // expected-error @+1 {{result is [?, 24, 8], expected [B = ?, H' W' = 24, C = 4]}}
  %0 = vit.pool_rows %r {kind = #vit.window_pool<max>, grid = array<i64: 5, 7>, window = array<i64: 2, 2>, stride = array<i64: 1, 1>, padding = array<i64: 0, 0, 0, 0>} : tensor<?x35x4xf32> -> tensor<?x24x8xf32>
  return
}

// -----

func.func @group_norm_rows_c1(%r: tensor<?x35x4xf32>) {
  // expected-error @+1 {{4 channels cannot be split into 3 groups}}
  %0 = vit.group_norm_rows %r {groups = 3 : i64, eps = 1.0e-6 : f32} : tensor<?x35x4xf32>
  return
}

// -----

func.func @group_norm_rows_c2(%r: tensor<?x35x4xf32>, %g: tensor<2xf32>) {
  // expected-error @+1 {{gain is [2], expected [C = 4]}}
  %0 = vit.group_norm_rows %r gain(%g : tensor<2xf32>) {groups = 2 : i64, eps = 1.0e-6 : f32} : tensor<?x35x4xf32>
  return
}

// -----

func.func @group_norm_rows_c3(%r: tensor<?x35x4xf32>, %s: tensor<?x7x4xf32>) {
  // expected-error @+1 {{residual is 'tensor<?x7x4xf32>', expected the type of the rows, 'tensor<?x35x4xf32>'}}
  %0 = vit.group_norm_rows %r residual(%s : tensor<?x7x4xf32>) {groups = 2 : i64, eps = 1.0e-6 : f32} : tensor<?x35x4xf32>
  return
}

// -----

func.func @group_norm_rows_c4(%r: tensor<?x35x4xf32>) {
  // expected-error @+1 {{eps is -1.000000e+00, expected a finite number that is not negative}}
  %0 = vit.group_norm_rows %r {groups = 2 : i64, eps = -1.0 : f32} : tensor<?x35x4xf32>
  return
}

// -----

func.func @avg_pool_c1(%x: tensor<?x3x8x8xf32>) {
  // expected-error @+1 {{stride is [0, 2], expected 2 numbers of at least 1}}
  %0 = vit.avg_pool %x {window = array<i64: 2, 2>, stride = array<i64: 0, 2>, padding = array<i64: 0, 0, 0, 0>} : tensor<?x3x8x8xf32> -> tensor<?x3x4x4xf32>
  return
}

// -----

func.func @avg_pool_c2(%x: tensor<?x3x8x8xf32>) {
  // expected-error @+1 {{padding of 2 pixels is not smaller than the window's 2}}
  %0 = vit.avg_pool %x {window = array<i64: 2, 2>, stride = array<i64: 2, 2>, padding = array<i64: 0, 2, 0, 0>} : tensor<?x3x8x8xf32> -> tensor<?x3x5x4xf32>
  return
}

// -----

func.func @avg_pool_c3(%x: tensor<?x3x8x8xf32>) {
  // expected-error @+1 {{result is [?, 3, 5, 4], expected [B = ?, channels = 3, H' = 4, W' = 4]}}
  %0 = vit.avg_pool %x {window = array<i64: 2, 2>, stride = array<i64: 2, 2>, padding = array<i64: 0, 0, 0, 0>} : tensor<?x3x8x8xf32> -> tensor<?x3x5x4xf32>
  return
}

// -----

func.func @batch_norm_c1(%x: tensor<?x3x8x8xf32>, %v: tensor<3xf32>, %m: tensor<4xf32>) {
  // expected-error @+1 {{mean is [4], expected [C = 3]}}
  %0 = vit.batch_norm %x mean(%m : tensor<4xf32>) variance(%v : tensor<3xf32>) {eps = 1.0e-5 : f32} : tensor<?x3x8x8xf32>
  return
}

// -----

func.func @batch_norm_c2(%x: tensor<?x3x8x8xf32>, %v: tensor<3xf32>) {
  // expected-error @+1 {{eps is -1.000000e+00, expected a finite number that is not negative}}
  %0 = vit.batch_norm %x mean(%v : tensor<3xf32>) variance(%v : tensor<3xf32>) {eps = -1.0 : f32} : tensor<?x3x8x8xf32>
  return
}

// -----

func.func @transpose_c1(%k: tensor<8x3x2xf32>) {
  // expected-error @+1 {{permutation must name each of the 3 axes of 'tensor<8x3x2xf32>' once}}
  %0 = vit.transpose %k {permutation = array<i64: 0, 2, 2>} : tensor<8x3x2xf32> -> tensor<8x2x3xf32>
  return
}

// -----

func.func @transpose_c2(%k: tensor<8x3x2xf32>) {
  // expected-error @+1 {{result is [8, 3, 2], expected [8, 2, 3]}}
  %0 = vit.transpose %k {permutation = array<i64: 0, 2, 1>} : tensor<8x3x2xf32> -> tensor<8x3x2xf32>
  return
}

// -----

func.func @inverse_deviation_c1(%v: tensor<8xf32>) {
  // expected-error @+1 {{eps is -1.000000e+00, expected a finite number that is not negative}}
  %0 = vit.inverse_deviation %v {eps = -1.0 : f32} : tensor<8xf32>
  return
}
