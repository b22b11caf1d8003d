// RUN: vit-opt %s --split-input-file --verify-diagnostics

// Labels (C1), (C2)... are those of the operations' descriptions.

func.func @cross_entropy_c1_types(%x: tensor<?x7xf32>, %t: tensor<?x6xf32>) {
  // expected-error @+1 {{logits 'tensor<?x7xf32>' and targets 'tensor<?x6xf32>' are not both [B, K] of one type}}
  %0 = vit.cross_entropy %x, %t : tensor<?x7xf32>, tensor<?x6xf32> -> tensor<?x1xf32>
  return
}

// -----

func.func @cross_entropy_c1_rank(%x: tensor<?x3x7xf32>) {
  // expected-error @+1 {{logits 'tensor<?x3x7xf32>' and targets 'tensor<?x3x7xf32>' are not both [B, K] of one type}}
  %0 = vit.cross_entropy %x, %x : tensor<?x3x7xf32>, tensor<?x3x7xf32> -> tensor<?x1xf32>
  return
}

// -----

func.func @cross_entropy_c2(%x: tensor<?x7xf32>) {
  // expected-error @+1 {{result is [?, 7], expected [B = ?, 1]}}
  %0 = vit.cross_entropy %x, %x : tensor<?x7xf32>, tensor<?x7xf32> -> tensor<?x7xf32>
  return
}

// -----

func.func @cross_entropy_grad_c1_logits(%x: tensor<?x3x7xf32>, %u: tensor<?x1xf32>) {
  // expected-error @+1 {{logits is [?, 3, 7], expected [B, K]}}
  %0 = vit.cross_entropy_grad %x, %x, %u : tensor<?x3x7xf32>, tensor<?x1xf32>
  return
}

// -----

func.func @cross_entropy_grad_c1_upstream(%x: tensor<?x7xf32>, %u: tensor<?x7xf32>) {
  // expected-error @+1 {{upstream is [?, 7], expected [B = ?, 1]}}
  %0 = vit.cross_entropy_grad %x, %x, %u : tensor<?x7xf32>, tensor<?x7xf32>
  return
}

// -----

func.func @dropout_c1(%x: tensor<?x7xf32>, %k: tensor<?x3xf32>) {
  // expected-error @+1 {{key is [?, 3], expected [B = ?, 4]}}
  %0 = vit.dropout %x, %k {rate = 0.5 : f32, stream = 0 : i64} : tensor<?x7xf32>, tensor<?x3xf32>
  return
}

// -----

func.func @dropout_c2_above(%x: tensor<?x7xf32>, %k: tensor<?x4xf32>) {
  // expected-error @+1 {{rate is 1.000000e+00, expected at least 0 and less than 1}}
  %0 = vit.dropout %x, %k {rate = 1.0 : f32, stream = 0 : i64} : tensor<?x7xf32>, tensor<?x4xf32>
  return
}

// -----

func.func @dropout_c2_below(%x: tensor<?x7xf32>, %k: tensor<?x4xf32>) {
  // expected-error @+1 {{rate is -5.000000e-01, expected at least 0 and less than 1}}
  %0 = vit.dropout %x, %k {rate = -0.5 : f32, stream = 0 : i64} : tensor<?x7xf32>, tensor<?x4xf32>
  return
}

// -----

func.func @dropout_c2_nan(%x: tensor<?x7xf32>, %k: tensor<?x4xf32>) {
  // expected-error @+1 {{rate is nan, expected at least 0 and less than 1}}
  %0 = vit.dropout %x, %k {rate = 0x7FC00000 : f32, stream = 0 : i64} : tensor<?x7xf32>, tensor<?x4xf32>
  return
}

// -----

func.func @drop_patches_c1(%x: tensor<?x5x4xf32>, %k: tensor<?x3xf32>) {
  // expected-error @+1 {{key is [?, 3], expected [B = ?, 4]}}
  %0 = vit.drop_patches %x, %k {prefix = 1 : i64, stream = 0 : i64} : tensor<?x5x4xf32>, tensor<?x3xf32> -> tensor<?x3x4xf32>
  return
}

