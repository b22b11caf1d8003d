// RUN: vit-opt %s --kernel-reduce-precision="element=f16" | FileCheck %s --check-prefixes=CHECK -DE=f16
// RUN: vit-opt %s --kernel-reduce-precision="element=tf32" | FileCheck %s --check-prefixes=CHECK,WORDS -DE=tf32
// RUN: vit-opt %s --kernel-reduce-precision="element=tf32" --remarks-filter=precision -o /dev/null 2>&1 | FileCheck %s --check-prefix=REMARK
// RUN: not vit-opt %s --kernel-reduce-precision="element=f8" 2>&1 | FileCheck %s --check-prefix=UNKNOWN
// UNKNOWN: products of 'f8' are unknown; there are bf16, f16 and tf32

// Numbers of GPUs go where those of bf16 would.
// CHECK-LABEL: func.func @mlp
func.func @mlp(%x: tensor<?x5x8xf32>, %w: tensor<12x8xf32>, %v: tensor<8x12xf32>) -> tensor<?x5x8xf32> {
  // CHECK: %[[N:.*]] = kernel.normalize %arg0 {{.*}} -> tensor<?x5x8x[[E]]>
  %0 = kernel.normalize %x {eps = 1.0e-6 : f32} : tensor<?x5x8xf32> -> tensor<?x5x8xf32>
  // CHECK: %[[W:.*]] = kernel.convert_weight %arg1 : tensor<12x8xf32> -> tensor<12x8x[[E]]>
  // CHECK: %[[H:.*]] = kernel.gemm %[[N]], %[[W]] {activation{{.*}}} : tensor<?x5x8x[[E]]>, tensor<12x8x[[E]]> -> tensor<?x5x12x[[E]]>
  // REMARK-DAG: Remark="product of tf32"
  %1 = kernel.gemm %0, %w {activation = #vit.activation<gelu_erf>} : tensor<?x5x8xf32>, tensor<12x8xf32> -> tensor<?x5x12xf32>
  // CHECK: kernel.gemm %[[H]], %{{.*}} residual(%arg0 : tensor<?x5x8xf32>) : tensor<?x5x12x[[E]]>, tensor<8x12x[[E]]> -> tensor<?x5x8xf32>
  %2 = kernel.gemm %1, %v residual(%x : tensor<?x5x8xf32>) : tensor<?x5x12xf32>, tensor<8x12xf32> -> tensor<?x5x8xf32>
  return %2 : tensor<?x5x8xf32>
}

// Of words any number makes whole words.
// CHECK-LABEL: func.func @odd
func.func @odd(%x: tensor<?x5x7xf32>, %w: tensor<12x7xf32>) -> tensor<?x5x12xf32> {
  // WORDS: %[[C:.*]] = kernel.convert %arg0 : tensor<?x5x7xf32> -> tensor<?x5x7xtf32>
  // WORDS: kernel.gemm %[[C]], %{{.*}} : tensor<?x5x7xtf32>, tensor<12x7xtf32> -> tensor<?x5x12xf32>
  %0 = kernel.gemm %x, %w : tensor<?x5x7xf32>, tensor<12x7xf32> -> tensor<?x5x12xf32>
  return %0 : tensor<?x5x12xf32>
}

// CHECK-LABEL: func.func @attention
func.func @attention(%x: tensor<?x5x24xf32>) -> tensor<?x5x8xf32> {
  // CHECK: %[[C:.*]] = kernel.convert %arg0 : tensor<?x5x24xf32> -> tensor<?x5x24x[[E]]>
  // CHECK: kernel.attention %[[C]] {{.*}} : tensor<?x5x24x[[E]]> -> tensor<?x5x8xf32>
  // REMARK-DAG: Remark="attention of tf32"
  %0 = kernel.attention %x {heads = 2 : i64, scale = 0.5 : f32} : tensor<?x5x24xf32> -> tensor<?x5x8xf32>
  return %0 : tensor<?x5x8xf32>
}
