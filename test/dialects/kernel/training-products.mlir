// RUN: vit-opt %s | vit-opt | FileCheck %s
// RUN: vit-opt %s --mlir-print-op-generic | vit-opt | FileCheck %s
// RUN: vit-opt %s --kernel-schedule=vector-lanes=16 | FileCheck %s --check-prefix=AVX512
// RUN: vit-opt %s --kernel-schedule=vector-lanes=8 | FileCheck %s --check-prefix=AVX2

// The depth goes in equal blocks, in words of 32 bits: 3072 of f32 are three of 1024, of bf16 two of 768.
// CHECK-LABEL: func.func @products
func.func @products(%x: tensor<?x5x3072xf32>, %w: tensor<768x3072xf32>, %b: tensor<768xf32>, %r: tensor<?x5x768xf32>)
    -> (tensor<?x5x3072xf32>, tensor<768x3072xf32>) {
  // CHECK: kernel.matmul %{{.*}}, %{{.*}} bias(%{{.*}} : tensor<768xf32>) residual(%{{.*}} : tensor<?x5x768xf32>) : tensor<?x5x3072xf32>, tensor<768x3072xf32> -> tensor<?x5x768xf32>
  // AVX512: kernel.matmul {{.*}}rows = 6, columns = 64, k_block = 1024, row_block = 432, prefetch = 16, vector = 16
  // AVX2: kernel.matmul {{.*}}rows = 6, columns = 16, k_block = 1024, row_block = 432, prefetch = 16, vector = 8
  %y = kernel.matmul %x, %w bias(%b : tensor<768xf32>) residual(%r : tensor<?x5x768xf32>)
    : tensor<?x5x3072xf32>, tensor<768x3072xf32> -> tensor<?x5x768xf32>
  // CHECK: kernel.matmul %{{.*}}, %{{.*}} {bf16, transposed} : tensor<?x5x768xf32>, tensor<768x3072xf32> -> tensor<?x5x3072xf32>
  // AVX512: kernel.matmul {{.*}}{bf16, {{.*}}k_block = 384, row_block = 816, {{.*}}transposed}
  %dx = kernel.matmul %y, %w {transposed, bf16} : tensor<?x5x768xf32>, tensor<768x3072xf32> -> tensor<?x5x3072xf32>
  // CHECK: kernel.contract_rows %{{.*}}, %{{.*}} : tensor<?x5x768xf32>, tensor<?x5x3072xf32> -> tensor<768x3072xf32>
  // AVX512: kernel.contract_rows {{.*}}columns = 64, k_block = 528, {{.*}}prefetch = 16
  %dw = kernel.contract_rows %y, %x : tensor<?x5x768xf32>, tensor<?x5x3072xf32> -> tensor<768x3072xf32>
  return %dx, %dw : tensor<?x5x3072xf32>, tensor<768x3072xf32>
}

// Operands that launches stored as bf16.
// CHECK-LABEL: func.func @stored
func.func @stored(%x: tensor<?x5x8xbf16>, %w: tensor<24x8xbf16>, %f: tensor<?x5x24xf32>) -> tensor<24x8xf32> {
  // CHECK: kernel.matmul %{{.*}}, %{{.*}} factor(%{{.*}} : tensor<?x5x24xf32>) {bf16} : tensor<?x5x8xbf16>, tensor<24x8xbf16> -> tensor<?x5x24xbf16>
  %y = kernel.matmul %x, %w factor(%f : tensor<?x5x24xf32>) {bf16} : tensor<?x5x8xbf16>, tensor<24x8xbf16> -> tensor<?x5x24xbf16>
  // CHECK: kernel.contract_rows %{{.*}}, %{{.*}} {bf16} : tensor<?x5x24xbf16>, tensor<?x5x8xbf16> -> tensor<24x8xf32>
  %g = kernel.contract_rows %y, %x {bf16} : tensor<?x5x24xbf16>, tensor<?x5x8xbf16> -> tensor<24x8xf32>
  // CHECK: kernel.sum_rows %{{.*}} : tensor<?x5x24xbf16> -> tensor<24xf32>
  %s = kernel.sum_rows %y : tensor<?x5x24xbf16> -> tensor<24xf32>
  // CHECK: kernel.state <derived> "w" : tensor<24x8xbf16>
  %0 = kernel.state <derived> "w" : tensor<24x8xbf16>
  return %g : tensor<24x8xf32>
}

// CHECK-LABEL: func.func @elements
func.func @elements(%x: tensor<?x5x8xf32>) -> tensor<?x5x8xf32> {
  // CHECK: kernel.activation %{{.*}} {kind = #vit.activation<gelu_erf>} : tensor<?x5x8xf32>
  // AVX512: kernel.activation {{.*}}schedule = #kernel.row_schedule<rows_per_task = 16, vector = 16>
  %0 = kernel.activation %x {kind = #vit.activation<gelu_erf>} : tensor<?x5x8xf32>
  // CHECK: kernel.activation_grad %{{.*}}, %{{.*}} {kind = #vit.activation<silu>} : tensor<?x5x8xf32>
  %1 = kernel.activation_grad %x, %0 {kind = #vit.activation<silu>} : tensor<?x5x8xf32>
  // CHECK: kernel.add %{{.*}}, %{{.*}} : tensor<?x5x8xf32>
  %2 = kernel.add %1, %0 : tensor<?x5x8xf32>
  return %2 : tensor<?x5x8xf32>
}