// -----

func.func @drop_patches_c2_all(%x: tensor<?x5x4xf32>, %k: tensor<?x4xf32>) {
  // expected-error @+1 {{keeps 0 of 4 patches behind a prefix of 1, expected a prefix of at least 0 and at least one patch of those there are}}
  %0 = vit.drop_patches %x, %k {prefix = 1 : i64, stream = 0 : i64} : tensor<?x5x4xf32>, tensor<?x4xf32> -> tensor<?x1x4xf32>
  return
}

// -----

func.func @drop_patches_c2_none(%x: tensor<?x5x4xf32>, %k: tensor<?x4xf32>) {
  // expected-error @+1 {{keeps 5 of 4 patches behind a prefix of 1}}
  %0 = vit.drop_patches %x, %k {prefix = 1 : i64, stream = 0 : i64} : tensor<?x5x4xf32>, tensor<?x4xf32> -> tensor<?x6x4xf32>
  return
}

// -----

func.func @drop_patches_grad_c2(%x: tensor<?x5x4xf32>, %k: tensor<?x4xf32>) {
  // expected-error @+1 {{keeps 6 of 10 patches behind a prefix of -1}}
  %0 = vit.drop_patches_grad %x, %k {prefix = -1 : i64, stream = 0 : i64} : tensor<?x5x4xf32>, tensor<?x4xf32> -> tensor<?x9x4xf32>
  return
}

// -----

func.func @drop_patches_c3(%x: tensor<?x5x4xf32>, %k: tensor<?x4xf32>) {
  // expected-error @+1 {{result is [?, 3, 5], expected [B = ?, P + K, D = 4]}}
  %0 = vit.drop_patches %x, %k {prefix = 1 : i64, stream = 0 : i64} : tensor<?x5x4xf32>, tensor<?x4xf32> -> tensor<?x3x5xf32>
  return
}

// -----

func.func @weigh_values_c1_shares(%s: tensor<?x2x5x4xf32>, %x: tensor<?x5x12xf32>) {
  // expected-error @+1 {{shares is [?, 2, 5, 4], expected [B, h, T, T = 5]}}
  %0 = vit.weigh_values %s, %x : tensor<?x2x5x4xf32>, tensor<?x5x12xf32> -> tensor<?x5x4xf32>
  return
}

// -----

func.func @weigh_values_c1_width(%s: tensor<?x2x5x5xf32>, %x: tensor<?x5x15xf32>) {
  // expected-error @+1 {{qkv's width 15 is not a multiple of 3 * 2 (query, key and value of each head)}}
  %0 = vit.weigh_values %s, %x : tensor<?x2x5x5xf32>, tensor<?x5x15xf32> -> tensor<?x5x5xf32>
  return
}

// -----

func.func @weigh_values_c2(%s: tensor<?x2x5x5xf32>, %x: tensor<?x5x12xf32>) {
  // expected-error @+1 {{result is [?, 5, 12], expected [B = ?, T = 5, h d = 4]}}
  %0 = vit.weigh_values %s, %x : tensor<?x2x5x5xf32>, tensor<?x5x12xf32> -> tensor<?x5x12xf32>
  return
}

// -----

func.func @unfold_patches_c1_patch(%x: tensor<?x3x9x8xf32>) {
  // expected-error @+1 {{patch is [4, 0], expected 2 numbers of at least 1}}
  %0 = vit.unfold_patches %x {patch = array<i64: 4, 0>} : tensor<?x3x9x8xf32> -> tensor<?x4x36xf32>
  return
}

// -----

func.func @unfold_patches_c1_image(%x: tensor<?x3x9x8xf32>) {
  // expected-error @+1 {{an image of 9x8 holds no patch of 4x9}}
  %0 = vit.unfold_patches %x {patch = array<i64: 4, 9>} : tensor<?x3x9x8xf32> -> tensor<?x4x36xf32>
  return
}

