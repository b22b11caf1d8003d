// RUN: vit-opt %s --split-input-file --verify-diagnostics | vit-opt --split-input-file | FileCheck %s

// CHECK-LABEL: func.func @images
// CHECK: vit.normalize_images %{{.*}} {mean = array<f32: 5.000000e-01>, multiply, std = array<f32: 2.500000e-01>} : tensor<?x8x12x1xi8> -> tensor<?x1x8x12xf32>
func.func @images(%p: tensor<?x8x12x1xi8>) -> tensor<?x1x8x12xf32> {
  %x = vit.normalize_images %p {mean = array<f32: 0.5>, std = array<f32: 0.25>, multiply} : tensor<?x8x12x1xi8> -> tensor<?x1x8x12xf32>
  return %x : tensor<?x1x8x12xf32>
}

// -----

func.func @c1(%p: tensor<?x8x12x3xi8>) {
  // expected-error @+1 {{result}}
  %x = vit.normalize_images %p {mean = array<f32: 0.0, 0.0, 0.0>, std = array<f32: 1.0, 1.0, 1.0>} : tensor<?x8x12x3xi8> -> tensor<?x3x12x8xf32>
  return
}

// -----

func.func @c2_channels(%p: tensor<?x8x12x3xi8>) {
  // expected-error @+1 {{takes a mean and a standard deviation other than 0 for each of 3 channels}}
  %x = vit.normalize_images %p {mean = array<f32: 0.0>, std = array<f32: 1.0, 1.0, 1.0>} : tensor<?x8x12x3xi8> -> tensor<?x3x8x12xf32>
  return
}

// -----

func.func @c2_zero(%p: tensor<?x8x12x1xi8>) {
  // expected-error @+1 {{takes a mean and a standard deviation other than 0 for each of 1 channels}}
  %x = vit.normalize_images %p {mean = array<f32: 0.0>, std = array<f32: 0.0>} : tensor<?x8x12x1xi8> -> tensor<?x1x8x12xf32>
  return
}

// -----

func.func @pixels(%p: tensor<?x8x12x3xf32>) {
  // expected-error @+1 {{operand #0 must be pixels: an i8 tensor [B, H, W, C] of unsigned numbers, of which only the batch may be dynamic}}
  %x = vit.normalize_images %p {mean = array<f32: 0.0, 0.0, 0.0>, std = array<f32: 1.0, 1.0, 1.0>} : tensor<?x8x12x3xf32> -> tensor<?x3x8x12xf32>
  return
}
