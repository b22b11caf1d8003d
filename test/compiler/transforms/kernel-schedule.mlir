// RUN: vit-opt %s --kernel-schedule | FileCheck %s --check-prefixes=CHECK,LANES16
// RUN: vit-opt %s --kernel-schedule="vector-lanes=8" | FileCheck %s --check-prefixes=CHECK,LANES8
// RUN: not vit-opt %s --kernel-schedule="vector-lanes=5" 2>&1 | FileCheck %s --check-prefix=WRONG
// WRONG: vector-lanes must be 16, 8 or 4, not 5

// CHECK-LABEL: func.func @product
func.func @product(%x: tensor<?x197x192xf32>, %w: tensor<200x192xf32>) -> tensor<?x197x200xf32> {
  // The last panel of 200 columns is padded.
  // LANES16: kernel.pack %{{.*}} : tensor<200x192xf32> -> tensor<1x4x192x64xf32>
  // LANES16: kernel.gemm {{.*}}rows = 6, columns = 64, k_block = 192, row_block = 198, prefetch = 8, vector = 16
  // LANES8: kernel.pack %{{.*}} : tensor<200x192xf32> -> tensor<1x13x192x16xf32>
  // LANES8: kernel.gemm {{.*}}rows = 6, columns = 16, {{.*}} vector = 8
  %0 = kernel.gemm %x, %w : tensor<?x197x192xf32>, tensor<200x192xf32> -> tensor<?x197x200xf32>
  return %0 : tensor<?x197x200xf32>
}

// A deep product is split evenly: 1280 = 2 * 640.
// CHECK-LABEL: func.func @deep
func.func @deep(%x: tensor<?x5x1280xf32>, %w: tensor<64x1280xf32>) -> tensor<?x5x64xf32> {
  // LANES16: kernel.pack %{{.*}} -> tensor<2x1x640x64xf32>
  %0 = kernel.gemm %x, %w : tensor<?x5x1280xf32>, tensor<64x1280xf32> -> tensor<?x5x64xf32>
  return %0 : tensor<?x5x64xf32>
}

// An image with fewer rows than a tile has a lower one, and the same packing.
// CHECK-LABEL: func.func @one_row
func.func @one_row(%x: tensor<?x1x64xf32>, %y: tensor<?x64xf32>, %w: tensor<64x64xf32>) -> (tensor<?x1x64xf32>, tensor<?x64xf32>) {
  // LANES16: kernel.pack %{{.*}} -> tensor<1x1x64x64xf32>
  // CHECK: kernel.gemm {{.*}}gemm_schedule<rows = 1,
  // CHECK: kernel.gemm {{.*}}gemm_schedule<rows = 1,
  %0 = kernel.gemm %x, %w : tensor<?x1x64xf32>, tensor<64x64xf32> -> tensor<?x1x64xf32>
  %1 = kernel.gemm %y, %w : tensor<?x64xf32>, tensor<64x64xf32> -> tensor<?x64xf32>
  return %0, %1 : tensor<?x1x64xf32>, tensor<?x64xf32>
}

// What has a schedule keeps it.
// CHECK-LABEL: func.func @scheduled
func.func @scheduled(%x: tensor<?x5x8xf32>) -> tensor<?x5x8xf32> {
  // CHECK: kernel.normalize {{.*}}#kernel.row_schedule<rows_per_task = 3, vector = 4>
  %0 = kernel.normalize %x {eps = 1.0e-6 : f32, schedule = #kernel.row_schedule<rows_per_task = 3, vector = 4>} : tensor<?x5x8xf32> -> tensor<?x5x8xf32>
  return %0 : tensor<?x5x8xf32>
}
