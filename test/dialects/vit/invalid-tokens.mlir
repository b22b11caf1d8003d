// RUN: vit-opt %s --split-input-file --verify-diagnostics

// Labels (C1), (C2)... are those of the operations' descriptions.

func.func @concat_tokens_c1(%x: tensor<?x5x4xf32>, %y: tensor<?x5x3xf32>) {
  // expected-error @+1 {{input is [?, 5, 3], expected [B = ?, n, D = 4]}}
  %0 = vit.concat_tokens %x, %y : (tensor<?x5x4xf32>, tensor<?x5x3xf32>) -> tensor<?x10x4xf32>
  return
}

// -----

func.func @concat_tokens_c2(%x: tensor<?x5x4xf32>) {
  // expected-error @+1 {{result is [?, 9, 4], expected [B, sum of n = 10, D]}}
  %0 = vit.concat_tokens %x, %x : (tensor<?x5x4xf32>, tensor<?x5x4xf32>) -> tensor<?x9x4xf32>
  return
}

// -----

func.func @to_windows_c1(%x: tensor<?x6x4xf32>) {
  // expected-error @+1 {{size is 0, expected at least 1}}
  %0 = vit.to_windows %x {grid = array<i64: 2, 3>, size = 0 : i64} : tensor<?x6x4xf32> -> tensor<?x8x4xf32>
  return
}

// -----

func.func @to_windows_c2(%x: tensor<?x6x4xf32>) {
  // expected-error @+1 {{windows is [?, 6, 4], expected [B = ?, M N S S = 8, D = 4]}}
  %0 = vit.to_windows %x {grid = array<i64: 2, 3>, size = 2 : i64} : tensor<?x6x4xf32> -> tensor<?x6x4xf32>
  return
}

// -----

func.func @to_windows_c3(%x: tensor<?x6x4xf32>, %b: tensor<3xf32>) {
  // expected-error @+1 {{fill is [3], expected [D = 4]}}
  %0 = vit.to_windows %x fill(%b : tensor<3xf32>) {grid = array<i64: 2, 3>, size = 2 : i64} : tensor<?x6x4xf32> -> tensor<?x8x4xf32>
  return
}

// -----

func.func @from_windows_c1(%x: tensor<?x8x4xf32>) {
  // expected-error @+1 {{size is -1, expected at least 1}}
  %0 = vit.from_windows %x {grid = array<i64: 2, 3>, size = -1 : i64} : tensor<?x8x4xf32> -> tensor<?x6x4xf32>
  return
}

// -----

func.func @from_windows_c2(%x: tensor<?x8x4xf32>) {
  // expected-error @+1 {{tokens is [?, 8, 4], expected [B, H W = 6, D]}}
  %0 = vit.from_windows %x {grid = array<i64: 2, 3>, size = 2 : i64} : tensor<?x8x4xf32> -> tensor<?x8x4xf32>
  return
}

// -----

func.func @talking_heads_c1(%x: tensor<?x5x12xf32>, %w: tensor<3x3xf32>, %b: tensor<3xf32>) {
  // expected-error @+1 {{qkv's width 12 cannot be split into query, key and value of 3 heads}}
  %0 = vit.talking_heads %x before(%w : tensor<3x3xf32>, %b : tensor<3xf32>) after(%w : tensor<3x3xf32>, %b : tensor<3xf32>)
         {heads = 3 : i64, scale = 1.0 : f32} : tensor<?x5x12xf32> -> tensor<?x5x4xf32>
  return
}

// -----

func.func @talking_heads_c2(%x: tensor<?x5x12xf32>, %w: tensor<2x2xf32>, %b: tensor<3xf32>) {
  // expected-error @+1 {{before_bias is [3], expected [h = 2]}}
  %0 = vit.talking_heads %x before(%w : tensor<2x2xf32>, %b : tensor<3xf32>) after(%w : tensor<2x2xf32>, %b : tensor<3xf32>)
         {heads = 2 : i64, scale = 1.0 : f32} : tensor<?x5x12xf32> -> tensor<?x5x4xf32>
  return
}

// -----