// -----

func.func @unfold_patches_c2(%x: tensor<?x3x9x8xf32>) {
  // expected-error @+1 {{result is [?, 4, 36], expected [B = ?, N = 4, C P Q = 48]}}
  %0 = vit.unfold_patches %x {patch = array<i64: 4, 4>} : tensor<?x3x9x8xf32> -> tensor<?x4x36xf32>
  return
}

// -----

func.func @contract_rows_c1(%x: tensor<?x5x4xf32>, %y: tensor<?x6x7xf32>) {
  // expected-error @+1 {{operands 'tensor<?x5x4xf32>' and 'tensor<?x6x7xf32>' differ in more than the last axis}}
  %0 = vit.contract_rows %x, %y : tensor<?x5x4xf32>, tensor<?x6x7xf32> -> tensor<4x7xf32>
  return
}

// -----

func.func @contract_rows_c2(%x: tensor<?x5x4xf32>, %y: tensor<?x5x7xf32>) {
  // expected-error @+1 {{result is [7, 4], expected [N = 4, K = 7]}}
  %0 = vit.contract_rows %x, %y : tensor<?x5x4xf32>, tensor<?x5x7xf32> -> tensor<7x4xf32>
  return
}

// -----

func.func @sum_rows_c1(%x: tensor<?x5x4xf32>) {
  // expected-error @+1 {{result is 'tensor<5xf32>', expected the last axes of 'tensor<?x5x4xf32>', one at least and not that of the images}}
  %0 = vit.sum_rows %x : tensor<?x5x4xf32> -> tensor<5xf32>
  return
}

// -----

func.func @sum_rows_c1_images(%x: tensor<3x5x4xf32>) {
  // expected-error @+1 {{result is 'tensor<3x5x4xf32>', expected the last axes of 'tensor<3x5x4xf32>', one at least and not that of the images}}
  %0 = vit.sum_rows %x : tensor<3x5x4xf32> -> tensor<3x5x4xf32>
  return
}

// -----

func.func @normalize_grad_c1(%x: tensor<?x5x4xf32>, %g: tensor<5xf32>) {
  // expected-error @+1 {{gain is [5], expected [D = 4]}}
  %0 = vit.normalize_grad %x, %x gain(%g : tensor<5xf32>) {eps = 1.0e-6 : f32} : tensor<?x5x4xf32>
  return
}

// -----

func.func @normalize_grad_c2(%x: tensor<?x5x4xf32>) {
  // expected-error @+1 {{eps is -1.000000e+00, expected a finite number that is not negative}}
  %0 = vit.normalize_grad %x, %x {eps = -1.0 : f32} : tensor<?x5x4xf32>
  return
}

// -----

func.func @normalize_grad_c3(%x: tensor<?x5x4xf32>) {
  // expected-error @+1 {{groups is 3, expected a divisor of 4}}
  %0 = vit.normalize_grad %x, %x {eps = 1.0e-6 : f32, groups = 3 : i64} : tensor<?x5x4xf32>
  return
}

// -----

func.func @normalize_weight_grad_c1_gain(%x: tensor<?x5x4xf32>) {
  // expected-error @+1 {{gain is [5], expected [D = 4]}}
  %0, %1 = vit.normalize_weight_grad %x, %x {eps = 1.0e-6 : f32} : tensor<?x5x4xf32> -> tensor<5xf32>, tensor<4xf32>
  return
}

// -----

func.func @normalize_weight_grad_c1_shift(%x: tensor<?x5x4xf32>) {
  // expected-error @+1 {{shift is [5], expected [D = 4]}}
  %0, %1 = vit.normalize_weight_grad %x, %x {eps = 1.0e-6 : f32} : tensor<?x5x4xf32> -> tensor<4xf32>, tensor<5xf32>
  return
}

// -----

