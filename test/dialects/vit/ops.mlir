// RUN: vit-opt %s | vit-opt | FileCheck %s
// RUN: vit-opt %s --mlir-print-op-generic | vit-opt | FileCheck %s

// CHECK-LABEL: func @weights
func.func @weights() -> tensor<6x4xf32> {
  // CHECK: vit.weight @blocks.0.attn.query.weight : tensor<2x1x4xf32>
  %q = vit.weight @blocks.0.attn.query.weight : tensor<2x1x4xf32>
  // CHECK: vit.reshape %{{[^ ]*}} : tensor<2x1x4xf32> -> tensor<2x4xf32>
  %q2 = vit.reshape %q : tensor<2x1x4xf32> -> tensor<2x4xf32>
  // CHECK: vit.zeros : tensor<2x4xf32>
  %k = vit.zeros : tensor<2x4xf32>
  // CHECK: vit.concat %{{[^:]*}} : (tensor<2x4xf32>, tensor<2x4xf32>, tensor<2x4xf32>) -> tensor<6x4xf32>
  %qkv = vit.concat %q2, %k, %q2 : (tensor<2x4xf32>, tensor<2x4xf32>, tensor<2x4xf32>) -> tensor<6x4xf32>
  // CHECK: vit.scale_rows %{{[^ ]*}} {factor = 5.000000e-01 : f32, rows = 2 : i64} : tensor<6x4xf32>
  %scaled = vit.scale_rows %qkv {rows = 2 : i64, factor = 0.5 : f32} : tensor<6x4xf32>
  %gain = vit.weight @blocks.0.norm1.weight : tensor<4xf32>
  // CHECK: vit.scale %{{[^ ]*}} by %{{[^ ]*}} {axis = 1 : i64} : tensor<6x4xf32>, tensor<4xf32>
  %folded = vit.scale %scaled by %gain {axis = 1 : i64} : tensor<6x4xf32>, tensor<4xf32>
  // CHECK: vit.add %{{[^ ]*}}, %{{[^ ]*}} : tensor<6x4xf32>, tensor<4xf32> -> tensor<6x4xf32>
  %sum = vit.add %folded, %gain : tensor<6x4xf32>, tensor<4xf32> -> tensor<6x4xf32>
  // CHECK: vit.matvec %{{[^ ]*}}, %{{[^ ]*}} : tensor<6x4xf32>, tensor<4xf32> -> tensor<6xf32>
  %carried = vit.matvec %sum, %gain : tensor<6x4xf32>, tensor<4xf32> -> tensor<6xf32>
  // CHECK: vit.slice_rows %{{[^ ]*}} {first = 2 : i64} : tensor<6xf32> -> tensor<3xf32>
  %slice = vit.slice_rows %carried {first = 2 : i64} : tensor<6xf32> -> tensor<3xf32>
  return %sum : tensor<6x4xf32>
}

