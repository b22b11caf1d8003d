// RUN: vit-opt %s | vit-opt | FileCheck %s
// RUN: vit-opt %s --mlir-print-op-generic | vit-opt | FileCheck %s

// CHECK: kernel.binding @head.weight [@classifier.weight] {
// CHECK-NEXT: ^bb0(%[[W:.*]]: tensor<10x8xf32>):
// CHECK-NEXT: %[[P:.*]] = kernel.pack %[[W]] : tensor<10x8xf32> -> tensor<1x1x8x64xf32>
// CHECK-NEXT: kernel.yield %[[P]] : tensor<1x1x8x64xf32>
kernel.binding @head.weight [@classifier.weight] {
^bb0(%w: tensor<10x8xf32>):
  %p = kernel.pack %w : tensor<10x8xf32> -> tensor<1x1x8x64xf32>
  kernel.yield %p : tensor<1x1x8x64xf32>
}

// CHECK-LABEL: func.func @launches
func.func @launches(%images: tensor<?x1x8x8xf32>, %w: tensor<8x16xf32>, %rows: tensor<4x8xf32>, %cls: tensor<1x8xf32>, %qkv: tensor<24x8xf32>,
                    %b: tensor<24xf32>, %g: tensor<8xf32>, %bias: tensor<2x5x5xf32>, %kv: tensor<?x5x16xf32>) -> tensor<?x10xf32> {
  // CHECK: kernel.patch_embed %{{.*}}, %{{.*}} position(%{{.*}} : tensor<4x8xf32>) prefix(%{{.*}} : tensor<1x8xf32>) {patch = array<i64: 4, 4>}
  %0 = kernel.patch_embed %images, %w position(%rows : tensor<4x8xf32>) prefix(%cls : tensor<1x8xf32>) {patch = array<i64: 4, 4>}
    : tensor<?x1x8x8xf32>, tensor<8x16xf32> -> tensor<?x5x8xf32>
  // CHECK: kernel.normalize %{{.*}} gain(%{{.*}} : tensor<8xf32>) {eps = 9.99999997E-7 : f32, kind = #vit.norm<rms>}
  %1 = kernel.normalize %0 gain(%g : tensor<8xf32>) {eps = 1.0e-6 : f32, kind = #vit.norm<rms>} : tensor<?x5x8xf32> -> tensor<?x5x8xf32>
  // CHECK: kernel.gemm %{{.*}}, %{{.*}} bias(%{{.*}} : tensor<24xf32>) {activation = #vit.activation<relu>}
  %2 = kernel.gemm %1, %qkv bias(%b : tensor<24xf32>) {activation = #vit.activation<relu>} : tensor<?x5x8xf32>, tensor<24x8xf32> -> tensor<?x5x24xf32>
  // CHECK: kernel.attention %{{.*}} bias(%{{.*}} : tensor<2x5x5xf32>) {heads = 2 : i64, scale = 5.000000e-01 : f32, schedule = #kernel.attention_schedule<rows = 6, vector = 16>}
  %3 = kernel.attention %2 bias(%bias : tensor<2x5x5xf32>) {heads = 2 : i64, scale = 0.5 : f32, schedule = #kernel.attention_schedule<rows = 6, vector = 16>}
    : tensor<?x5x24xf32> -> tensor<?x5x8xf32>
  // CHECK: kernel.attention %{{.*}} {first_query = 2 : i64, heads = 2 : i64, scale = 5.000000e-01 : f32} : tensor<?x5x24xf32> -> tensor<?x1x8xf32>
  %some = kernel.attention %2 {heads = 2 : i64, scale = 0.5 : f32, first_query = 2 : i64} : tensor<?x5x24xf32> -> tensor<?x1x8xf32>
  // CHECK: kernel.attention %{{.*}} query(%{{.*}} : tensor<?x1x8xf32>) {heads = 2 : i64, scale = 5.000000e-01 : f32} : tensor<?x5x16xf32> -> tensor<?x1x8xf32>
  %apart = kernel.attention %kv query(%some : tensor<?x1x8xf32>) {heads = 2 : i64, scale = 0.5 : f32} : tensor<?x5x16xf32> -> tensor<?x1x8xf32>
  // CHECK: kernel.reference %{{.*}} : (tensor<?x5x8xf32>) -> tensor<?x8xf32> {
  %4 = kernel.reference %3 : (tensor<?x5x8xf32>) -> tensor<?x8xf32> {
  ^bb0(%one: tensor<1x5x8xf32>):
    %p = vit.pool %one {kind = #vit.pool<token>} : tensor<1x5x8xf32> -> tensor<1x8xf32>
    kernel.yield %p : tensor<1x8xf32>
  }
  // CHECK: kernel.weight @head.weight : tensor<1x1x8x64xf32>
  %h = kernel.weight @head.weight : tensor<1x1x8x64xf32>
  // CHECK: #kernel.gemm_schedule<rows = 6, columns = 64, k_block = 8, row_block = 198, prefetch = 8, vector = 16>
  %5 = kernel.gemm %4, %h {schedule = #kernel.gemm_schedule<rows = 6, columns = 64, k_block = 8, row_block = 198, prefetch = 8, vector = 16>}
    : tensor<?x8xf32>, tensor<1x1x8x64xf32> -> tensor<?x10xf32>
  return %5 : tensor<?x10xf32>
}
