// RUN: vit-opt %s --split-input-file --verify-diagnostics

// Labels (C1), (C2)... are those of the operations' descriptions.

func.func @standardize_c1(%w: tensor<8x3x7x7xf32>) {
  // expected-error @+1 {{eps is -1.000000e+00, expected a finite number that is not negative}}
  %0 = vit.standardize %w {eps = -1.0 : f32} : tensor<8x3x7x7xf32>
  return
}

// -----

func.func @conv_c1(%x: tensor<?x3x8x8xf32>, %w: tensor<8x1x3x3xf32>) {
  // expected-error @+1 {{kernel is [8, 1, 3, 3], expected [O, C = 3, P, Q]}}
  %0 = vit.conv %x, %w {stride = array<i64: 1, 1>, padding = array<i64: 0, 0, 0, 0>} : tensor<?x3x8x8xf32>, tensor<8x1x3x3xf32> -> tensor<?x8x6x6xf32>
  return
}

// -----

func.func @conv_c2_stride(%x: tensor<?x3x8x8xf32>, %w: tensor<8x3x3x3xf32>) {
  // expected-error @+1 {{stride is [0, 1], expected 2 numbers of at least 1}}
  %0 = vit.conv %x, %w {stride = array<i64: 0, 1>, padding = array<i64: 0, 0, 0, 0>} : tensor<?x3x8x8xf32>, tensor<8x3x3x3xf32> -> tensor<?x8x6x6xf32>
  return
}

// -----

func.func @conv_c2_padding(%x: tensor<?x3x8x8xf32>, %w: tensor<8x3x3x3xf32>) {
  // expected-error @+1 {{padding is [1, 1], expected 4 numbers of at least 0}}
  %0 = vit.conv %x, %w {stride = array<i64: 1, 1>, padding = array<i64: 1, 1>} : tensor<?x3x8x8xf32>, tensor<8x3x3x3xf32> -> tensor<?x8x6x6xf32>
  return
}

// -----

func.func @conv_c3(%x: tensor<?x3x8x8xf32>, %w: tensor<8x3x11x3xf32>) {
  // expected-error @+1 {{a padded image of 10x8 pixels holds no window of 11x3}}
  %0 = vit.conv %x, %w {stride = array<i64: 1, 1>, padding = array<i64: 1, 1, 0, 0>} : tensor<?x3x8x8xf32>, tensor<8x3x11x3xf32> -> tensor<?x8x1x6xf32>
  return
}

// -----

func.func @conv_c4(%x: tensor<?x3x8x8xf32>, %w: tensor<8x3x3x3xf32>, %b: tensor<3xf32>) {
  // expected-error @+1 {{bias is [3], expected [O = 8]}}
  %0 = vit.conv %x, %w bias(%b : tensor<3xf32>) {stride = array<i64: 1, 1>, padding = array<i64: 0, 0, 0, 0>} : tensor<?x3x8x8xf32>, tensor<8x3x3x3xf32> -> tensor<?x8x6x6xf32>
  return
}

// -----

func.func @conv_c5(%x: tensor<?x3x8x8xf32>, %w: tensor<8x3x3x3xf32>) {
  // expected-error @+1 {{result is [?, 8, 8, 8], expected [B = ?, channels = 8, H' = 4, W' = 6]}}
  %0 = vit.conv %x, %w {stride = array<i64: 2, 1>, padding = array<i64: 0, 1, 0, 0>} : tensor<?x3x8x8xf32>, tensor<8x3x3x3xf32> -> tensor<?x8x8x8xf32>
  return
}

// -----

func.func @group_norm_c1(%x: tensor<?x6x8x8xf32>) {
  // expected-error @+1 {{6 channels cannot be split into 4 groups}}
  %0 = vit.group_norm %x {groups = 4 : i64, eps = 1.0e-6 : f32} : tensor<?x6x8x8xf32>
  return
}

// -----

func.func @group_norm_c2(%x: tensor<?x6x8x8xf32>, %g: tensor<8xf32>) {
  // expected-error @+1 {{gain is [8], expected [C = 6]}}
  %0 = vit.group_norm %x gain(%g : tensor<8xf32>) {groups = 3 : i64, eps = 1.0e-6 : f32} : tensor<?x6x8x8xf32>
  return
}

// -----

func.func @group_norm_c3(%x: tensor<?x6x8x8xf32>) {
  // expected-error @+1 {{eps is -1.000000e+00, expected a finite number that is not negative}}
  %0 = vit.group_norm %x {groups = 3 : i64, eps = -1.0 : f32} : tensor<?x6x8x8xf32>
  return
}

// -----

func.func @max_pool_c1(%x: tensor<?x3x8x8xf32>) {
  // expected-error @+1 {{window is [0, 3], expected 2 numbers of at least 1}}
  %0 = vit.max_pool %x {window = array<i64: 0, 3>, stride = array<i64: 2, 2>, padding = array<i64: 0, 1, 0, 1>} : tensor<?x3x8x8xf32> -> tensor<?x3x4x4xf32>
  return
}

// -----

func.func @max_pool_c2(%x: tensor<?x3x8x8xf32>) {
  // expected-error @+1 {{padding of 3 pixels is not smaller than the window's 3}}
  %0 = vit.max_pool %x {window = array<i64: 3, 3>, stride = array<i64: 2, 2>, padding = array<i64: 0, 1, 0, 3>} : tensor<?x3x8x8xf32> -> tensor<?x3x4x5xf32>
  return
}

// -----

func.func @max_pool_c3(%x: tensor<?x3x8x8xf32>) {
  // expected-error @+1 {{result is [?, 3, 5, 4], expected [B = ?, channels = 3, H' = 4, W' = 4]}}
  %0 = vit.max_pool %x {window = array<i64: 3, 3>, stride = array<i64: 2, 2>, padding = array<i64: 0, 1, 0, 1>} : tensor<?x3x8x8xf32> -> tensor<?x3x5x4xf32>
  return
}

// -----

func.func @attention_pool_c1(%q: tensor<1x4xf32>, %kv: tensor<?x5x8xf32>) {
  // expected-error @+1 {{the queries' width 4 cannot be split into 3 heads}}
  %0 = vit.attention_pool %q, %kv {heads = 3 : i64, scale = 0.5 : f32} : tensor<1x4xf32>, tensor<?x5x8xf32> -> tensor<?x1x4xf32>
  return
}

// -----

func.func @attention_pool_c2(%q: tensor<1x4xf32>, %kv: tensor<?x5x12xf32>) {
  // expected-error @+1 {{kv is [?, 5, 12], expected [B, T, 2 h d = 8]}}
  %0 = vit.attention_pool %q, %kv {heads = 2 : i64, scale = 0.5 : f32} : tensor<1x4xf32>, tensor<?x5x12xf32> -> tensor<?x1x4xf32>
  return
}

// -----

func.func @attention_pool_c3(%q: tensor<1x4xf32>, %kv: tensor<?x5x8xf32>) {
  // expected-error @+1 {{result is [?, 5, 4], expected [B = ?, L = 1, h d = 4]}}
  %0 = vit.attention_pool %q, %kv {heads = 2 : i64, scale = 0.5 : f32} : tensor<1x4xf32>, tensor<?x5x8xf32> -> tensor<?x5x4xf32>
  return
}
