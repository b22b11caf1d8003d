// RUN: vit-opt %s --vit-unfold-patches --mlir-print-debuginfo --mlir-print-local-scope | FileCheck %s

// Pixels that fill no patch are dropped: a grid of 2 x 2.
// CHECK-LABEL: func.func @patches
// CHECK-SAME: %[[X:[^:]*]]: tensor<?x2x7x5xf32>
// CHECK-SAME: %[[K:[^:]*]]: tensor<4x2x3x2xf32>
// CHECK-SAME: %[[B:[^:]*]]: tensor<4xf32>
func.func @patches(%x: tensor<?x2x7x5xf32>, %k: tensor<4x2x3x2xf32>, %b: tensor<4xf32>) -> (tensor<?x4x4xf32>, tensor<?x4x4xf32>) {
  // CHECK-NEXT: %[[ROWS:.*]] = vit.unfold_patches %[[X]] {patch = array<i64: 3, 2>} : tensor<?x2x7x5xf32> -> tensor<?x4x12xf32> loc("patch_embed.patches")
  // CHECK-NEXT: %[[MATRIX:.*]] = vit.reshape %[[K]] : tensor<4x2x3x2xf32> -> tensor<4x12xf32>
  // CHECK-NEXT: %[[Y:.*]] = vit.linear %[[ROWS]], %[[MATRIX]] bias(%[[B]] : tensor<4xf32>) : {{.*}} loc("patch_embed")
  %0 = vit.patchify %x, %k bias(%b : tensor<4xf32>) : tensor<?x2x7x5xf32>, tensor<4x2x3x2xf32> -> tensor<?x4x4xf32> loc("patch_embed")
  // CHECK: %[[Z:.*]] = vit.linear %{{[^ ]*}}, %{{[^ ]*}} : tensor<?x4x12xf32>, tensor<4x12xf32> -> tensor<?x4x4xf32>
  %1 = vit.patchify %x, %k : tensor<?x2x7x5xf32>, tensor<4x2x3x2xf32> -> tensor<?x4x4xf32>
  // CHECK: return %[[Y]], %[[Z]]
  return %0, %1 : tensor<?x4x4xf32>, tensor<?x4x4xf32>
}
