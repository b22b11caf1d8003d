// RUN: vit-opt %s --split-input-file --verify-diagnostics

// Labels (C1), (C2)... are those of the operations' descriptions.

func.func @resample_c1(%x: tensor<3x4xf32>, %m: tensor<2x4xf32>) {
  // expected-error @+1 {{axis is 2, expected 0 to 1 for 'tensor<3x4xf32>'}}
  %0 = vit.resample %x by %m {axis = 2 : i64} : tensor<3x4xf32>, tensor<2x4xf32> -> tensor<3x2xf32>
  return
}

// -----

func.func @resample_c2(%x: tensor<3x4xf32>, %m: tensor<2x4xf32>) {
  // expected-error @+1 {{matrix is [2, 4], expected [O, I = 3]}}
  %0 = vit.resample %x by %m {axis = 0 : i64} : tensor<3x4xf32>, tensor<2x4xf32> -> tensor<2x4xf32>
  return
}

// -----

func.func @resample_c3(%x: tensor<3x4xf32>, %m: tensor<2x4xf32>) {
  // expected-error @+1 {{result is [3, 4], expected [3, 2]}}
  %0 = vit.resample %x by %m {axis = 1 : i64} : tensor<3x4xf32>, tensor<2x4xf32> -> tensor<3x4xf32>
  return
}

// -----

func.func @relative_bias_c1(%t: tensor<15x4xf32>) {
  // expected-error @+1 {{prefix is -1, expected at least 0}}
  %0 = vit.relative_bias %t {grid = array<i64: 2, 3>, prefix = -1 : i64} : tensor<15x4xf32> -> tensor<4x6x6xf32>
  return
}

// -----

func.func @relative_bias_c2(%t: tensor<14x4xf32>) {
  // expected-error @+1 {{table is [14, 4], expected [(2H-1)(2W-1) = 15, h]}}
  %0 = vit.relative_bias %t {grid = array<i64: 2, 3>, prefix = 0 : i64} : tensor<14x4xf32> -> tensor<4x6x6xf32>
  return
}

// -----

func.func @relative_bias_c3(%t: tensor<15x4xf32>) {
  // expected-error @+1 {{result is [4, 6, 6], expected [h = 4, T = 7, T = 7]}}
  %0 = vit.relative_bias %t {grid = array<i64: 2, 3>, prefix = 1 : i64} : tensor<15x4xf32> -> tensor<4x6x6xf32>
  return
}

// -----

func.func @rotary_table_c1(%f: tensor<3x3x4xf32>, %c: tensor<5x2xf32>) {
  // expected-error @+1 {{frequencies is [3, 3, 4], expected [2, h, d/2]}}
  %0 = vit.rotary_table %f at %c : tensor<3x3x4xf32>, tensor<5x2xf32> -> tensor<3x5x8xf32>
  return
}

// -----

func.func @rotary_table_c2(%f: tensor<2x3x4xf32>, %c: tensor<5x2xf32>) {
  // expected-error @+1 {{result is [3, 5, 4], expected [h = 3, N = 5, d = 8]}}
  %0 = vit.rotary_table %f at %c : tensor<2x3x4xf32>, tensor<5x2xf32> -> tensor<3x5x4xf32>
  return
}

// -----

func.func @differential_lambda_c1(%a: tensor<2x3xf32>) {
  // expected-error @+1 {{q1 is [2, 3], expected [d]}}
  %0 = vit.differential_lambda %a, %a, %a, %a {init = 0.2 : f32} : tensor<2x3xf32> -> tensor<6xf32>
  return
}

// -----

func.func @differential_lambda_c2(%a: tensor<3xf32>) {
  // expected-error @+1 {{result is [2, 3], expected [n]}}
  %0 = vit.differential_lambda %a, %a, %a, %a {init = 0.2 : f32} : tensor<3xf32> -> tensor<2x3xf32>
  return
}

// -----

func.func @normalize_c3(%x: tensor<?x2x6xf32>) {
  // expected-error @+1 {{groups is 4, expected a divisor of the width 6}}
  %0 = vit.normalize %x {eps = 1.0e-6 : f32, groups = 4 : i64} : tensor<?x2x6xf32>
  return
}

// -----

func.func @attention_pool_c4(%q: tensor<1x6xf32>, %kv: tensor<?x5x12xf32>) {
  // expected-error @+1 {{first is 5, expected 0 to 4 for 5 tokens}}
  %0 = vit.attention_pool %q, %kv {heads = 2 : i64, scale = 1.0 : f32, first = 5 : i64} : tensor<1x6xf32>, tensor<?x5x12xf32> -> tensor<?x1x6xf32>
  return
}

// -----

func.func @slice_tokens_c3(%x: tensor<?x5x4xf32>) {
  // expected-error @+1 {{takes tokens 3 to 5 of 5}}
  %0 = vit.slice_tokens %x {first = 3 : i64} : tensor<?x5x4xf32> -> tensor<?x3x4xf32>
  return
}

// -----

func.func @reshape_tokens_c1(%x: tensor<?x5x4xf32>) {
  // expected-error @+1 {{has not the elements of 'tensor<?x5x4xf32>'}}
  %0 = vit.reshape_tokens %x : tensor<?x5x4xf32> -> tensor<?x3x4xf32>
  return
}
