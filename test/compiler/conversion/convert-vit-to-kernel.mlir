// RUN: vit-opt %s --convert-vit-to-kernel | FileCheck %s
// RUN: vit-opt %s --convert-vit-to-kernel="reference" | FileCheck %s --check-prefix=REFERENCE
// RUN: vit-opt %s --convert-vit-to-kernel --remarks-filter="kernel|fusion" -o /dev/null 2>&1 | FileCheck %s --check-prefix=REMARK

// CHECK-LABEL: func.func @tokens
// CHECK-SAME: %[[IMAGES:.*]]: tensor<?x1x8x8xf32>
// REFERENCE-LABEL: func.func @tokens
func.func @tokens(%images: tensor<?x1x8x8xf32>, %kernel: tensor<8x1x4x4xf32>, %bias: tensor<8xf32>, %cls: tensor<1x8xf32>,
                  %position: tensor<5x8xf32>) -> tensor<?x5x8xf32> {
  // The class token's position goes into the prefix, the projection's bias into the patches' positions.
  // CHECK-DAG: %[[FIRST:.*]] = vit.slice_rows %{{.*}} {first = 0 : i64} : tensor<5x8xf32> -> tensor<1x8xf32>
  // CHECK-DAG: %[[PREFIX:.*]] = vit.add %{{.*}}, %[[FIRST]]
  // CHECK-DAG: %[[REST:.*]] = vit.slice_rows %{{.*}} {first = 1 : i64} : tensor<5x8xf32> -> tensor<4x8xf32>
  // CHECK-DAG: %[[POSITION:.*]] = vit.add %[[REST]], %{{.*}} : tensor<4x8xf32>, tensor<8xf32>
  // CHECK-DAG: %[[MATRIX:.*]] = vit.reshape %{{.*}} : tensor<8x1x4x4xf32> -> tensor<8x16xf32>
  // CHECK: kernel.patch_embed %[[IMAGES]], %[[MATRIX]] position(%[[POSITION]] : tensor<4x8xf32>) prefix(%[[PREFIX]] : tensor<1x8xf32>) {patch = array<i64: 4, 4>}
  // CHECK-NOT: vit.patchify
  // REFERENCE: kernel.reference
  // REFERENCE: vit.patchify %{{.*}} : tensor<1x1x8x8xf32>, tensor<8x1x4x4xf32> -> tensor<1x4x8xf32>
  // REFERENCE: kernel.reference
  // REFERENCE: vit.embed
  // REMARK-DAG: [Passed] patch-embed | Category:fusion | Function=tokens | Remark="prefix tokens, positions and the projection's bias fused into the patches' product"
  %0 = vit.patchify %images, %kernel bias(%bias : tensor<8xf32>) : tensor<?x1x8x8xf32>, tensor<8x1x4x4xf32> -> tensor<?x4x8xf32>
  %1 = vit.embed %0 prefix(%cls : tensor<1x8xf32>) position(%position : tensor<5x8xf32>) : tensor<?x4x8xf32> -> tensor<?x5x8xf32>
  return %1 : tensor<?x5x8xf32>
}

// CHECK-LABEL: func.func @launches
func.func @launches(%x: tensor<?x5x8xf32>, %w: tensor<24x8xf32>) -> tensor<?x8xf32> {
  // CHECK: kernel.normalize
  // CHECK: kernel.gemm
  // CHECK: kernel.attention {{.*}} {heads = 2 : i64, scale = 5.000000e-01 : f32}
  // CHECK: kernel.reference %{{.*}} : (tensor<?x5x8xf32>) -> tensor<?x8xf32> {
  // CHECK-NEXT: ^bb0(%[[ONE:.*]]: tensor<1x5x8xf32>):
  // CHECK-NEXT: vit.pool %[[ONE]] {{.*}} : tensor<1x5x8xf32> -> tensor<1x8xf32>
  // REMARK-DAG: [Missed] reference | Category:kernel | Function=launches | Remark="vit.pool has no kernel of its own and runs by its reference lowering"
  %0 = vit.normalize %x {eps = 1.0e-6 : f32} : tensor<?x5x8xf32>
  %1 = vit.linear %0, %w : tensor<?x5x8xf32>, tensor<24x8xf32> -> tensor<?x5x24xf32>
  %2 = vit.sdpa %1 {heads = 2 : i64, scale = 0.5 : f32} : tensor<?x5x24xf32> -> tensor<?x5x8xf32>
  %3 = vit.pool %2 {kind = #vit.pool<token>} : tensor<?x5x8xf32> -> tensor<?x8xf32>
  return %3 : tensor<?x8xf32>
}

// A convolution reads its windows in place: where only products read them, they are not written.
// CHECK-LABEL: func.func @convolution
// CHECK-SAME: %[[X:.*]]: tensor<?x35x4xf32>
// REFERENCE-LABEL: func.func @convolution
func.func @convolution(%x: tensor<?x35x4xf32>, %w: tensor<8x36xf32>) -> tensor<?x12x8xf32> {
  // CHECK: %[[P:.*]] = kernel.pad_rows %[[X]] {grid = array<i64: 5, 7>, padding = array<i64: 1, 1, 1, 1>} : tensor<?x35x4xf32> -> tensor<?x63x4xf32>
  // CHECK: %[[Y:.*]] = kernel.gemm %[[P]], %{{.*}} {activation = #vit.activation<relu>, activation_last, window = #kernel.window<height = 7, width = 9, rows = 3, columns = 3, stride_y = 2, stride_x = 2>} : tensor<?x63x4xf32>, tensor<8x36xf32> -> tensor<?x12x8xf32>
  // CHECK: kernel.group_norm %[[Y]] {activation = #vit.activation<relu>
  // CHECK-NOT: vit.im2col
  // REFERENCE: vit.im2col
  %c = vit.im2col %x {grid = array<i64: 5, 7>, window = array<i64: 3, 3>, stride = array<i64: 2, 2>, padding = array<i64: 1, 1, 1, 1>}
    : tensor<?x35x4xf32> -> tensor<?x12x36xf32>
  %y = vit.linear %c, %w {activation = #vit.activation<relu>, activation_last} : tensor<?x12x36xf32>, tensor<8x36xf32> -> tensor<?x12x8xf32>
  %n = vit.group_norm_rows %y {activation = #vit.activation<relu>, groups = 2 : i64, eps = 1.0e-6 : f32} : tensor<?x12x8xf32>
  return %n : tensor<?x12x8xf32>
}