// CHECK-LABEL: func @tokens
func.func @tokens(%images: tensor<?x3x9x8xf32>, %kernel: tensor<4x3x4x4xf32>, %bias: tensor<4xf32>, %cls: tensor<1x4xf32>, %reg: tensor<2x4xf32>,
                  %all: tensor<7x4xf32>, %some: tensor<4x4xf32>) -> tensor<?x4xf32> {
  // CHECK: vit.patchify %{{[^ ]*}}, %{{[^ ]*}} bias(%{{[^ ]*}} : tensor<4xf32>) : tensor<?x3x9x8xf32>, tensor<4x3x4x4xf32> -> tensor<?x4x4xf32>
  %patches = vit.patchify %images, %kernel bias(%bias : tensor<4xf32>) : tensor<?x3x9x8xf32>, tensor<4x3x4x4xf32> -> tensor<?x4x4xf32>
  // CHECK: vit.patchify %{{[^ ]*}}, %{{[^ ]*}} : tensor<?x3x9x8xf32>
  %plain = vit.patchify %images, %kernel : tensor<?x3x9x8xf32>, tensor<4x3x4x4xf32> -> tensor<?x4x4xf32>
  // CHECK: vit.embed %{{[^ ]*}} prefix(%{{[^ ]*}}, %{{[^ ]*}} : tensor<1x4xf32>, tensor<2x4xf32>) position(%{{[^ ]*}} : tensor<7x4xf32>) : tensor<?x4x4xf32> -> tensor<?x7x4xf32>
  %a = vit.embed %patches prefix(%cls, %reg : tensor<1x4xf32>, tensor<2x4xf32>) position(%all : tensor<7x4xf32>) : tensor<?x4x4xf32> -> tensor<?x7x4xf32>
  // CHECK: vit.embed %{{[^ ]*}} position(%{{[^ ]*}} : tensor<4x4xf32>) {patches_only} : tensor<?x4x4xf32> -> tensor<?x4x4xf32>
  %b = vit.embed %plain position(%some : tensor<4x4xf32>) {patches_only} : tensor<?x4x4xf32> -> tensor<?x4x4xf32>
  // CHECK: vit.pool %{{[^ ]*}} {kind = #vit.pool<token>} : tensor<?x7x4xf32> -> tensor<?x4xf32>
  %row = vit.pool %a {kind = #vit.pool<token>} : tensor<?x7x4xf32> -> tensor<?x4xf32>
  // CHECK: vit.pool %{{[^ ]*}} {index = 1 : i64, kind = #vit.pool<avg>} : tensor<?x4x4xf32> -> tensor<?x4xf32>
  %mean = vit.pool %b {kind = #vit.pool<avg>, index = 1 : i64} : tensor<?x4x4xf32> -> tensor<?x4xf32>
  return %row : tensor<?x4xf32>
}

// CHECK-LABEL: func @parts
func.func @parts(%x: tensor<?x5x4xf32>, %v: tensor<4xf32>, %w: tensor<12x4xf32>, %b: tensor<12xf32>, %bias: tensor<2x5x5xf32>, %h: tensor<2xf32>,
                 %table: tensor<4x2xf32>, %own: tensor<?x2x6xf32>) -> tensor<?x5x4xf32> {
  // CHECK: vit.normalize %{{[^ ]*}} gain(%{{[^ ]*}} : tensor<4xf32>) shift(%{{[^ ]*}} : tensor<4xf32>) {eps = {{.*}} : f32} : tensor<?x5x4xf32>
  %n = vit.normalize %x gain(%v : tensor<4xf32>) shift(%v : tensor<4xf32>) {eps = 1.0e-6 : f32} : tensor<?x5x4xf32>
  // CHECK: vit.normalize %{{[^ ]*}} {eps = {{.*}} : f32, kind = #vit.norm<rms>} : tensor<?x5x4xf32>
  %r = vit.normalize %n {eps = 1.0e-6 : f32, kind = #vit.norm<rms>} : tensor<?x5x4xf32>
  // CHECK: vit.linear %{{[^ ]*}}, %{{[^ ]*}} bias(%{{[^ ]*}} : tensor<12xf32>) {activation = #vit.activation<gelu_erf>} : tensor<?x5x4xf32>, tensor<12x4xf32> -> tensor<?x5x12xf32>
  %qkv = vit.linear %r, %w bias(%b : tensor<12xf32>) {activation = #vit.activation<gelu_erf>} : tensor<?x5x4xf32>, tensor<12x4xf32> -> tensor<?x5x12xf32>
  // CHECK: vit.linear %{{[^ ]*}}, %{{[^ ]*}} residual(%{{[^ ]*}} : tensor<?x5x12xf32>) : tensor<?x5x4xf32>, tensor<12x4xf32> -> tensor<?x5x12xf32>
  %again = vit.linear %r, %w residual(%qkv : tensor<?x5x12xf32>) : tensor<?x5x4xf32>, tensor<12x4xf32> -> tensor<?x5x12xf32>
  // CHECK: vit.head_normalize %{{[^ ]*}} q_gain(%{{[^ ]*}} : tensor<2xf32>) k_gain(%{{[^ ]*}} : tensor<2xf32>) {eps = {{.*}} : f32, heads = 2 : i64} : tensor<?x5x12xf32>
  %hn = vit.head_normalize %again q_gain(%h : tensor<2xf32>) k_gain(%h : tensor<2xf32>) {eps = 1.0e-6 : f32, heads = 2 : i64} : tensor<?x5x12xf32>
  // CHECK: vit.rotary %{{[^ ]*}} sin(%{{[^ ]*}} : tensor<4x2xf32>) cos(%{{[^ ]*}} : tensor<4x2xf32>) {heads = 2 : i64, layout = #vit.rotary_layout<halves>, prefix = 1 : i64} : tensor<?x5x12xf32>
  %turned = vit.rotary %hn sin(%table : tensor<4x2xf32>) cos(%table : tensor<4x2xf32>) {heads = 2 : i64, prefix = 1 : i64, layout = #vit.rotary_layout<halves>} : tensor<?x5x12xf32>
  // CHECK: vit.sdpa %{{[^ ]*}} bias(%{{[^ ]*}} : tensor<2x5x5xf32>) {heads = 2 : i64, scale = 1.250000e-01 : f32} : tensor<?x5x12xf32> -> tensor<?x5x4xf32>
  %heads = vit.sdpa %turned bias(%bias : tensor<2x5x5xf32>) {heads = 2 : i64, scale = 0.125 : f32} : tensor<?x5x12xf32> -> tensor<?x5x4xf32>
  // CHECK: vit.sdpa %{{[^ ]*}} {first_query = 1 : i64, heads = 2 : i64, scale = 1.250000e-01 : f32} : tensor<?x5x12xf32> -> tensor<?x2x4xf32>
  %some = vit.sdpa %turned {heads = 2 : i64, scale = 0.125 : f32, first_query = 1 : i64} : tensor<?x5x12xf32> -> tensor<?x2x4xf32>
  // CHECK: vit.sdpa %{{[^ ]*}} query(%{{[^ ]*}} : tensor<?x2x6xf32>) {heads = 3 : i64, scale = 1.250000e-01 : f32} : tensor<?x5x12xf32> -> tensor<?x2x6xf32>
  %apart = vit.sdpa %turned query(%own : tensor<?x2x6xf32>) {heads = 3 : i64, scale = 0.125 : f32} : tensor<?x5x12xf32> -> tensor<?x2x6xf32>
  // CHECK: vit.attention_probabilities %{{[^ ]*}} bias(%{{[^ ]*}} : tensor<2x5x5xf32>) {heads = 2 : i64, scale = 1.250000e-01 : f32} : tensor<?x5x12xf32> -> tensor<?x2x5x5xf32>
  %shares = vit.attention_probabilities %turned bias(%bias : tensor<2x5x5xf32>) {heads = 2 : i64, scale = 0.125 : f32} : tensor<?x5x12xf32> -> tensor<?x2x5x5xf32>
  // CHECK: vit.activation %{{[^ ]*}} {kind = #vit.activation<silu>} : tensor<?x5x4xf32>
  %act = vit.activation %heads {kind = #vit.activation<silu>} : tensor<?x5x4xf32>
  // CHECK: vit.mul %{{[^ ]*}}, %{{[^ ]*}} : tensor<?x5x4xf32>
  %gated = vit.mul %act, %heads : tensor<?x5x4xf32>
  // CHECK: vit.residual %{{[^ ]*}}, %{{[^ ]*}} gamma(%{{[^ ]*}} : tensor<4xf32>) : tensor<?x5x4xf32>
  %sum = vit.residual %x, %gated gamma(%v : tensor<4xf32>) : tensor<?x5x4xf32>
  return %sum : tensor<?x5x4xf32>
}

// CHECK-LABEL: func @composites
func.func @composites(%x: tensor<?x5x4xf32>, %w: tensor<12x4xf32>, %b: tensor<12xf32>, %p: tensor<4x4xf32>, %v: tensor<4xf32>, %h: tensor<2xf32>,
                      %table: tensor<4x2xf32>, %bias: tensor<2x5x5xf32>, %fc2: tensor<4x12xf32>) -> tensor<?x5x4xf32> {
  // CHECK: vit.attention %{{[^ ]*}} qkv(%{{[^ ]*}} : tensor<12x4xf32>) proj(%{{[^ ]*}} : tensor<4x4xf32>) {heads = 2 : i64, scale = 1.000000e+00 : f32} : tensor<?x5x4xf32> -> tensor<?x5x4xf32>
  %a = vit.attention %x qkv(%w : tensor<12x4xf32>) proj(%p : tensor<4x4xf32>) {heads = 2 : i64, scale = 1.0 : f32} : tensor<?x5x4xf32> -> tensor<?x5x4xf32>
  // CHECK: vit.attention %{{[^ ]*}} {{.*}} -> tensor<?x5x4xf32>, tensor<?x2x5x5xf32>
  %both, %shares = vit.attention %x qkv(%w : tensor<12x4xf32>) proj(%p : tensor<4x4xf32>) {heads = 2 : i64, scale = 1.0 : f32} : tensor<?x5x4xf32> -> tensor<?x5x4xf32>, tensor<?x2x5x5xf32>
  // CHECK: vit.attention %{{[^ ]*}} qkv(%{{[^ ]*}} : tensor<12x4xf32>, %{{[^ ]*}} : tensor<12xf32>) q_norm(%{{[^ ]*}} : tensor<2xf32>, %{{[^ ]*}} : tensor<2xf32>)
  // CHECK-SAME: k_norm(%{{[^ ]*}} : tensor<2xf32>) rotary(%{{[^ ]*}} : tensor<4x2xf32>, %{{[^ ]*}} : tensor<4x2xf32>) position_bias(%{{[^ ]*}} : tensor<2x5x5xf32>)
  // CHECK-SAME: norm(%{{[^ ]*}} : tensor<4xf32>) proj(%{{[^ ]*}} : tensor<4x4xf32>, %{{[^ ]*}} : tensor<4xf32>)
  // CHECK-SAME: {heads = 2 : i64, norm_kind = #vit.norm<rms>, prefix = 1 : i64, scale = 1.000000e+00 : f32}
  %full = vit.attention %a qkv(%w : tensor<12x4xf32>, %b : tensor<12xf32>) q_norm(%h : tensor<2xf32>, %h : tensor<2xf32>) k_norm(%h : tensor<2xf32>)
    rotary(%table : tensor<4x2xf32>, %table : tensor<4x2xf32>) position_bias(%bias : tensor<2x5x5xf32>) norm(%v : tensor<4xf32>)
    proj(%p : tensor<4x4xf32>, %v : tensor<4xf32>) {heads = 2 : i64, scale = 1.0 : f32, prefix = 1 : i64, norm_kind = #vit.norm<rms>} : tensor<?x5x4xf32> -> tensor<?x5x4xf32>
  // CHECK: vit.mlp %{{[^ ]*}} fc1(%{{[^ ]*}} : tensor<12x4xf32>, %{{[^ ]*}} : tensor<12xf32>) fc2(%{{[^ ]*}} : tensor<4x12xf32>, %{{[^ ]*}} : tensor<4xf32>) {activation = #vit.activation<gelu_tanh>} : tensor<?x5x4xf32> -> tensor<?x5x4xf32>
  %m = vit.mlp %full fc1(%w : tensor<12x4xf32>, %b : tensor<12xf32>) fc2(%fc2 : tensor<4x12xf32>, %v : tensor<4xf32>)
    {activation = #vit.activation<gelu_tanh>} : tensor<?x5x4xf32> -> tensor<?x5x4xf32>
  // CHECK: vit.mlp %{{[^ ]*}} fc1(%{{[^ ]*}} : tensor<12x4xf32>) gate(%{{[^ ]*}} : tensor<12x4xf32>, %{{[^ ]*}} : tensor<12xf32>) norm(%{{[^ ]*}} : tensor<12xf32>, %{{[^ ]*}} : tensor<12xf32>) fc2(%{{[^ ]*}} : tensor<4x12xf32>)
  %g = vit.mlp %m fc1(%w : tensor<12x4xf32>) gate(%w : tensor<12x4xf32>, %b : tensor<12xf32>) norm(%b : tensor<12xf32>, %b : tensor<12xf32>)
    fc2(%fc2 : tensor<4x12xf32>) {activation = #vit.activation<silu>} : tensor<?x5x4xf32> -> tensor<?x5x4xf32>
  return %g : tensor<?x5x4xf32>
}

// CHECK-LABEL: func @stem
func.func @stem(%x: tensor<?x3x32x32xf32>, %w: tensor<8x3x7x7xf32>, %v: tensor<8xf32>, %q: tensor<1x4xf32>, %kv: tensor<?x5x8xf32>) -> tensor<?x8x8x8xf32> {
  // CHECK: vit.standardize %{{[^ ]*}} {eps = {{.*}} : f32, eps_on_deviation} : tensor<8x3x7x7xf32>
  %k = vit.standardize %w {eps = 1.0e-5 : f32, eps_on_deviation} : tensor<8x3x7x7xf32>
  // CHECK: vit.conv %{{[^ ]*}}, %{{[^ ]*}} bias(%{{[^ ]*}} : tensor<8xf32>) {padding = array<i64: 2, 3, 2, 3>, stride = array<i64: 2, 2>} : tensor<?x3x32x32xf32>, tensor<8x3x7x7xf32> -> tensor<?x8x16x16xf32>
  %c = vit.conv %x, %k bias(%v : tensor<8xf32>) {stride = array<i64: 2, 2>, padding = array<i64: 2, 3, 2, 3>}
    : tensor<?x3x32x32xf32>, tensor<8x3x7x7xf32> -> tensor<?x8x16x16xf32>
  // CHECK: vit.group_norm %{{[^ ]*}} gain(%{{[^ ]*}} : tensor<8xf32>) shift(%{{[^ ]*}} : tensor<8xf32>) {eps = {{.*}} : f32, groups = 4 : i64} : tensor<?x8x16x16xf32>
  %n = vit.group_norm %c gain(%v : tensor<8xf32>) shift(%v : tensor<8xf32>) {groups = 4 : i64, eps = 1.0e-6 : f32} : tensor<?x8x16x16xf32>
  // CHECK: vit.activation %{{[^ ]*}} {kind = #vit.activation<relu>} : tensor<?x8x16x16xf32>
  %a = vit.activation %n {kind = #vit.activation<relu>} : tensor<?x8x16x16xf32>
  // CHECK: vit.max_pool %{{[^ ]*}} {padding = array<i64: 0, 1, 0, 1>, stride = array<i64: 2, 2>, window = array<i64: 3, 3>} : tensor<?x8x16x16xf32> -> tensor<?x8x8x8xf32>
  %p = vit.max_pool %a {window = array<i64: 3, 3>, stride = array<i64: 2, 2>, padding = array<i64: 0, 1, 0, 1>} : tensor<?x8x16x16xf32> -> tensor<?x8x8x8xf32>
  // CHECK: vit.attention_pool %{{[^ ]*}}, %{{[^ ]*}} {heads = 2 : i64, scale = 5.000000e-01 : f32} : tensor<1x4xf32>, tensor<?x5x8xf32> -> tensor<?x1x4xf32>
  %m = vit.attention_pool %q, %kv {heads = 2 : i64, scale = 0.5 : f32} : tensor<1x4xf32>, tensor<?x5x8xf32> -> tensor<?x1x4xf32>
  return %p : tensor<?x8x8x8xf32>
}

// CHECK-LABEL: func.func @windows_and_heads
func.func @windows_and_heads(%x: tensor<?x6x12xf32>, %b: tensor<12xf32>, %r: tensor<2x3xf32>, %w: tensor<2x2xf32>, %v: tensor<2xf32>) -> tensor<?x8x4xf32> {
  // CHECK: vit.to_windows %{{[^ ]*}} fill(%{{[^ ]*}} : tensor<12xf32>) {grid = array<i64: 2, 3>, size = 2 : i64} : tensor<?x6x12xf32> -> tensor<?x8x12xf32>
  %windows = vit.to_windows %x fill(%b : tensor<12xf32>) {grid = array<i64: 2, 3>, size = 2 : i64} : tensor<?x6x12xf32> -> tensor<?x8x12xf32>
  // CHECK: vit.sdpa %{{[^ ]*}} decomposed(%{{[^ ]*}} : tensor<2x3xf32>, %{{[^ ]*}} : tensor<2x3xf32>) {heads = 2 : i64, scale = 5.000000e-01 : f32, windows = 2 : i64} : tensor<?x8x12xf32> -> tensor<?x8x4xf32>
  %heads = vit.sdpa %windows decomposed(%r : tensor<2x3xf32>, %r : tensor<2x3xf32>) {heads = 2 : i64, scale = 0.5 : f32, windows = 2 : i64} : tensor<?x8x12xf32> -> tensor<?x8x4xf32>
  // CHECK: vit.from_windows %{{[^ ]*}} {grid = array<i64: 2, 3>, size = 2 : i64} : tensor<?x8x4xf32> -> tensor<?x6x4xf32>
  %grid = vit.from_windows %heads {grid = array<i64: 2, 3>, size = 2 : i64} : tensor<?x8x4xf32> -> tensor<?x6x4xf32>
  // CHECK: vit.talking_heads %{{[^ ]*}} before(%{{[^ ]*}} : tensor<2x2xf32>, %{{[^ ]*}} : tensor<2xf32>) after(%{{[^ ]*}} : tensor<2x2xf32>, %{{[^ ]*}} : tensor<2xf32>) {heads = 2 : i64, scale = 5.000000e-01 : f32} : tensor<?x6x12xf32> -> tensor<?x6x4xf32>
  %talk = vit.talking_heads %x before(%w : tensor<2x2xf32>, %v : tensor<2xf32>) after(%w : tensor<2x2xf32>, %v : tensor<2xf32>) {heads = 2 : i64, scale = 0.5 : f32} : tensor<?x6x12xf32> -> tensor<?x6x4xf32>
  // CHECK: vit.slice_tokens %{{[^ ]*}} {first = 1 : i64} : tensor<?x6x4xf32> -> tensor<?x2x4xf32>
  %two = vit.slice_tokens %talk {first = 1 : i64} : tensor<?x6x4xf32> -> tensor<?x2x4xf32>
  // CHECK: vit.concat_tokens %{{[^ ]*}}, %{{[^ ]*}} : (tensor<?x2x4xf32>, tensor<?x6x4xf32>) -> tensor<?x8x4xf32>
  %all = vit.concat_tokens %two, %grid : (tensor<?x2x4xf32>, tensor<?x6x4xf32>) -> tensor<?x8x4xf32>
  return %all : tensor<?x8x4xf32>
}
