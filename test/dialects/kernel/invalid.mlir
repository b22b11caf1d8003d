// RUN: vit-opt %s --split-input-file --verify-diagnostics

func.func @gemm_axes(%x: tensor<?x5x8xf32>, %w: tensor<6x8xf32>) -> tensor<?x4x6xf32> {
  // expected-error @+1 {{must agree in all axes but the last}}
  %0 = kernel.gemm %x, %w : tensor<?x5x8xf32>, tensor<6x8xf32> -> tensor<?x4x6xf32>
  return %0 : tensor<?x4x6xf32>
}

// -----

func.func @gemm_weight(%x: tensor<?x5x8xf32>, %w: tensor<8x6xf32>) -> tensor<?x5x6xf32> {
  // expected-error @+1 {{weight must be 6x8, [outputs, inputs] without a schedule, but is 'tensor<8x6xf32>'}}
  %0 = kernel.gemm %x, %w : tensor<?x5x8xf32>, tensor<8x6xf32> -> tensor<?x5x6xf32>
  return %0 : tensor<?x5x6xf32>
}

// -----

func.func @gemm_not_packed(%x: tensor<?x5x8xf32>, %w: tensor<6x8xf32>) -> tensor<?x5x6xf32> {
  // expected-error @+1 {{weight must be 1x1x8x64, packed for its schedule, but is 'tensor<6x8xf32>'}}
  %0 = kernel.gemm %x, %w {schedule = #kernel.gemm_schedule<rows = 6, columns = 64, k_block = 8, row_block = 198, prefetch = 8, vector = 16>}
    : tensor<?x5x8xf32>, tensor<6x8xf32> -> tensor<?x5x6xf32>
  return %0 : tensor<?x5x6xf32>
}

// -----

func.func @gemm_bias(%x: tensor<?x5x8xf32>, %w: tensor<6x8xf32>, %b: tensor<8xf32>) -> tensor<?x5x6xf32> {
  // expected-error @+1 {{'bias' must be tensor<6xf32>, one element a column, but is 'tensor<8xf32>'}}
  %0 = kernel.gemm %x, %w bias(%b : tensor<8xf32>) : tensor<?x5x8xf32>, tensor<6x8xf32> -> tensor<?x5x6xf32>
  return %0 : tensor<?x5x6xf32>
}

// -----

// expected-error @+1 {{a gemm schedule's columns (60) must be a multiple of its vector (16)}}
func.func private @schedule() attributes {s = #kernel.gemm_schedule<rows = 6, columns = 60, k_block = 8, row_block = 198, prefetch = 8, vector = 16>}

// -----

// expected-error @+1 {{a gemm schedule's row_block (200) must be a multiple of its rows (6)}}
func.func private @schedule() attributes {s = #kernel.gemm_schedule<rows = 6, columns = 64, k_block = 8, row_block = 200, prefetch = 8, vector = 16>}

// -----

func.func @patches(%x: tensor<?x1x9x8xf32>, %w: tensor<8x16xf32>) -> tensor<?x5x8xf32> {
  // expected-error @+1 {{0 prefix tokens and 4 patches do not make}}
  %0 = kernel.patch_embed %x, %w {patch = array<i64: 4, 4>} : tensor<?x1x9x8xf32>, tensor<8x16xf32> -> tensor<?x5x8xf32>
  return %0 : tensor<?x5x8xf32>
}

// -----

func.func @heads(%x: tensor<?x5x24xf32>) -> tensor<?x5x8xf32> {
  // expected-error @+1 {{must be 3 * heads * head width with 3 heads}}
  %0 = kernel.attention %x {heads = 3 : i64, scale = 1.0 : f32} : tensor<?x5x24xf32> -> tensor<?x5x8xf32>
  return %0 : tensor<?x5x8xf32>
}

// -----

func.func @windows(%x: tensor<?x5x24xf32>) -> tensor<?x5x8xf32> {
  // expected-error @+1 {{5 rows cannot be split into 2 windows}}
  %0 = kernel.attention %x {heads = 2 : i64, scale = 1.0 : f32, windows = 2 : i64} : tensor<?x5x24xf32> -> tensor<?x5x8xf32>
  return %0 : tensor<?x5x8xf32>
}

// -----

func.func @queries(%x: tensor<?x5x24xf32>) -> tensor<?x2x8xf32> {
  // expected-error @+1 {{2 queries from query 4 on do not lie within}}
  %0 = kernel.attention %x {heads = 2 : i64, scale = 1.0 : f32, first_query = 4 : i64} : tensor<?x5x24xf32> -> tensor<?x2x8xf32>
  return %0 : tensor<?x2x8xf32>
}

// -----

func.func @query(%x: tensor<?x5x16xf32>, %q: tensor<?x2x8xf32>) -> tensor<?x1x8xf32> {
  // expected-error @+1 {{must have the shape of the result}}
  %0 = kernel.attention %x query(%q : tensor<?x2x8xf32>) {heads = 2 : i64, scale = 1.0 : f32} : tensor<?x5x16xf32> -> tensor<?x1x8xf32>
  return %0 : tensor<?x1x8xf32>
}

// -----

func.func @queries_of_windows(%x: tensor<?x6x24xf32>) -> tensor<?x2x8xf32> {
  // expected-error @+1 {{must have all rows of}}
  %0 = kernel.attention %x {heads = 2 : i64, scale = 1.0 : f32, windows = 2 : i64} : tensor<?x6x24xf32> -> tensor<?x2x8xf32>
  return %0 : tensor<?x2x8xf32>
}

// -----

func.func @distances(%x: tensor<?x6x24xf32>, %r: tensor<4x3xf32>, %c: tensor<4x3xf32>) -> tensor<?x6x8xf32> {
  // expected-error @+1 {{must be [4, 2H - 1] and [4, 2W - 1] with H W = 6}}
  %0 = kernel.attention %x decomposed(%r : tensor<4x3xf32>, %c : tensor<4x3xf32>) {heads = 2 : i64, scale = 1.0 : f32} : tensor<?x6x24xf32> -> tensor<?x6x8xf32>
  return %0 : tensor<?x6x8xf32>
}

// -----

func.func @pack(%w: tensor<10x8xf32>) -> tensor<1x2x8x64xf32> {
  // expected-error @+1 {{the number of blocks of 'tensor<1x2x8x64xf32>' does not fit 'tensor<10x8xf32>'}}
  %0 = kernel.pack %w : tensor<10x8xf32> -> tensor<1x2x8x64xf32>
  return %0 : tensor<1x2x8x64xf32>
}

// -----

func.func @one_image(%x: tensor<?x5x8xf32>) -> tensor<?x5x8xf32> {
  // expected-error @+1 {{is not one image of operand}}
  %0 = kernel.reference %x : (tensor<?x5x8xf32>) -> tensor<?x5x8xf32> {
  ^bb0(%one: tensor<2x5x8xf32>):
    kernel.yield %one : tensor<2x5x8xf32>
  }
  return %0 : tensor<?x5x8xf32>
}

// -----

// expected-error @+1 {{has 1 sources but its region takes 2 arguments}}
kernel.binding @w [@a] {
^bb0(%a: tensor<8xf32>, %b: tensor<8xf32>):
  kernel.yield %a : tensor<8xf32>
}

// -----

// expected-error @+1 {{a window of 3x9 is larger than its grid of 7x8}}
func.func private @window() attributes {w = #kernel.window<height = 7, width = 8, rows = 3, columns = 9, stride_y = 1, stride_x = 1>}

// -----

func.func @gemm_window(%x: tensor<?x56x4xf32>, %w: tensor<6x36xf32>) -> tensor<?x56x6xf32> {
  // expected-error @+1 {{must have a row for each pixel and each window of}}
  %0 = kernel.gemm %x, %w {window = #kernel.window<height = 7, width = 8, rows = 3, columns = 3, stride_y = 1, stride_x = 1>}
    : tensor<?x56x4xf32>, tensor<6x36xf32> -> tensor<?x56x6xf32>
  return %0 : tensor<?x56x6xf32>
}

// -----

func.func @pad_rows(%x: tensor<?x56x4xf32>) -> tensor<?x72x4xf32> {
  // expected-error @+1 {{must be a feature map of 9x10 pixels and 4 channels}}
  %0 = kernel.pad_rows %x {grid = array<i64: 7, 8>, padding = array<i64: 1, 1, 1, 1>} : tensor<?x56x4xf32> -> tensor<?x72x4xf32>
  return %0 : tensor<?x72x4xf32>
}

// -----

func.func @pool_rows(%x: tensor<?x56x4xf32>) -> tensor<?x12x4xf32> {
  // expected-error @+1 {{needs a positive stride and a padding from 0 to less than the window's 3}}
  %0 = kernel.pool_rows %x {kind = #vit.window_pool<max>, grid = array<i64: 7, 8>, window = array<i64: 3, 3>, stride = array<i64: 2, 2>, padding = array<i64: 0, 0, 3, 0>}
    : tensor<?x56x4xf32> -> tensor<?x12x4xf32>
  return %0 : tensor<?x12x4xf32>
}

// -----

func.func @group_norm(%x: tensor<?x56x4xf32>) -> tensor<?x56x4xf32> {
  // expected-error @+1 {{cannot be split into 3 groups}}
  %0 = kernel.group_norm %x {groups = 3 : i64, eps = 1.0e-6 : f32} : tensor<?x56x4xf32> -> tensor<?x56x4xf32>
  return %0 : tensor<?x56x4xf32>
}
