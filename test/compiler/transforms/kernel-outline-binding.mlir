// RUN: vit-opt %s --kernel-outline-binding | FileCheck %s

// CHECK-LABEL: func.func @infer
func.func @infer(%x: tensor<?x8xf32>) -> tensor<?x10xf32> {
  // CHECK-NOT: vit.weight
  // CHECK: %[[W:.*]] = kernel.weight @head.weight : tensor<1x1x8x64xf32>
  // CHECK: %[[B:.*]] = kernel.weight @head.bias : tensor<10xf32>
  // CHECK: kernel.gemm %{{.*}}, %[[W]] bias(%[[B]] : tensor<10xf32>)
  %w = vit.weight @classifier.weight : tensor<10x8xf32>
  %g = vit.weight @norm.weight : tensor<8xf32>
  %b = vit.weight @classifier.bias : tensor<10xf32>
  %s = vit.scale %w by %g {axis = 1 : i64} : tensor<10x8xf32>, tensor<8xf32>
  %p = kernel.pack %s : tensor<10x8xf32> -> tensor<1x1x8x64xf32>
  %0 = kernel.gemm %x, %p bias(%b : tensor<10xf32>)
    {schedule = #kernel.gemm_schedule<rows = 6, columns = 64, k_block = 8, row_block = 198, prefetch = 8, vector = 16>}
    : tensor<?x8xf32>, tensor<1x1x8x64xf32> -> tensor<?x10xf32> loc("head")
  return %0 : tensor<?x10xf32>
}

// CHECK: kernel.binding @head.weight [@classifier.weight, @norm.weight] {
// CHECK-NEXT: ^bb0(%[[SW:.*]]: tensor<10x8xf32>, %[[SG:.*]]: tensor<8xf32>):
// CHECK-NEXT: %[[S:.*]] = vit.scale %[[SW]] by %[[SG]]
// CHECK-NEXT: %[[P:.*]] = kernel.pack %[[S]]
// CHECK-NEXT: kernel.yield %[[P]]
// CHECK: kernel.binding @head.bias [@classifier.bias] {