func.func @normalize_weight_grad_c2(%x: tensor<?x5x4xf32>) {
  // expected-error @+1 {{eps is INF, expected a finite number that is not negative}}
  %0, %1 = vit.normalize_weight_grad %x, %x {eps = 0x7F800000 : f32} : tensor<?x5x4xf32> -> tensor<4xf32>, tensor<4xf32>
  return
}

// -----

func.func @normalize_weight_grad_c3(%x: tensor<?x5x4xf32>) {
  // expected-error @+1 {{groups is 0, expected a divisor of 4}}
  %0, %1 = vit.normalize_weight_grad %x, %x {eps = 1.0e-6 : f32, groups = 0 : i64} : tensor<?x5x4xf32> -> tensor<4xf32>, tensor<4xf32>
  return
}

// -----

func.func @sdpa_grad_c1_width(%x: tensor<?x5x12xf32>, %u: tensor<?x5x4xf32>) {
  // expected-error @+1 {{qkv's width 12 is not a multiple of 3 * 3 (query, key and value of each head)}}
  %0 = vit.sdpa_grad %x, %u {heads = 3 : i64, scale = 0.5 : f32} : tensor<?x5x12xf32>, tensor<?x5x4xf32>
  return
}

// -----

func.func @sdpa_grad_c1_heads(%x: tensor<?x5x12xf32>, %u: tensor<?x5x4xf32>) {
  // expected-error @+1 {{qkv's width 12 is not a multiple of 3 * 0 (query, key and value of each head)}}
  %0 = vit.sdpa_grad %x, %u {heads = 0 : i64, scale = 0.5 : f32} : tensor<?x5x12xf32>, tensor<?x5x4xf32>
  return
}

// -----

func.func @sdpa_grad_c2(%x: tensor<?x5x12xf32>, %u: tensor<?x4x4xf32>) {
  // expected-error @+1 {{upstream is [?, 4, 4], expected [B = ?, T = 5, h d = 4]}}
  %0 = vit.sdpa_grad %x, %u {heads = 2 : i64, scale = 0.5 : f32} : tensor<?x5x12xf32>, tensor<?x4x4xf32>
  return
}

// -----

func.func @sdpa_grad_c1_query(%x: tensor<?x5x12xf32>, %u: tensor<?x1x4xf32>) {
  // expected-error @+1 {{qkv's width 12 is not a multiple of 2 * 5 (key and value of each head)}}
  %0, %1 = vit.sdpa_grad %x, %u query(%u : tensor<?x1x4xf32>) {heads = 5 : i64, scale = 0.5 : f32} : tensor<?x5x12xf32>, tensor<?x1x4xf32> -> tensor<?x1x4xf32>
  return
}

// -----

func.func @sdpa_grad_c2_query(%x: tensor<?x5x12xf32>, %u: tensor<?x1x6xf32>, %q: tensor<?x2x6xf32>) {
  // expected-error @+1 {{upstream is [?, 1, 6], expected [B = ?, Q = 2, h d = 6]}}
  %0, %1 = vit.sdpa_grad %x, %u query(%q : tensor<?x2x6xf32>) {heads = 2 : i64, scale = 0.5 : f32} : tensor<?x5x12xf32>, tensor<?x1x6xf32> -> tensor<?x2x6xf32>
  return
}

// -----

func.func @sdpa_grad_c3(%x: tensor<?x5x12xf32>, %q: tensor<?x2x6xf32>) {
  // expected-error @+1 {{has a query or its gradient, expected both or none}}
  %0 = vit.sdpa_grad %x, %q query(%q : tensor<?x2x6xf32>) {heads = 2 : i64, scale = 0.5 : f32} : tensor<?x5x12xf32>, tensor<?x2x6xf32>
  return
}

// -----

