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

// -----

func.func @gemm_numbers(%x: tensor<?x5x8xbf16>, %w: tensor<6x8xf32>) -> tensor<?x5x6xf32> {
  // expected-error @+1 {{an input of 'bf16' cannot meet a weight of 'f32'; expected the same type, or a bf16 weight with an f32 input}}
  %0 = kernel.gemm %x, %w : tensor<?x5x8xbf16>, tensor<6x8xf32> -> tensor<?x5x6xf32>
  return %0 : tensor<?x5x6xf32>
}

// -----

func.func @gemm_words(%x: tensor<?x5x7xf32>, %w: tensor<6x7xbf16>) -> tensor<?x5x6xf32> {
  // expected-error @+1 {{7 elements of 'tensor<?x5x7xf32>' lie together, which are not whole words of 32 bits of 'bf16'}}
  %0 = kernel.gemm %x, %w : tensor<?x5x7xf32>, tensor<6x7xbf16> -> tensor<?x5x6xf32>
  return %0 : tensor<?x5x6xf32>
}

// -----

func.func @gemm_bytes_without_scales(%x: tensor<?x5x8xi8>, %w: tensor<6x8xi8>) -> tensor<?x5x6xf32> {
  // expected-error @+1 {{has column_scales, and row_scales or an input_grid, if and only if its input is i8}}
  %0 = kernel.gemm %x, %w : tensor<?x5x8xi8>, tensor<6x8xi8> -> tensor<?x5x6xf32>
  return %0 : tensor<?x5x6xf32>
}

// -----

func.func @gemm_scaled_twice(%x: tensor<?x5x8xi8>, %w: tensor<6x8xi8>, %s: tensor<?x5x2xf32>, %t: tensor<2x6xf32>) -> tensor<?x5x6xf32> {
  // expected-error @+1 {{has 'input_grid' if and only if 'tensor<?x5x8xi8>' is i8 without scales of each row}}
  %0 = kernel.gemm %x, %w row_scales(%s : tensor<?x5x2xf32>) column_scales(%t : tensor<2x6xf32>) {input_grid = array<f32: 0.5, 3.0>}
    : tensor<?x5x8xi8>, tensor<6x8xi8> -> tensor<?x5x6xf32>
  return %0 : tensor<?x5x6xf32>
}

// -----

func.func @gemm_grid(%x: tensor<?x5x8xf32>, %w: tensor<6x8xf32>) -> tensor<?x5x6xi8> {
  // expected-error @+1 {{'result_grid' must be a positive scale and a zero point from 0 to 255}}
  %0 = kernel.gemm %x, %w {result_grid = array<f32: 0.5, 256.0>} : tensor<?x5x8xf32>, tensor<6x8xf32> -> tensor<?x5x6xi8>
  return %0 : tensor<?x5x6xi8>
}

// -----

func.func @attention_gives_bytes(%x: tensor<?x5x24xf32>) -> tensor<?x5x8xi8> {
  // expected-error @+1 {{has 'result_grid' if and only if 'tensor<?x5x8xi8>' is i8 without scales of each row}}
  %0 = kernel.attention %x {heads = 2 : i64, scale = 1.0 : f32} : tensor<?x5x24xf32> -> tensor<?x5x8xi8>
  return %0 : tensor<?x5x8xi8>
}

// -----

func.func @gemm_row_scales(%x: tensor<?x5x8xi8>, %w: tensor<6x8xi8>, %s: tensor<?x2xf32>, %t: tensor<2x6xf32>) -> tensor<?x5x6xf32> {
  // expected-error @+1 {{row_scales 'tensor<?x2xf32>' must hold two numbers for each row of 'tensor<?x5x8xi8>'}}
  %0 = kernel.gemm %x, %w row_scales(%s : tensor<?x2xf32>) column_scales(%t : tensor<2x6xf32>) : tensor<?x5x8xi8>, tensor<6x8xi8> -> tensor<?x5x6xf32>
  return %0 : tensor<?x5x6xf32>
}

// -----

func.func @gemm_column_scales(%x: tensor<?x5x8xi8>, %w: tensor<6x8xi8>, %s: tensor<?x5x2xf32>, %t: tensor<6x2xf32>) -> tensor<?x5x6xf32> {
  // expected-error @+1 {{column_scales 'tensor<6x2xf32>' must be [2, 6]}}
  %0 = kernel.gemm %x, %w row_scales(%s : tensor<?x5x2xf32>) column_scales(%t : tensor<6x2xf32>) : tensor<?x5x8xi8>, tensor<6x8xi8> -> tensor<?x5x6xf32>
  return %0 : tensor<?x5x6xf32>
}

// -----

