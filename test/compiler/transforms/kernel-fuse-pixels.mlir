// RUN: vit-opt %s --split-input-file --verify-diagnostics --kernel-fuse-pixels | FileCheck %s

// The pictures are normalised by the product, whose weight has its columns in the order of pixels.
// CHECK-LABEL: func.func @fused(
// CHECK-SAME: %[[P:.*]]: tensor<?x8x12x3xi8>, %[[W:.*]]: tensor<5x48xf32>
// CHECK: %[[K:.*]] = vit.reshape %[[W]] : tensor<5x48xf32> -> tensor<5x3x4x4xf32>
// CHECK: %[[T:.*]] = vit.transpose %[[K]] {permutation = array<i64: 0, 2, 3, 1>} : tensor<5x3x4x4xf32> -> tensor<5x4x4x3xf32>
// CHECK: %[[V:.*]] = vit.reshape %[[T]] : tensor<5x4x4x3xf32> -> tensor<5x48xf32>
// CHECK-NOT: kernel.reference
// CHECK: kernel.pixel_embed %[[P]], %[[V]] {mean = array<f32: {{.*}}>, multiply, patch = array<i64: 4, 4>, std = array<f32: {{.*}}>}
func.func @fused(%p: tensor<?x8x12x3xi8>, %w: tensor<5x48xf32>) -> tensor<?x6x5xf32> {
  %x = kernel.reference %p : (tensor<?x8x12x3xi8>) -> tensor<?x3x8x12xf32> {
  ^bb0(%one: tensor<1x8x12x3xi8>):
    %0 = vit.normalize_images %one {mean = array<f32: 0.5, 0.25, 0.75>, std = array<f32: 0.5, 1.0, 2.0>, multiply} : tensor<1x8x12x3xi8> -> tensor<1x3x8x12xf32>
    kernel.yield %0 : tensor<1x3x8x12xf32>
  }
  %t = kernel.patch_embed %x, %w {patch = array<i64: 4, 4>} : tensor<?x3x8x12xf32>, tensor<5x48xf32> -> tensor<?x6x5xf32>
  return %t : tensor<?x6x5xf32>
}

// -----

// CHECK-LABEL: func.func @images(
// CHECK: kernel.patch_embed
func.func @images(%x: tensor<?x3x8x12xf32>, %w: tensor<5x48xf32>) -> tensor<?x6x5xf32> {
  %t = kernel.patch_embed %x, %w {patch = array<i64: 4, 4>} : tensor<?x3x8x12xf32>, tensor<5x48xf32> -> tensor<?x6x5xf32>
  return %t : tensor<?x6x5xf32>
}

// -----

func.func @weight(%p: tensor<?x8x12x3xi8>, %w: tensor<5x16xf32>) {
  // expected-error @+1 {{weight 'tensor<5x16xf32>' must have a row of 48 for each of 5 columns}}
  %t = kernel.pixel_embed %p, %w {patch = array<i64: 4, 4>, mean = array<f32: 0.0, 0.0, 0.0>, std = array<f32: 1.0, 1.0, 1.0>} : tensor<?x8x12x3xi8>, tensor<5x16xf32> -> tensor<?x6x5xf32>
  return
}

// -----

func.func @tokens(%p: tensor<?x8x12x3xi8>, %w: tensor<5x48xf32>) {
  // expected-error @+1 {{0 prefix tokens and 6 patches do not make 'tensor<?x7x5xf32>'}}
  %t = kernel.pixel_embed %p, %w {patch = array<i64: 4, 4>, mean = array<f32: 0.0, 0.0, 0.0>, std = array<f32: 1.0, 1.0, 1.0>} : tensor<?x8x12x3xi8>, tensor<5x48xf32> -> tensor<?x7x5xf32>
  return
}

// -----

func.func @channels(%p: tensor<?x8x12x3xi8>, %w: tensor<5x48xf32>) {
  // expected-error @+1 {{takes a mean and a standard deviation for each of 3 channels}}
  %t = kernel.pixel_embed %p, %w {patch = array<i64: 4, 4>, mean = array<f32: 0.0>, std = array<f32: 1.0, 1.0, 1.0>} : tensor<?x8x12x3xi8>, tensor<5x48xf32> -> tensor<?x6x5xf32>
  return
}