func.func @pullback_c1_inputs(%x: tensor<?x5x4xf32>, %u: tensor<?x4xf32>) {
  // expected-error @+1 {{its region's arguments and results do not have the types of its inputs and its upstream}}
  %0 = vit.pullback(%x) of(%u) {wrt = array<i64: 0>} : (tensor<?x5x4xf32>, tensor<?x4xf32>) -> tensor<?x5x4xf32> {
  ^bb0(%a: tensor<?x6x4xf32>):
    %y = vit.pool %a {kind = #vit.pool<avg>} : tensor<?x6x4xf32> -> tensor<?x4xf32>
    vit.yield %y : tensor<?x4xf32>
  }
  return
}

// -----

func.func @pullback_c1_upstream(%x: tensor<?x5x4xf32>, %u: tensor<?x5xf32>) {
  // expected-error @+1 {{its region's arguments and results do not have the types of its inputs and its upstream}}
  %0 = vit.pullback(%x) of(%u) {wrt = array<i64: 0>} : (tensor<?x5x4xf32>, tensor<?x5xf32>) -> tensor<?x5x4xf32> {
  ^bb0(%a: tensor<?x5x4xf32>):
    %y = vit.pool %a {kind = #vit.pool<avg>} : tensor<?x5x4xf32> -> tensor<?x4xf32>
    vit.yield %y : tensor<?x4xf32>
  }
  return
}

// -----

func.func @pullback_c2_count(%x: tensor<?x5x4xf32>, %u: tensor<?x4xf32>) {
  // expected-error @+1 {{number of results is 1, expected 2, one for each input in wrt}}
  %0 = vit.pullback(%x) of(%u) {wrt = array<i64: 0, 0>} : (tensor<?x5x4xf32>, tensor<?x4xf32>) -> tensor<?x5x4xf32> {
  ^bb0(%a: tensor<?x5x4xf32>):
    %y = vit.pool %a {kind = #vit.pool<avg>} : tensor<?x5x4xf32> -> tensor<?x4xf32>
    vit.yield %y : tensor<?x4xf32>
  }
  return
}

// -----

func.func @pullback_c2_twice(%x: tensor<?x5x4xf32>, %u: tensor<?x4xf32>) {
  // expected-error @+1 {{wrt names input 0, which is not there, named twice, or not of its result's type 'tensor<?x5x4xf32>'}}
  %0:2 = vit.pullback(%x) of(%u) {wrt = array<i64: 0, 0>} : (tensor<?x5x4xf32>, tensor<?x4xf32>) -> (tensor<?x5x4xf32>, tensor<?x5x4xf32>) {
  ^bb0(%a: tensor<?x5x4xf32>):
    %y = vit.pool %a {kind = #vit.pool<avg>} : tensor<?x5x4xf32> -> tensor<?x4xf32>
    vit.yield %y : tensor<?x4xf32>
  }
  return
}

// -----

func.func @pullback_c2_index(%x: tensor<?x5x4xf32>, %u: tensor<?x4xf32>) {
  // expected-error @+1 {{wrt names input 1, which is not there, named twice, or not of its result's type 'tensor<?x5x4xf32>'}}
  %0 = vit.pullback(%x) of(%u) {wrt = array<i64: 1>} : (tensor<?x5x4xf32>, tensor<?x4xf32>) -> tensor<?x5x4xf32> {
  ^bb0(%a: tensor<?x5x4xf32>):
    %y = vit.pool %a {kind = #vit.pool<avg>} : tensor<?x5x4xf32> -> tensor<?x4xf32>
    vit.yield %y : tensor<?x4xf32>
  }
  return
}

// -----

func.func @pullback_c2_type(%x: tensor<?x5x4xf32>, %u: tensor<?x4xf32>) {
  // expected-error @+1 {{wrt names input 0, which is not there, named twice, or not of its result's type 'tensor<?x4xf32>'}}
  %0 = vit.pullback(%x) of(%u) {wrt = array<i64: 0>} : (tensor<?x5x4xf32>, tensor<?x4xf32>) -> tensor<?x4xf32> {
  ^bb0(%a: tensor<?x5x4xf32>):
    %y = vit.pool %a {kind = #vit.pool<avg>} : tensor<?x5x4xf32> -> tensor<?x4xf32>
    vit.yield %y : tensor<?x4xf32>
  }
  return
}
