// RUN: vit-opt %s | vit-opt | FileCheck %s
// RUN: vit-opt %s --mlir-print-op-generic | vit-opt | FileCheck %s
// RUN: vit-opt %s --kernel-schedule=vector-lanes=16 | FileCheck %s --check-prefix=AVX512

// CHECK-LABEL: func.func @rows
func.func @rows(%x: tensor<?x5x8xf32>, %u: tensor<?x5x8xf32>, %g: tensor<8xf32>) -> tensor<?x5x8xf32> {
  // CHECK: kernel.normalize_grad %{{.*}}, %{{.*}} gain(%{{.*}} : tensor<8xf32>) residual(%{{.*}} : tensor<?x5x8xf32>)
  // CHECK-SAME: : tensor<?x5x8xf32> -> tensor<?x5x8xf32>, tensor<?x5x2xf32>
  %dx, %s = kernel.normalize_grad %x, %u gain(%g : tensor<8xf32>) residual(%u : tensor<?x5x8xf32>) {eps = 1.0e-6 : f32}
    : tensor<?x5x8xf32> -> tensor<?x5x8xf32>, tensor<?x5x2xf32>
  // CHECK: kernel.normalize_grad {{.*}}kind = #vit.norm<rms>
  // CHECK-SAME: : tensor<?x5x8xf32> -> tensor<?x5x8xf32>{{$}}
  %1 = kernel.normalize_grad %dx, %u {kind = #vit.norm<rms>, eps = 1.0e-6 : f32} : tensor<?x5x8xf32> -> tensor<?x5x8xf32>
  // CHECK: kernel.normalize_grad {{.*}} -> tensor<?x5x8xf32> rounded tensor<?x5x8xbf16>
  %2, %rounded = kernel.normalize_grad %dx, %u {eps = 1.0e-6 : f32} : tensor<?x5x8xf32> -> tensor<?x5x8xf32> rounded tensor<?x5x8xbf16>
  // CHECK: kernel.normalize_weight_grad %{{.*}}, %{{.*}}, %{{.*}} : tensor<?x5x8xf32>, tensor<?x5x2xf32> -> tensor<8xf32>, tensor<8xf32>
  // AVX512: kernel.normalize_weight_grad {{.*}}schedule = #kernel.row_schedule<rows_per_task = {{[0-9]+}}, vector = 16>
  %dg, %db = kernel.normalize_weight_grad %x, %u, %s : tensor<?x5x8xf32>, tensor<?x5x2xf32> -> tensor<8xf32>, tensor<8xf32>
  // CHECK: kernel.sum_rows %{{.*}} : tensor<?x5x8xf32> -> tensor<8xf32>
  %sum = kernel.sum_rows %1 : tensor<?x5x8xf32> -> tensor<8xf32>
  // CHECK: kernel.sum_rows %{{.*}} : tensor<?x5x8xf32> -> tensor<5x8xf32>
  %table = kernel.sum_rows %1 : tensor<?x5x8xf32> -> tensor<5x8xf32>
  return %1 : tensor<?x5x8xf32>
}

// CHECK-LABEL: func.func @attention
func.func @attention(%qkv: tensor<?x17x24xf32>, %u: tensor<?x17x8xf32>) -> tensor<?x17x24xf32> {
  // CHECK: kernel.attention %{{.*}} {heads = 2 : i64, scale = 5.000000e-01 : f32} : tensor<?x17x24xf32> -> tensor<?x17x8xf32>, tensor<?x2x17x32xf32>
  %y, %w = kernel.attention %qkv {heads = 2 : i64, scale = 0.5 : f32} : tensor<?x17x24xf32> -> tensor<?x17x8xf32>, tensor<?x2x17x32xf32>
  // CHECK: kernel.attention_grad %{{.*}}, %{{.*}} weights(%{{.*}} : tensor<?x2x17x32xf32>) {heads = 2 : i64
  // CHECK-SAME: : tensor<?x17x24xf32>, tensor<?x17x8xf32> -> tensor<?x17x24xf32>
  // AVX512: kernel.attention_grad {{.*}}schedule = #kernel.attention_schedule<rows = 6, vector = 16>
  %1 = kernel.attention_grad %qkv, %u weights(%w : tensor<?x2x17x32xf32>) {heads = 2 : i64, scale = 0.5 : f32}
    : tensor<?x17x24xf32>, tensor<?x17x8xf32> -> tensor<?x17x24xf32>
  // CHECK: kernel.attention_grad %{{.*}}, %{{.*}} {heads = 2 : i64
  %2 = kernel.attention_grad %1, %y {heads = 2 : i64, scale = 0.5 : f32}
    : tensor<?x17x24xf32>, tensor<?x17x8xf32> -> tensor<?x17x24xf32>
  return %2 : tensor<?x17x24xf32>
}

// CHECK-LABEL: func.func @attention_of_some
func.func @attention_of_some(%kv: tensor<?x17x16xbf16>, %q: tensor<?x2x8xbf16>, %u: tensor<?x2x8xf32>) -> (tensor<?x17x16xbf16>, tensor<?x2x8xf32>) {
  // CHECK: kernel.attention_grad %{{.*}}, %{{.*}} query(%{{.*}} : tensor<?x2x8xbf16>) {heads = 2 : i64
  // CHECK-SAME: : tensor<?x17x16xbf16>, tensor<?x2x8xf32> -> tensor<?x17x16xbf16>, tensor<?x2x8xf32>
  %0, %1 = kernel.attention_grad %kv, %u query(%q : tensor<?x2x8xbf16>) {heads = 2 : i64, scale = 0.5 : f32}
    : tensor<?x17x16xbf16>, tensor<?x2x8xf32> -> tensor<?x17x16xbf16>, tensor<?x2x8xf32>
  return %0, %1 : tensor<?x17x16xbf16>, tensor<?x2x8xf32>
}
