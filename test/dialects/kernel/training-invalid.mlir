// RUN: vit-opt %s --split-input-file --verify-diagnostics

func.func @weights_of_other_rows(%qkv: tensor<?x17x24xf32>) -> tensor<?x17x8xf32> {
  // expected-error @+1 {{weights 'tensor<?x2x17x17xf32>' must be 'tensor<?x2x17x32xf32>', and are offered for all queries without windows only}}
  %y, %w = kernel.attention %qkv {heads = 2 : i64, scale = 0.5 : f32} : tensor<?x17x24xf32> -> tensor<?x17x8xf32>, tensor<?x2x17x17xf32>
  return %y : tensor<?x17x8xf32>
}

// -----

func.func @weights_of_some_queries(%qkv: tensor<?x17x24xf32>) -> tensor<?x1x8xf32> {
  // expected-error @+1 {{are offered for all queries without windows only}}
  %y, %w = kernel.attention %qkv {heads = 2 : i64, scale = 0.5 : f32} : tensor<?x17x24xf32> -> tensor<?x1x8xf32>, tensor<?x2x17x32xf32>
  return %y : tensor<?x1x8xf32>
}

// -----

func.func @heads(%qkv: tensor<?x5x24xf32>, %u: tensor<?x5x8xf32>) -> tensor<?x5x24xf32> {
  // expected-error @+1 {{must be [B, T, 3 h d] for 5 heads}}
  %0 = kernel.attention_grad %qkv, %u {heads = 5 : i64, scale = 1.0 : f32} : tensor<?x5x24xf32>, tensor<?x5x8xf32> -> tensor<?x5x24xf32>
  return %0 : tensor<?x5x24xf32>
}

// -----

func.func @upstream(%qkv: tensor<?x5x24xf32>, %u: tensor<?x5x24xf32>) -> tensor<?x5x24xf32> {
  // expected-error @+1 {{upstream must be ?x5x8, but is 'tensor<?x5x24xf32>'}}
  %0 = kernel.attention_grad %qkv, %u {heads = 2 : i64, scale = 1.0 : f32} : tensor<?x5x24xf32>, tensor<?x5x24xf32> -> tensor<?x5x24xf32>
  return %0 : tensor<?x5x24xf32>
}

// -----

func.func @query_of_other_rows(%kv: tensor<?x5x16xf32>, %u: tensor<?x1x8xf32>, %q: tensor<?x2x8xf32>) -> tensor<?x5x16xf32> {
  // expected-error @+1 {{query must be ?x1x8, but is 'tensor<?x2x8xf32>'}}
  %0, %1 = kernel.attention_grad %kv, %u query(%q : tensor<?x2x8xf32>) {heads = 2 : i64, scale = 1.0 : f32}
    : tensor<?x5x16xf32>, tensor<?x1x8xf32> -> tensor<?x5x16xf32>, tensor<?x2x8xf32>
  return %0 : tensor<?x5x16xf32>
}

// -----

func.func @too_many_scores(%kv: tensor<?x4097x16xf32>, %q: tensor<?x4x8xf32>) -> tensor<?x4097x16xf32> {
  // expected-error @+1 {{has 4 queries of 4097 tokens, more than 16384 scores}}
  %0, %1 = kernel.attention_grad %kv, %q query(%q : tensor<?x4x8xf32>) {heads = 2 : i64, scale = 1.0 : f32}
    : tensor<?x4097x16xf32>, tensor<?x4x8xf32> -> tensor<?x4097x16xf32>, tensor<?x4x8xf32>
  return %0 : tensor<?x4097x16xf32>
}

// -----

func.func @rounded_gradient_of_f32(%qkv: tensor<?x5x24xf32>, %u: tensor<?x5x8xf32>) -> tensor<?x5x24xbf16> {
  // expected-error @+1 {{has a gradient of 'bf16', expected f32, or bf16 of operands of bf16}}
  %0 = kernel.attention_grad %qkv, %u {heads = 2 : i64, scale = 1.0 : f32} : tensor<?x5x24xf32>, tensor<?x5x8xf32> -> tensor<?x5x24xbf16>
  return %0 : tensor<?x5x24xbf16>
}

// -----

func.func @other_weights(%qkv: tensor<?x5x24xf32>, %u: tensor<?x5x8xf32>, %w: tensor<?x2x5x5xf32>) -> tensor<?x5x24xf32> {
  // expected-error @+1 {{weights 'tensor<?x2x5x5xf32>' must be 'tensor<?x2x5x16xf32>'}}
  %0 = kernel.attention_grad %qkv, %u weights(%w : tensor<?x2x5x5xf32>) {heads = 2 : i64, scale = 1.0 : f32}
    : tensor<?x5x24xf32>, tensor<?x5x8xf32> -> tensor<?x5x24xf32>
  return %0 : tensor<?x5x24xf32>
}

// -----

func.func @statistics(%x: tensor<?x5x8xf32>) -> tensor<?x5x8xf32> {
  // expected-error @+1 {{statistics must be ?x5x2, but is 'tensor<?x5x3xf32>'}}
  %0, %1 = kernel.normalize_grad %x, %x {eps = 1.0e-6 : f32} : tensor<?x5x8xf32> -> tensor<?x5x8xf32>, tensor<?x5x3xf32>
  return %0 : tensor<?x5x8xf32>
}

// -----

func.func @rounded(%x: tensor<?x5x8xf32>) -> tensor<?x5x8xf32> {
  // expected-error @+1 {{rounded must be ?x5x8, but is 'tensor<?x5x6xbf16>'}}
  %0, %1 = kernel.normalize_grad %x, %x {eps = 1.0e-6 : f32} : tensor<?x5x8xf32> -> tensor<?x5x8xf32> rounded tensor<?x5x6xbf16>
  return %0 : tensor<?x5x8xf32>
}

// -----

func.func @sums(%x: tensor<?x5x8xf32>) -> tensor<5xf32> {
  // expected-error @+1 {{result must have the last axes of 'tensor<?x5x8xf32>', one at least and not that of the images, but is 'tensor<5xf32>'}}
  %0 = kernel.sum_rows %x : tensor<?x5x8xf32> -> tensor<5xf32>
  return %0 : tensor<5xf32>
}

// -----

func.func @sums_of_no_images(%x: tensor<?x5x8xf32>) -> tensor<?x5x8xf32> {
  // expected-error @+1 {{result must have the last axes of 'tensor<?x5x8xf32>', one at least and not that of the images, but is 'tensor<?x5x8xf32>'}}
  %0 = kernel.sum_rows %x : tensor<?x5x8xf32> -> tensor<?x5x8xf32>
  return %0 : tensor<?x5x8xf32>
}

// -----

func.func @f(%qkv: tensor<?x17x18xbf16>, %u: tensor<?x17x6xf32>) -> tensor<?x17x18xf32> {
  // expected-error @+1 {{takes f32, or bf16 of heads of even width with a positive scale, but has 'tensor<?x17x18xbf16>', 2 heads and a scale of}}
  %y = kernel.attention_grad %qkv, %u {heads = 2 : i64, scale = 0.5 : f32} : tensor<?x17x18xbf16>, tensor<?x17x6xf32> -> tensor<?x17x18xf32>
  return %y : tensor<?x17x18xf32>
}
