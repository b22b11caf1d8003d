// RUN: vit-opt %s --convert-vit-to-linalg --split-input-file | FileCheck %s
// RUN: vit-opt %s --convert-vit-to-linalg --split-input-file --mlir-print-debuginfo --mlir-print-local-scope | FileCheck %s --check-prefix=LAYER

// The numbers are checked by test/unit/vit; here, that nothing of vit is left but its weights, and whose names the results bear.

// The example of the pass's description.
// CHECK: #[[ID:.*]] = affine_map<(d0, d1, d2) -> (d0, d1, d2)>
// CHECK-LABEL: func @mul
//  CHECK-SAME: (%[[A:.*]]: tensor<?x5x8xf32>, %[[B:.*]]: tensor<?x5x8xf32>)
//       CHECK: %[[BATCH:.*]] = tensor.dim %[[A]], %{{.*}} : tensor<?x5x8xf32>
//       CHECK: %[[TO:.*]] = tensor.empty(%[[BATCH]]) : tensor<?x5x8xf32>
//       CHECK: linalg.generic {indexing_maps = [#[[ID]], #[[ID]], #[[ID]]], iterator_types = ["parallel", "parallel", "parallel"]}
//  CHECK-SAME:   ins(%[[A]], %[[B]] : tensor<?x5x8xf32>, tensor<?x5x8xf32>) outs(%[[TO]] : tensor<?x5x8xf32>)
//       CHECK:   %[[PRODUCT:.*]] = arith.mulf
//  CHECK-NEXT:   linalg.yield %[[PRODUCT]] : f32
func.func @mul(%a: tensor<?x5x8xf32>, %b: tensor<?x5x8xf32>) -> tensor<?x5x8xf32> {
  %y = vit.mul %a, %b : tensor<?x5x8xf32>
  return %y : tensor<?x5x8xf32>
}

// -----

// The image is read in place, at row * 4 + y and column * 2 + x; no copy with patches as rows is made.
// CHECK-DAG: #[[IMAGE:.*]] = affine_map<(d0, d1, d2, d3, d4, d5, d6) -> (d0, d4, d1 * 4 + d5, d2 * 2 + d6)>
// CHECK-DAG: #[[KERNEL:.*]] = affine_map<(d0, d1, d2, d3, d4, d5, d6) -> (d3, d4, d5, d6)>
// CHECK-LABEL: func @patchify
//       CHECK: linalg.generic {indexing_maps = [#[[IMAGE]], #[[KERNEL]], #{{.*}}], iterator_types = ["parallel", "parallel", "parallel", "parallel", "reduction", "reduction", "reduction"]}
//       CHECK: tensor.collapse_shape %{{.*}} {{\[\[}}0], [1, 2], [3]] : tensor<?x2x4x6xf32> into tensor<?x8x6xf32>
func.func @patchify(%images: tensor<?x3x9x8xf32>, %kernel: tensor<6x3x4x2xf32>) -> tensor<?x8x6xf32> {
  %y = vit.patchify %images, %kernel : tensor<?x3x9x8xf32>, tensor<6x3x4x2xf32> -> tensor<?x8x6xf32>
  return %y : tensor<?x8x6xf32>
}

// -----

// A static batch needs no tensor.dim.
// CHECK-LABEL: func @one_image
//   CHECK-NOT: tensor.dim
//   CHECK-NOT: vit.
//       CHECK: math.exp
//   CHECK-NOT: tensor.dim
//   CHECK-NOT: vit.
//       CHECK: return
func.func @one_image(%qkv: tensor<1x5x12xf32>) -> tensor<1x5x4xf32> {
  %y = vit.sdpa %qkv {heads = 2 : i64, scale = 0.5 : f32} : tensor<1x5x12xf32> -> tensor<1x5x4xf32>
  return %y : tensor<1x5x4xf32>
}

// -----

// CHECK-LABEL: func @weights_stay
//       CHECK: %[[W:.*]] = vit.weight @head.weight : tensor<3x4xf32>
//   CHECK-NOT: vit.
//       CHECK: return
// LAYER-LABEL: func @weights_stay
func.func @weights_stay(%x: tensor<?x4xf32>) -> tensor<?x3xf32> {
  %w = vit.weight @head.weight : tensor<3x4xf32>
  %y = vit.linear %x, %w : tensor<?x4xf32>, tensor<3x4xf32> -> tensor<?x3xf32>
  return %y : tensor<?x3xf32>
}

// -----

// Composite operations are taken apart on the way; each part's name ends with its own, the last keeps the composite's.
// CHECK-LABEL: func @composites
//   CHECK-NOT: vit.
//       CHECK: return
// LAYER-LABEL: func @composites
//       LAYER: arith.divf {{.*}} loc("blocks.0.attn.heads")
//       LAYER: linalg.yield {{.*}} loc("blocks.0.attn")
//       LAYER: arith.maximumf {{.*}} loc("blocks.0.mlp.act")
//       LAYER: linalg.yield {{.*}} loc("blocks.0.mlp")
func.func @composites(%x: tensor<?x5x4xf32>, %w: tensor<12x4xf32>, %p: tensor<4x4xf32>, %fc2: tensor<4x12xf32>) -> tensor<?x5x4xf32> {
  %a = vit.attention %x qkv(%w : tensor<12x4xf32>) proj(%p : tensor<4x4xf32>) {heads = 2 : i64, scale = 1.0 : f32}
    : tensor<?x5x4xf32> -> tensor<?x5x4xf32> loc("blocks.0.attn")
  %m = vit.mlp %a fc1(%w : tensor<12x4xf32>) fc2(%fc2 : tensor<4x12xf32>) {activation = #vit.activation<relu>}
    : tensor<?x5x4xf32> -> tensor<?x5x4xf32> loc("blocks.0.mlp")
  return %m : tensor<?x5x4xf32>
}