func.func @gemm_scales_of_bf16(%x: tensor<?x5x8xi8>, %w: tensor<6x8xi8>, %s: tensor<?x5x2xbf16>, %t: tensor<2x6xf32>) -> tensor<?x5x6xf32> {
  // expected-error @+1 {{'row_scales' must be f32, but is 'tensor<?x5x2xbf16>'}}
  %0 = kernel.gemm %x, %w row_scales(%s : tensor<?x5x2xbf16>) column_scales(%t : tensor<2x6xf32>) : tensor<?x5x8xi8>, tensor<6x8xi8> -> tensor<?x5x6xf32>
  return %0 : tensor<?x5x6xf32>
}

// -----

func.func @gemm_windows_of_bytes(%x: tensor<?x81x4xi8>, %w: tensor<6x36xi8>, %s: tensor<?x81x2xf32>, %t: tensor<2x6xf32>) -> tensor<?x49x6xf32> {
  // expected-error @+1 {{reads windows of floating-point numbers, not of rows that have scales of their own}}
  %0 = kernel.gemm %x, %w row_scales(%s : tensor<?x81x2xf32>) column_scales(%t : tensor<2x6xf32>)
    {window = #kernel.window<height = 9, width = 9, rows = 3, columns = 3, stride_y = 1, stride_x = 1>}
    : tensor<?x81x4xi8>, tensor<6x36xi8> -> tensor<?x49x6xf32>
  return %0 : tensor<?x49x6xf32>
}

// -----

func.func @gemm_gives_bytes(%x: tensor<?x5x8xf32>, %w: tensor<6x8xf32>) -> tensor<?x5x6xi8> {
  // expected-error @+1 {{has 'result_grid' if and only if 'tensor<?x5x6xi8>' is i8 without scales of each row}}
  %0 = kernel.gemm %x, %w : tensor<?x5x8xf32>, tensor<6x8xf32> -> tensor<?x5x6xi8>
  return %0 : tensor<?x5x6xi8>
}

// -----

func.func @patches_of_bytes(%x: tensor<?x1x8x8xi8>, %w: tensor<8x16xi8>) -> tensor<?x4x8xf32> {
  // expected-error @+1 {{reads images of floating-point numbers, not 'tensor<?x1x8x8xi8>'}}
  %0 = kernel.patch_embed %x, %w {patch = array<i64: 4, 4>} : tensor<?x1x8x8xi8>, tensor<8x16xi8> -> tensor<?x4x8xf32>
  return %0 : tensor<?x4x8xf32>
}

// -----

func.func @patches_in_words(%x: tensor<?x1x8x9xbf16>, %w: tensor<8x16xbf16>) -> tensor<?x4x8xf32> {
  // expected-error @+1 {{1 elements of 'tensor<?x1x8x9xbf16>' lie together, which are not whole words of 32 bits}}
  %0 = kernel.patch_embed %x, %w {patch = array<i64: 4, 4>} : tensor<?x1x8x9xbf16>, tensor<8x16xbf16> -> tensor<?x4x8xf32>
  return %0 : tensor<?x4x8xf32>
}

// -----

func.func @patches_to_bf16(%x: tensor<?x1x8x8xf32>, %w: tensor<8x16xf32>) -> tensor<?x4x8xbf16> {
  // expected-error @+1 {{'value' must be f32, but is 'tensor<?x4x8xbf16>'}}
  %0 = kernel.patch_embed %x, %w {patch = array<i64: 4, 4>} : tensor<?x1x8x8xf32>, tensor<8x16xf32> -> tensor<?x4x8xbf16>
  return %0 : tensor<?x4x8xbf16>
}

// -----

func.func @attention_of_bytes(%x: tensor<?x5x24xi8>) -> tensor<?x5x8xf32> {
  // expected-error @+1 {{takes floating-point numbers, not 'tensor<?x5x24xi8>'}}
  %0 = kernel.attention %x {heads = 2 : i64, scale = 1.0 : f32} : tensor<?x5x24xi8> -> tensor<?x5x8xf32>
  return %0 : tensor<?x5x8xf32>
}

// -----

func.func @attention_odd_heads(%x: tensor<?x5x18xbf16>) -> tensor<?x5x6xf32> {
  // expected-error @+1 {{of bf16 needs heads of even width, a positive scale and no tables, but has heads of 3, a scale of 1}}
  %0 = kernel.attention %x {heads = 2 : i64, scale = 1.0 : f32} : tensor<?x5x18xbf16> -> tensor<?x5x6xf32>
  return %0 : tensor<?x5x6xf32>
}

// -----

func.func @attention_negative_scale(%x: tensor<?x5x24xbf16>) -> tensor<?x5x8xf32> {
  // expected-error @+1 {{but has heads of 4, a scale of -1}}
  %0 = kernel.attention %x {heads = 2 : i64, scale = -1.0 : f32} : tensor<?x5x24xbf16> -> tensor<?x5x8xf32>
  return %0 : tensor<?x5x8xf32>
}

// -----

func.func @attention_bf16_tables(%x: tensor<?x4x24xbf16>, %t: tensor<4x3xf32>) -> tensor<?x4x8xf32> {
  // expected-error @+1 {{but has heads of 4, a scale of 1.000000e+00 and tables}}
  %0 = kernel.attention %x decomposed(%t : tensor<4x3xf32>, %t : tensor<4x3xf32>) {heads = 2 : i64, scale = 1.0 : f32}
    : tensor<?x4x24xbf16> -> tensor<?x4x8xf32>
  return %0 : tensor<?x4x8xf32>
}

// -----

func.func @attention_query_numbers(%x: tensor<?x5x16xbf16>, %q: tensor<?x5x8xf32>) -> tensor<?x5x8xf32> {
  // expected-error @+1 {{query 'tensor<?x5x8xf32>' must have the shape of the result}}
  %0 = kernel.attention %x query(%q : tensor<?x5x8xf32>) {heads = 2 : i64, scale = 1.0 : f32} : tensor<?x5x16xbf16> -> tensor<?x5x8xf32>
  return %0 : tensor<?x5x8xf32>
}

// -----

func.func @normalize_bytes(%x: tensor<?x5x8xf32>) -> tensor<?x5x8xi8> {
  // expected-error @+1 {{has scales if and only if its result is i8, but that is 'tensor<?x5x8xi8>'}}
  %0 = kernel.normalize %x {eps = 1.0e-6 : f32} : tensor<?x5x8xf32> -> tensor<?x5x8xi8>
  return %0 : tensor<?x5x8xi8>
}

// -----

func.func @normalize_input(%x: tensor<?x5x8xbf16>) -> tensor<?x5x8xf32> {
  // expected-error @+1 {{input 'tensor<?x5x8xbf16>' must be f32}}
  %0 = kernel.normalize %x {eps = 1.0e-6 : f32} : tensor<?x5x8xbf16> -> tensor<?x5x8xf32>
  return %0 : tensor<?x5x8xf32>
}

// -----

func.func @convert_to_f32(%x: tensor<?x5x8xf32>) -> tensor<?x5x8xf32> {
  // expected-error @+1 {{rounds f32 to bf16, f16 or tf32 of the same shape, not 'tensor<?x5x8xf32>' to 'tensor<?x5x8xf32>'}}
  %0 = kernel.convert %x : tensor<?x5x8xf32> -> tensor<?x5x8xf32>
  return %0 : tensor<?x5x8xf32>
}

// -----

func.func @quantize_bytes(%x: tensor<?x5x8xi8>) -> tensor<?x5x8xi8> {
  // expected-error @+1 {{quantizes f32 or bf16 to i8 of the same shape}}
  %0, %1 = kernel.quantize %x : tensor<?x5x8xi8> -> tensor<?x5x8xi8>, tensor<?x5x2xf32>
  return %0 : tensor<?x5x8xi8>
}

// -----

func.func @quantize_scales(%x: tensor<?x5x8xf32>) -> tensor<?x5x8xi8> {
  // expected-error @+1 {{scales 'tensor<?x5x1xf32>' must hold two f32 for each row of 'tensor<?x5x8xi8>'}}
  %0, %1 = kernel.quantize %x : tensor<?x5x8xf32> -> tensor<?x5x8xi8>, tensor<?x5x1xf32>
  return %0 : tensor<?x5x8xi8>
}

// -----

func.func @pool_of_bf16(%x: tensor<?x64x4xbf16>) -> tensor<?x16x4xbf16> {
  // expected-error @+1 {{must be a feature map of 8x8 pixels and 4 channels of f32}}
  %0 = kernel.pool_rows %x {kind = #vit.window_pool<max>, grid = array<i64: 8, 8>, window = array<i64: 2, 2>, stride = array<i64: 2, 2>,
                            padding = array<i64: 0, 0, 0, 0>} : tensor<?x64x4xbf16> -> tensor<?x16x4xbf16>
  return %0 : tensor<?x16x4xbf16>
}

// -----

func.func @convert_weight(%w: tensor<6x8xf32>) -> tensor<8x6xbf16> {
  // expected-error @+1 {{rounds a static f32 tensor to bf16, f16 or tf32 of the same shape}}
  %0 = kernel.convert_weight %w : tensor<6x8xf32> -> tensor<8x6xbf16>
  return %0 : tensor<8x6xbf16>
}

// -----

func.func @quantize_weight(%w: tensor<6x8xf32>) -> tensor<6x8xi8> {
  // expected-error @+1 {{quantizes a static f32 tensor [N, K] to i8 [N, K] and f32 scales [2, N]}}
  %0, %1 = kernel.quantize_weight %w : tensor<6x8xf32> -> tensor<6x8xi8>, tensor<6x2xf32>
  return %0 : tensor<6x8xi8>
}

// -----

func.func @pack_words(%w: tensor<6x8xbf16>) -> tensor<1x1x8x64xbf16> {
  // expected-error @+1 {{packs a static [outputs, inputs] tensor into [k-blocks, panels, k_block, columns] words of 32 bits}}
  %0 = kernel.pack %w : tensor<6x8xbf16> -> tensor<1x1x8x64xbf16>
  return %0 : tensor<1x1x8x64xbf16>
}
