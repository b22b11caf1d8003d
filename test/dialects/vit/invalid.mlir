// RUN: vit-opt %s --split-input-file --verify-diagnostics

// Labels (C1), (C2)... are those of the operations' descriptions.

func.func @weight(%x: tensor<?x4xf32>) {
  // expected-error @+1 {{operand #0 must be a weight: an f32 tensor of static shape, rank 1 or more, but got 'tensor<?x4xf32>'}}
  %0 = vit.reshape %x : tensor<?x4xf32> -> tensor<8xf32>
  return
}

// -----

func.func @activation(%x: tensor<2x?x4xf32>) {
  // expected-error @+1 {{operand #0 must be an activation: an f32 tensor [B, .., D], of which only the batch may be dynamic, but got 'tensor<2x?x4xf32>'}}
  %0 = vit.activation %x {kind = #vit.activation<relu>} : tensor<2x?x4xf32>
  return
}

// -----

func.func @images(%x: tensor<?x3x8xf32>, %k: tensor<4x3x4x4xf32>) {
  // expected-error @+1 {{operand #0 must be images: an f32 tensor [B, C, H, W], of which only the batch may be dynamic, but got 'tensor<?x3x8xf32>'}}
  %0 = vit.patchify %x, %k : tensor<?x3x8xf32>, tensor<4x3x4x4xf32> -> tensor<?x4x4xf32>
  return
}

// -----

func.func @concat_c1() {
  // expected-error @+1 {{has no parts, expected at least 1}}
  %0 = "vit.concat"() : () -> tensor<2x4xf32>
  return
}

// -----

func.func @concat_c2(%x: tensor<2x4xf32>, %y: tensor<2x5xf32>) {
  // expected-error @+1 {{part 'tensor<2x5xf32>' and result 'tensor<4x4xf32>' differ in more than axis 0}}
  %0 = vit.concat %x, %y : (tensor<2x4xf32>, tensor<2x5xf32>) -> tensor<4x4xf32>
  return
}

// -----

func.func @concat_c3(%x: tensor<2x4xf32>) {
  // expected-error @+1 {{result has 5 rows, expected the parts' 4}}
  %0 = vit.concat %x, %x : (tensor<2x4xf32>, tensor<2x4xf32>) -> tensor<5x4xf32>
  return
}

// -----

func.func @reshape_c1(%x: tensor<2x4xf32>) {
  // expected-error @+1 {{result has 9 elements, expected the input's 8}}
  %0 = vit.reshape %x : tensor<2x4xf32> -> tensor<9xf32>
  return
}

// -----

func.func @scale_c1(%x: tensor<2x4xf32>, %f: tensor<4xf32>) {
  // expected-error @+1 {{axis is 2, expected 0 to 1 for 'tensor<2x4xf32>'}}
  %0 = vit.scale %x by %f {axis = 2 : i64} : tensor<2x4xf32>, tensor<4xf32>
  return
}

// -----

func.func @scale_c2(%x: tensor<2x4xf32>, %f: tensor<4xf32>) {
  // expected-error @+1 {{factor is [4], expected [2]}}
  %0 = vit.scale %x by %f {axis = 0 : i64} : tensor<2x4xf32>, tensor<4xf32>
  return
}

// -----

func.func @scale_rows_c1(%x: tensor<2x4xf32>) {
  // expected-error @+1 {{rows is 3, expected 0 to 2 for 'tensor<2x4xf32>'}}
  %0 = vit.scale_rows %x {rows = 3 : i64, factor = 0.5 : f32} : tensor<2x4xf32>
  return
}

// -----

func.func @add_c1(%x: tensor<2x4xf32>, %y: tensor<2xf32>) {
  // expected-error @+1 {{rhs is 'tensor<2xf32>', expected the type of lhs or a vector of 4 elements}}
  %0 = vit.add %x, %y : tensor<2x4xf32>, tensor<2xf32> -> tensor<2x4xf32>
  return
}

// -----

func.func @add_c2(%x: tensor<2x4xf32>) {
  // expected-error @+1 {{result is 'tensor<8xf32>', expected the type of lhs, 'tensor<2x4xf32>'}}
  %0 = vit.add %x, %x : tensor<2x4xf32>, tensor<2x4xf32> -> tensor<8xf32>
  return
}

// -----

func.func @matvec_c1(%x: tensor<2x4xf32>, %y: tensor<2xf32>) {
  // expected-error @+1 {{vector is [2], expected [K = 4]}}
  %0 = vit.matvec %x, %y : tensor<2x4xf32>, tensor<2xf32> -> tensor<2xf32>
  return
}

// -----

func.func @matvec_c2(%x: tensor<2x4xf32>, %y: tensor<4xf32>) {
  // expected-error @+1 {{result is [4], expected [N = 2]}}
  %0 = vit.matvec %x, %y : tensor<2x4xf32>, tensor<4xf32> -> tensor<4xf32>
  return
}

// -----

func.func @slice_rows_c1(%x: tensor<2x4xf32>) {
  // expected-error @+1 {{input 'tensor<2x4xf32>' and result 'tensor<1x5xf32>' differ in more than axis 0}}
  %0 = vit.slice_rows %x {first = 0 : i64} : tensor<2x4xf32> -> tensor<1x5xf32>
  return
}

// -----

func.func @slice_rows_c2(%x: tensor<2x4xf32>) {
  // expected-error @+1 {{2 rows from row 1 on do not lie within 'tensor<2x4xf32>'}}
  %0 = vit.slice_rows %x {first = 1 : i64} : tensor<2x4xf32> -> tensor<2x4xf32>
  return
}

// -----

func.func @patchify_c1(%x: tensor<?x3x8x8xf32>, %k: tensor<4x1x4x4xf32>) {
  // expected-error @+1 {{kernel is [4, 1, 4, 4], expected [D, C = 3, P, Q]}}
  %0 = vit.patchify %x, %k : tensor<?x3x8x8xf32>, tensor<4x1x4x4xf32> -> tensor<?x4x4xf32>
  return
}

// -----

func.func @patchify_c2(%x: tensor<?x3x8x8xf32>, %k: tensor<4x3x16x16xf32>) {
  // expected-error @+1 {{an image of 8x8 pixels holds no patch of 16x16}}
  %0 = vit.patchify %x, %k : tensor<?x3x8x8xf32>, tensor<4x3x16x16xf32> -> tensor<?x1x4xf32>
  return
}

// -----

func.func @patchify_c3(%x: tensor<?x3x8x8xf32>, %k: tensor<4x3x4x4xf32>, %b: tensor<3xf32>) {
  // expected-error @+1 {{bias is [3], expected [D = 4]}}
  %0 = vit.patchify %x, %k bias(%b : tensor<3xf32>) : tensor<?x3x8x8xf32>, tensor<4x3x4x4xf32> -> tensor<?x4x4xf32>
  return
}

// -----

func.func @patchify_c4(%x: tensor<?x3x9x8xf32>, %k: tensor<4x3x4x4xf32>) {
  // expected-error @+1 {{result is [?, 6, 4], expected [B = ?, N = 4, D = 4]}}
  %0 = vit.patchify %x, %k : tensor<?x3x9x8xf32>, tensor<4x3x4x4xf32> -> tensor<?x6x4xf32>
  return
}

// -----

func.func @embed_c1(%x: tensor<?x4xf32>) {
  // expected-error @+1 {{patches is [?, 4], expected [B, N, D]}}
  %0 = vit.embed %x : tensor<?x4xf32> -> tensor<?x4xf32>
  return
}

// -----

func.func @embed_c2(%x: tensor<?x9x4xf32>, %cls: tensor<1x5xf32>) {
  // expected-error @+1 {{prefix is [1, 5], expected [k, D = 4]}}
  %0 = vit.embed %x prefix(%cls : tensor<1x5xf32>) : tensor<?x9x4xf32> -> tensor<?x10x4xf32>
  return
}

// -----

func.func @embed_c3(%x: tensor<?x9x4xf32>, %cls: tensor<1x4xf32>) {
  // expected-error @+1 {{result is [?, 9, 4], expected [B = ?, K + N = 10, D = 4]}}
  %0 = vit.embed %x prefix(%cls : tensor<1x4xf32>) : tensor<?x9x4xf32> -> tensor<?x9x4xf32>
  return
}

// -----

func.func @embed_c4(%x: tensor<?x9x4xf32>, %cls: tensor<1x4xf32>, %p: tensor<9x4xf32>) {
  // expected-error @+1 {{position is [9, 4], expected [K + N = 10, D = 4]}}
  %0 = vit.embed %x prefix(%cls : tensor<1x4xf32>) position(%p : tensor<9x4xf32>) : tensor<?x9x4xf32> -> tensor<?x10x4xf32>
  return
}

// -----

func.func @embed_c4_patches_only(%x: tensor<?x9x4xf32>, %cls: tensor<1x4xf32>, %p: tensor<10x4xf32>) {
  // expected-error @+1 {{position is [10, 4], expected [N = 9, D = 4]}}
  %0 = vit.embed %x prefix(%cls : tensor<1x4xf32>) position(%p : tensor<10x4xf32>) {patches_only} : tensor<?x9x4xf32> -> tensor<?x10x4xf32>
  return
}

// -----

func.func @normalize_c1(%x: tensor<?x5x4xf32>, %g: tensor<5xf32>) {
  // expected-error @+1 {{gain is [5], expected [D = 4]}}
  %0 = vit.normalize %x gain(%g : tensor<5xf32>) {eps = 1.0e-6 : f32} : tensor<?x5x4xf32>
  return
}

// -----

func.func @normalize_c2(%x: tensor<?x5x4xf32>) {
  // expected-error @+1 {{eps is -1.000000e+00, expected a finite number that is not negative}}
  %0 = vit.normalize %x {eps = -1.0 : f32} : tensor<?x5x4xf32>
  return
}

// -----

func.func @linear_c1(%x: tensor<?x5x4xf32>, %w: tensor<4x6xf32>) {
  // expected-error @+1 {{weight is [4, 6], expected [N, K = 4]}}
  %0 = vit.linear %x, %w : tensor<?x5x4xf32>, tensor<4x6xf32> -> tensor<?x5x6xf32>
  return
}

// -----

func.func @linear_c2(%x: tensor<?x5x4xf32>, %w: tensor<6x4xf32>, %b: tensor<4xf32>) {
  // expected-error @+1 {{bias is [4], expected [N = 6]}}
  %0 = vit.linear %x, %w bias(%b : tensor<4xf32>) : tensor<?x5x4xf32>, tensor<6x4xf32> -> tensor<?x5x6xf32>
  return
}

// -----

func.func @linear_c3(%x: tensor<?x5x4xf32>, %w: tensor<6x4xf32>) {
  // expected-error @+1 {{result is [?, 5, 4], expected [?, 5, N = 6]}}
  %0 = vit.linear %x, %w : tensor<?x5x4xf32>, tensor<6x4xf32> -> tensor<?x5x4xf32>
  return
}

// -----

func.func @linear_c4(%x: tensor<?x5x4xf32>, %w: tensor<6x4xf32>) {
  // expected-error @+1 {{residual is [?, 5, 4], expected [?, 5, N = 6]}}
  %0 = vit.linear %x, %w residual(%x : tensor<?x5x4xf32>) : tensor<?x5x4xf32>, tensor<6x4xf32> -> tensor<?x5x6xf32>
  return
}

// -----

func.func @sdpa_c1_heads(%x: tensor<?x5x12xf32>) {
  // expected-error @+1 {{heads is 0, expected at least 1}}
  %0 = vit.sdpa %x {heads = 0 : i64, scale = 1.0 : f32} : tensor<?x5x12xf32> -> tensor<?x5x4xf32>
  return
}

// -----

func.func @sdpa_c1_width(%x: tensor<?x5x16xf32>) {
  // expected-error @+1 {{qkv's width 16 is not a multiple of 3 * 2 (query, key and value of 2 heads)}}
  %0 = vit.sdpa %x {heads = 2 : i64, scale = 1.0 : f32} : tensor<?x5x16xf32> -> tensor<?x5x4xf32>
  return
}

// -----

func.func @sdpa_c2(%x: tensor<?x5x12xf32>, %b: tensor<2x4x4xf32>) {
  // expected-error @+1 {{bias is [2, 4, 4], expected [h = 2, Q = 5, T = 5]}}
  %0 = vit.sdpa %x bias(%b : tensor<2x4x4xf32>) {heads = 2 : i64, scale = 1.0 : f32} : tensor<?x5x12xf32> -> tensor<?x5x4xf32>
  return
}

// -----

func.func @sdpa_c3(%x: tensor<?x5x12xf32>) {
  // expected-error @+1 {{result is [?, 5, 12], expected [B = ?, Q, h d = 4]}}
  %0 = vit.sdpa %x {heads = 2 : i64, scale = 1.0 : f32} : tensor<?x5x12xf32> -> tensor<?x5x12xf32>
  return
}

// -----

func.func @attention_probabilities_c1(%x: tensor<?x5x16xf32>) {
  // expected-error @+1 {{qkv's width 16 is not a multiple of 3 * 2 (query, key and value of 2 heads)}}
  %0 = vit.attention_probabilities %x {heads = 2 : i64, scale = 1.0 : f32} : tensor<?x5x16xf32> -> tensor<?x2x5x5xf32>
  return
}

// -----

func.func @attention_probabilities_c2(%x: tensor<?x5x12xf32>, %b: tensor<2x4x4xf32>) {
  // expected-error @+1 {{bias is [2, 4, 4], expected [h = 2, T = 5, T = 5]}}
  %0 = vit.attention_probabilities %x bias(%b : tensor<2x4x4xf32>) {heads = 2 : i64, scale = 1.0 : f32} : tensor<?x5x12xf32> -> tensor<?x2x5x5xf32>
  return
}

// -----

func.func @attention_probabilities_c3(%x: tensor<?x5x12xf32>) {
  // expected-error @+1 {{result is [?, 5, 5], expected [B = ?, h = 2, T = 5, T = 5]}}
  %0 = vit.attention_probabilities %x {heads = 2 : i64, scale = 1.0 : f32} : tensor<?x5x12xf32> -> tensor<?x5x5xf32>
  return
}

// -----

func.func @attention_c10(%x: tensor<?x5x4xf32>, %w: tensor<12x4xf32>, %p: tensor<4x4xf32>) {
  // expected-error @+1 {{the second result is [?, 2, 5, 4], expected [B = ?, h = 2, T = 5, T = 5]}}
  %0, %1 = vit.attention %x qkv(%w : tensor<12x4xf32>) proj(%p : tensor<4x4xf32>) {heads = 2 : i64, scale = 1.0 : f32} : tensor<?x5x4xf32> -> tensor<?x5x4xf32>, tensor<?x2x5x4xf32>
  return
}

// -----

func.func @head_normalize_c1(%x: tensor<?x5x16xf32>) {
  // expected-error @+1 {{qkv's width 16 is not a multiple of 3 * 2 (query, key and value of 2 heads)}}
  %0 = vit.head_normalize %x {heads = 2 : i64, eps = 1.0e-6 : f32} : tensor<?x5x16xf32>
  return
}

// -----

func.func @head_normalize_c2(%x: tensor<?x5x12xf32>, %g: tensor<4xf32>) {
  // expected-error @+1 {{k_gain is [4], expected [d = 2]}}
  %0 = vit.head_normalize %x k_gain(%g : tensor<4xf32>) {heads = 2 : i64, eps = 1.0e-6 : f32} : tensor<?x5x12xf32>
  return
}

// -----

func.func @head_normalize_c3(%x: tensor<?x5x12xf32>) {
  // expected-error @+1 {{eps is -1.000000e+00, expected a finite number that is not negative}}
  %0 = vit.head_normalize %x {heads = 2 : i64, eps = -1.0 : f32} : tensor<?x5x12xf32>
  return
}

// -----

func.func @rotary_c1(%x: tensor<?x5x16xf32>, %t: tensor<5x2xf32>) {
  // expected-error @+1 {{qkv's width 16 is not a multiple of 3 * 2 (query, key and value of 2 heads)}}
  %0 = vit.rotary %x sin(%t : tensor<5x2xf32>) cos(%t : tensor<5x2xf32>) {heads = 2 : i64, prefix = 0 : i64, layout = #vit.rotary_layout<halves>} : tensor<?x5x16xf32>
  return
}

// -----

func.func @rotary_c2(%x: tensor<?x5x9xf32>, %t: tensor<5x3xf32>) {
  // expected-error @+1 {{head width 3 is odd, but a rotation turns pairs of its elements}}
  %0 = vit.rotary %x sin(%t : tensor<5x3xf32>) cos(%t : tensor<5x3xf32>) {heads = 1 : i64, prefix = 0 : i64, layout = #vit.rotary_layout<halves>} : tensor<?x5x9xf32>
  return
}

// -----

func.func @rotary_c3(%x: tensor<?x5x12xf32>, %t: tensor<5x2xf32>) {
  // expected-error @+1 {{prefix is 5, expected 0 to 4 for 5 tokens}}
  %0 = vit.rotary %x sin(%t : tensor<5x2xf32>) cos(%t : tensor<5x2xf32>) {heads = 2 : i64, prefix = 5 : i64, layout = #vit.rotary_layout<halves>} : tensor<?x5x12xf32>
  return
}

// -----

func.func @rotary_c4(%x: tensor<?x5x12xf32>, %s: tensor<4x2xf32>, %t: tensor<5x2xf32>) {
  // expected-error @+1 {{cos is [5, 2], expected [T - prefix = 4, d = 2]}}
  %0 = vit.rotary %x sin(%s : tensor<4x2xf32>) cos(%t : tensor<5x2xf32>) {heads = 2 : i64, prefix = 1 : i64, layout = #vit.rotary_layout<halves>} : tensor<?x5x12xf32>
  return
}

// -----

func.func @attention_c1(%x: tensor<?x4xf32>, %w: tensor<12x4xf32>, %p: tensor<4x4xf32>) {
  // expected-error @+1 {{input is [?, 4], expected [B, T, D]}}
  %0 = vit.attention %x qkv(%w : tensor<12x4xf32>) proj(%p : tensor<4x4xf32>) {heads = 2 : i64, scale = 1.0 : f32} : tensor<?x4xf32> -> tensor<?x4xf32>
  return
}

// -----

func.func @attention_c2(%x: tensor<?x5x4xf32>, %w: tensor<12x3xf32>, %p: tensor<4x4xf32>) {
  // expected-error @+1 {{qkv_weight is [12, 3], expected [3 h d, D = 4]}}
  %0 = vit.attention %x qkv(%w : tensor<12x3xf32>) proj(%p : tensor<4x4xf32>) {heads = 2 : i64, scale = 1.0 : f32} : tensor<?x5x4xf32> -> tensor<?x5x4xf32>
  return
}

// -----

func.func @attention_c2_heads(%x: tensor<?x5x4xf32>, %w: tensor<12x4xf32>, %p: tensor<4x4xf32>) {
  // expected-error @+1 {{the number of qkv_weight's rows 12 is not a multiple of 3 * 3 (query, key and value of 3 heads)}}
  %0 = vit.attention %x qkv(%w : tensor<12x4xf32>) proj(%p : tensor<4x4xf32>) {heads = 3 : i64, scale = 1.0 : f32} : tensor<?x5x4xf32> -> tensor<?x5x4xf32>
  return
}

// -----

func.func @attention_c3(%x: tensor<?x5x4xf32>, %w: tensor<12x4xf32>, %p: tensor<4x5xf32>) {
  // expected-error @+1 {{proj_weight is [4, 5], expected [E, h d = 4]}}
  %0 = vit.attention %x qkv(%w : tensor<12x4xf32>) proj(%p : tensor<4x5xf32>) {heads = 2 : i64, scale = 1.0 : f32} : tensor<?x5x4xf32> -> tensor<?x5x4xf32>
  return
}

// -----

func.func @attention_c4(%x: tensor<?x5x4xf32>, %w: tensor<12x4xf32>, %p: tensor<6x4xf32>) {
  // expected-error @+1 {{result is [?, 5, 4], expected [B = ?, T = 5, E = 6]}}
  %0 = vit.attention %x qkv(%w : tensor<12x4xf32>) proj(%p : tensor<6x4xf32>) {heads = 2 : i64, scale = 1.0 : f32} : tensor<?x5x4xf32> -> tensor<?x5x4xf32>
  return
}

// -----

func.func @attention_c5(%x: tensor<?x5x4xf32>, %w: tensor<12x4xf32>, %p: tensor<4x4xf32>, %b: tensor<1x5x5xf32>) {
  // expected-error @+1 {{position_bias is [1, 5, 5], expected [h = 2, T = 5, T = 5]}}
  %0 = vit.attention %x qkv(%w : tensor<12x4xf32>) position_bias(%b : tensor<1x5x5xf32>) proj(%p : tensor<4x4xf32>) {heads = 2 : i64, scale = 1.0 : f32} : tensor<?x5x4xf32> -> tensor<?x5x4xf32>
  return
}

// -----

func.func @attention_c6(%x: tensor<?x5x4xf32>, %w: tensor<12x4xf32>, %p: tensor<4x4xf32>, %t: tensor<5x2xf32>) {
  // expected-error @+1 {{sin is [5, 2], expected [T - prefix = 4, d = 2]}}
  %0 = vit.attention %x qkv(%w : tensor<12x4xf32>) rotary(%t : tensor<5x2xf32>, %t : tensor<5x2xf32>) proj(%p : tensor<4x4xf32>) {heads = 2 : i64, scale = 1.0 : f32, prefix = 1 : i64} : tensor<?x5x4xf32> -> tensor<?x5x4xf32>
  return
}

// -----

func.func @attention_c7_both(%x: tensor<?x5x4xf32>, %w: tensor<12x4xf32>, %p: tensor<4x4xf32>, %g: tensor<2xf32>) {
  // expected-error @+1 {{has one of q_gain and k_gain, expected both or none}}
  %0 = vit.attention %x qkv(%w : tensor<12x4xf32>) q_norm(%g : tensor<2xf32>) proj(%p : tensor<4x4xf32>) {heads = 2 : i64, scale = 1.0 : f32} : tensor<?x5x4xf32> -> tensor<?x5x4xf32>
  return
}

// -----

func.func @attention_c7(%x: tensor<?x5x4xf32>, %w: tensor<12x4xf32>, %p: tensor<4x4xf32>, %g: tensor<2xf32>, %k: tensor<4xf32>) {
  // expected-error @+1 {{k_gain is [4], expected [d = 2]}}
  %0 = vit.attention %x qkv(%w : tensor<12x4xf32>) q_norm(%g : tensor<2xf32>) k_norm(%k : tensor<4xf32>) proj(%p : tensor<4x4xf32>) {heads = 2 : i64, scale = 1.0 : f32} : tensor<?x5x4xf32> -> tensor<?x5x4xf32>
  return
}

// -----

func.func @attention_c8(%x: tensor<?x5x4xf32>, %w: tensor<12x4xf32>, %p: tensor<4x4xf32>, %g: tensor<2xf32>) {
  // expected-error @+1 {{norm_gain is [2], expected [h d = 4]}}
  %0 = vit.attention %x qkv(%w : tensor<12x4xf32>) norm(%g : tensor<2xf32>) proj(%p : tensor<4x4xf32>) {heads = 2 : i64, scale = 1.0 : f32} : tensor<?x5x4xf32> -> tensor<?x5x4xf32>
  return
}

// -----

func.func @attention_c9(%x: tensor<?x5x4xf32>, %w: tensor<12x4xf32>, %p: tensor<4x4xf32>) {
  // expected-error @+1 {{eps is -1.000000e+00, expected a finite number that is not negative}}
  %0 = vit.attention %x qkv(%w : tensor<12x4xf32>) proj(%p : tensor<4x4xf32>) {heads = 2 : i64, scale = 1.0 : f32, norm_eps = -1.0 : f32} : tensor<?x5x4xf32> -> tensor<?x5x4xf32>
  return
}

// -----

func.func @mlp_c1(%x: tensor<?x5x4xf32>, %w: tensor<12x5xf32>, %v: tensor<4x12xf32>) {
  // expected-error @+1 {{fc1_weight is [12, 5], expected [M, D = 4]}}
  %0 = vit.mlp %x fc1(%w : tensor<12x5xf32>) fc2(%v : tensor<4x12xf32>) {activation = #vit.activation<relu>} : tensor<?x5x4xf32> -> tensor<?x5x4xf32>
  return
}

// -----

func.func @mlp_c2(%x: tensor<?x5x4xf32>, %w: tensor<12x4xf32>, %g: tensor<10x4xf32>, %v: tensor<4x12xf32>) {
  // expected-error @+1 {{gate_weight is [10, 4], expected [M = 12, D = 4]}}
  %0 = vit.mlp %x fc1(%w : tensor<12x4xf32>) gate(%g : tensor<10x4xf32>) fc2(%v : tensor<4x12xf32>) {activation = #vit.activation<relu>} : tensor<?x5x4xf32> -> tensor<?x5x4xf32>
  return
}

// -----

func.func @mlp_c3(%x: tensor<?x5x4xf32>, %w: tensor<12x4xf32>, %g: tensor<4xf32>, %v: tensor<4x12xf32>) {
  // expected-error @+1 {{norm_gain is [4], expected [M = 12]}}
  %0 = vit.mlp %x fc1(%w : tensor<12x4xf32>) norm(%g : tensor<4xf32>) fc2(%v : tensor<4x12xf32>) {activation = #vit.activation<relu>} : tensor<?x5x4xf32> -> tensor<?x5x4xf32>
  return
}

// -----

func.func @mlp_c4(%x: tensor<?x5x4xf32>, %w: tensor<12x4xf32>, %v: tensor<4x8xf32>) {
  // expected-error @+1 {{fc2_weight is [4, 8], expected [E, M = 12]}}
  %0 = vit.mlp %x fc1(%w : tensor<12x4xf32>) fc2(%v : tensor<4x8xf32>) {activation = #vit.activation<relu>} : tensor<?x5x4xf32> -> tensor<?x5x4xf32>
  return
}

// -----

func.func @mlp_c5(%x: tensor<?x5x4xf32>, %w: tensor<12x4xf32>, %v: tensor<6x12xf32>) {
  // expected-error @+1 {{result is [?, 5, 4], expected [?, 5, E = 6]}}
  %0 = vit.mlp %x fc1(%w : tensor<12x4xf32>) fc2(%v : tensor<6x12xf32>) {activation = #vit.activation<relu>} : tensor<?x5x4xf32> -> tensor<?x5x4xf32>
  return
}

// -----

func.func @mlp_c6(%x: tensor<?x5x4xf32>, %w: tensor<12x4xf32>, %v: tensor<4x12xf32>) {
  // expected-error @+1 {{eps is -1.000000e+00, expected a finite number that is not negative}}
  %0 = vit.mlp %x fc1(%w : tensor<12x4xf32>) fc2(%v : tensor<4x12xf32>) {activation = #vit.activation<relu>, norm_eps = -1.0 : f32} : tensor<?x5x4xf32> -> tensor<?x5x4xf32>
  return
}

// -----

func.func @residual_c1(%x: tensor<?x5x4xf32>, %g: tensor<5xf32>) {
  // expected-error @+1 {{gamma is [5], expected [D = 4]}}
  %0 = vit.residual %x, %x gamma(%g : tensor<5xf32>) : tensor<?x5x4xf32>
  return
}

// -----

func.func @pool_c1(%x: tensor<?x4xf32>) {
  // expected-error @+1 {{input is [?, 4], expected [B, T, D]}}
  %0 = vit.pool %x {kind = #vit.pool<avg>} : tensor<?x4xf32> -> tensor<?x4xf32>
  return
}

// -----

func.func @pool_c2(%x: tensor<?x5x4xf32>) {
  // expected-error @+1 {{index is 5, expected 0 to 4 for 5 tokens}}
  %0 = vit.pool %x {kind = #vit.pool<token>, index = 5 : i64} : tensor<?x5x4xf32> -> tensor<?x4xf32>
  return
}

// -----

func.func @pool_c3(%x: tensor<?x5x4xf32>) {
  // expected-error @+1 {{result is [?, 5], expected [B = ?, D = 4]}}
  %0 = vit.pool %x {kind = #vit.pool<token>} : tensor<?x5x4xf32> -> tensor<?x5xf32>
  return
}

// -----

// What the custom syntax cannot even say: optional operands without those they belong to.

func.func @attention_c6_both(%x: tensor<?x5x4xf32>, %w: tensor<12x4xf32>, %p: tensor<4x4xf32>, %t: tensor<5x2xf32>) {
  // expected-error @+1 {{has one of rotary_sin and rotary_cos, expected both or none}}
  %0 = "vit.attention"(%x, %w, %p, %t) <{heads = 2 : i64, scale = 1.0 : f32, operandSegmentSizes = array<i32: 1, 1, 0, 1, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0>}>
    : (tensor<?x5x4xf32>, tensor<12x4xf32>, tensor<4x4xf32>, tensor<5x2xf32>) -> tensor<?x5x4xf32>
  return
}

// -----

func.func @attention_c7_shift(%x: tensor<?x5x4xf32>, %w: tensor<12x4xf32>, %p: tensor<4x4xf32>, %s: tensor<2xf32>) {
  // expected-error @+1 {{has a q_shift or k_shift without its gain}}
  %0 = "vit.attention"(%x, %w, %p, %s) <{heads = 2 : i64, scale = 1.0 : f32, operandSegmentSizes = array<i32: 1, 1, 0, 1, 0, 0, 0, 0, 0, 1, 0, 0, 0, 0>}>
    : (tensor<?x5x4xf32>, tensor<12x4xf32>, tensor<4x4xf32>, tensor<2xf32>) -> tensor<?x5x4xf32>
  return
}

// -----

func.func @attention_c8_shift(%x: tensor<?x5x4xf32>, %w: tensor<12x4xf32>, %p: tensor<4x4xf32>, %s: tensor<4xf32>) {
  // expected-error @+1 {{has a norm_shift without a norm_gain}}
  %0 = "vit.attention"(%x, %w, %p, %s) <{heads = 2 : i64, scale = 1.0 : f32, operandSegmentSizes = array<i32: 1, 1, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1>}>
    : (tensor<?x5x4xf32>, tensor<12x4xf32>, tensor<4x4xf32>, tensor<4xf32>) -> tensor<?x5x4xf32>
  return
}

// -----

func.func @mlp_c2_bias(%x: tensor<?x5x4xf32>, %w: tensor<12x4xf32>, %b: tensor<12xf32>, %v: tensor<4x12xf32>) {
  // expected-error @+1 {{has a gate_bias without a gate_weight}}
  %0 = "vit.mlp"(%x, %w, %b, %v) <{activation = #vit.activation<relu>, operandSegmentSizes = array<i32: 1, 1, 0, 0, 1, 0, 0, 1, 0>}>
    : (tensor<?x5x4xf32>, tensor<12x4xf32>, tensor<12xf32>, tensor<4x12xf32>) -> tensor<?x5x4xf32>
  return
}

// -----

func.func @mlp_c3_shift(%x: tensor<?x5x4xf32>, %w: tensor<12x4xf32>, %b: tensor<12xf32>, %v: tensor<4x12xf32>) {
  // expected-error @+1 {{has a norm_shift without a norm_gain}}
  %0 = "vit.mlp"(%x, %w, %b, %v) <{activation = #vit.activation<relu>, operandSegmentSizes = array<i32: 1, 1, 0, 0, 0, 0, 1, 1, 0>}>
    : (tensor<?x5x4xf32>, tensor<12x4xf32>, tensor<12xf32>, tensor<4x12xf32>) -> tensor<?x5x4xf32>
  return
}