func.func @talking_heads_c3(%x: tensor<?x5x12xf32>, %w: tensor<2x2xf32>, %b: tensor<2xf32>) {
  // expected-error @+1 {{result is [?, 5, 12], expected [B = ?, T = 5, h d = 4]}}
  %0 = vit.talking_heads %x before(%w : tensor<2x2xf32>, %b : tensor<2xf32>) after(%w : tensor<2x2xf32>, %b : tensor<2xf32>)
         {heads = 2 : i64, scale = 1.0 : f32} : tensor<?x5x12xf32> -> tensor<?x5x12xf32>
  return
}

// -----

func.func @sdpa_c4(%x: tensor<?x5x12xf32>) {
  // expected-error @+1 {{5 rows cannot be split into 2 windows}}
  %0 = vit.sdpa %x {heads = 2 : i64, scale = 1.0 : f32, windows = 2 : i64} : tensor<?x5x12xf32> -> tensor<?x5x4xf32>
  return
}

// -----

func.func @sdpa_c5(%x: tensor<?x6x12xf32>, %r: tensor<2x3xf32>, %c: tensor<2x3xf32>) {
  // expected-error @+1 {{row_table and column_table have 3 and 3 columns, expected 2H - 1 and 2W - 1 with H W = 6 tokens}}
  %0 = vit.sdpa %x decomposed(%r : tensor<2x3xf32>, %c : tensor<2x3xf32>) {heads = 2 : i64, scale = 1.0 : f32}
         : tensor<?x6x12xf32> -> tensor<?x6x4xf32>
  return
}

// -----

func.func @sdpa_c1_query(%x: tensor<?x6x10xf32>, %q: tensor<?x1x4xf32>) {
  // expected-error @+1 {{qkv's width 10 is not a multiple of 2 * 2 (key and value of 2 heads)}}
  %0 = vit.sdpa %x query(%q : tensor<?x1x4xf32>) {heads = 2 : i64, scale = 1.0 : f32} : tensor<?x6x10xf32> -> tensor<?x1x4xf32>
  return
}

// -----

func.func @sdpa_c3_query(%x: tensor<?x6x8xf32>, %q: tensor<?x2x4xf32>) {
  // expected-error @+1 {{query is [?, 2, 4], expected [B = ?, Q = 1, h d = 4]}}
  %0 = vit.sdpa %x query(%q : tensor<?x2x4xf32>) {heads = 2 : i64, scale = 1.0 : f32} : tensor<?x6x8xf32> -> tensor<?x1x4xf32>
  return
}

// -----

func.func @sdpa_c6_rows(%x: tensor<?x6x12xf32>) {
  // expected-error @+1 {{result is [?, 2, 4], expected [B = ?, n T = 6, h d = 4]}}
  %0 = vit.sdpa %x {heads = 2 : i64, scale = 1.0 : f32, windows = 2 : i64} : tensor<?x6x12xf32> -> tensor<?x2x4xf32>
  return
}

// -----

func.func @sdpa_c6_query(%x: tensor<?x6x8xf32>, %q: tensor<?x6x4xf32>) {
  // expected-error @+1 {{has a query of its own, but windows and tables need those of all tokens}}
  %0 = vit.sdpa %x query(%q : tensor<?x6x4xf32>) {heads = 2 : i64, scale = 1.0 : f32, windows = 2 : i64} : tensor<?x6x8xf32> -> tensor<?x6x4xf32>
  return
}

// -----

func.func @sdpa_c7(%x: tensor<?x6x12xf32>) {
  // expected-error @+1 {{2 queries from query 5 on do not lie within 'tensor<?x6x12xf32>'}}
  %0 = vit.sdpa %x {heads = 2 : i64, scale = 1.0 : f32, first_query = 5 : i64} : tensor<?x6x12xf32> -> tensor<?x2x4xf32>
  return
}

// -----

func.func @attention_pool_c1_of_tokens(%q: tensor<3x1x4xf32>, %kv: tensor<?x5x8xf32>) {
  // expected-error @+1 {{query is [3, 1, 4], expected [B = ?, L, h d]}}
  %0 = vit.attention_pool %q, %kv {heads = 2 : i64, scale = 0.5 : f32} : tensor<3x1x4xf32>, tensor<?x5x8xf32> -> tensor<?x1x4xf32>
  return
}
