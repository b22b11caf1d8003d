// RUN: vit-opt %s --kernel-reduce-precision="int8=true bf16-products=true" | FileCheck %s

// Ranges of layers that images gave. The zero point is where zero lies: between -0.5 and 12.25 it is byte 10, a byte is 0.05.
module attributes {kernel.ranges = {heads = array<f32: -1.0, 1.55, 0.9>, hidden = array<f32: -0.5, 12.25, 4.3>, late = array<f32: 3.0, 5.1, 5.0>, wild = array<f32: -1.0, 0x7F800000, 1.0>, uneven = array<f32: -0.5, 12.25, 4.2>}} {

// What a product or attention computes for products alone is bytes at once, and those need no scales of each row.
// CHECK-LABEL: func.func @known
func.func @known(%x: tensor<?x5x24xf32>, %p: tensor<12x8xf32>, %w: tensor<8x12xf32>, %r: tensor<?x5x8xf32>) -> tensor<?x5x8xf32> {
  // CHECK: %[[A:.*]] = kernel.attention %{{.*}}result_grid = array<f32: 0.00999999977, 1.000000e+02>{{.*}} : tensor<?x5x24xbf16> -> tensor<?x5x8xi8>
  %0 = kernel.attention %x {heads = 2 : i64, scale = 1.0 : f32} : tensor<?x5x24xf32> -> tensor<?x5x8xf32> loc("heads")
  // CHECK-NOT: kernel.quantize %
  // CHECK: %[[H:.*]] = kernel.gemm %[[A]], %{{[^ ]*}} column_scales({{.*}}input_grid = array<f32: 0.00999999977, 1.000000e+02>, result_grid = array<f32: 5.000000e-02, 1.000000e+01>} : {{.*}} -> tensor<?x5x12xi8>
  %1 = kernel.gemm %0, %p {activation = #vit.activation<gelu_erf>} : tensor<?x5x8xf32>, tensor<12x8xf32> -> tensor<?x5x12xf32> loc("hidden")
  // CHECK: kernel.gemm %[[H]], %{{[^ ]*}} residual(%arg3 : tensor<?x5x8xf32>) column_scales({{.*}}input_grid = array<f32: 5.000000e-02, 1.000000e+01>} : {{.*}} -> tensor<?x5x8xf32>
  %2 = kernel.gemm %1, %w residual(%r : tensor<?x5x8xf32>) : tensor<?x5x12xf32>, tensor<8x12xf32> -> tensor<?x5x8xf32>
  %3 = kernel.normalize %2 {eps = 1.0e-6 : f32} : tensor<?x5x8xf32> -> tensor<?x5x8xf32>
  return %3 : tensor<?x5x8xf32>
}

// A range is widened to hold zero. One that is none, one that is wide beside those of most rows, and layers without one are quantized row by row.
// CHECK-LABEL: func.func @others
func.func @others(%x: tensor<?x5x8xf32>, %w: tensor<8x8xf32>) -> tensor<?x5x8xf32> {
  // CHECK: kernel.quantize %arg0
  // CHECK: kernel.gemm {{.*}}result_grid = array<f32: 2.000000e-02, 0.000000e+00>}
  %0 = kernel.gemm %x, %w : tensor<?x5x8xf32>, tensor<8x8xf32> -> tensor<?x5x8xf32> loc("late")
  // CHECK: %[[W:.*]] = kernel.gemm {{.*}} -> tensor<?x5x8xbf16>
  // CHECK: kernel.quantize %[[W]]
  %1 = kernel.gemm %0, %w : tensor<?x5x8xf32>, tensor<8x8xf32> -> tensor<?x5x8xf32> loc("wild")
  // CHECK: %[[U:.*]] = kernel.gemm {{.*}} row_scales({{.*}} -> tensor<?x5x8xbf16>
  // CHECK: kernel.quantize %[[U]]
  %2 = kernel.gemm %1, %w : tensor<?x5x8xf32>, tensor<8x8xf32> -> tensor<?x5x8xf32> loc("unknown")
  // CHECK: %[[T:.*]] = kernel.gemm {{.*}} row_scales({{.*}} -> tensor<?x5x8xbf16>
  // CHECK: kernel.quantize %[[T]]
  %3 = kernel.gemm %2, %w : tensor<?x5x8xf32>, tensor<8x8xf32> -> tensor<?x5x8xf32> loc("uneven")
  %4 = kernel.gemm %3, %w : tensor<?x5x8xf32>, tensor<8x8xf32> -> tensor<?x5x8xf32>
  %5 = kernel.normalize %4 {eps = 1.0e-6 : f32} : tensor<?x5x8xf32> -> tensor<?x5x8xf32>
  return %5 : tensor<?x5x8xf32>
}

}
