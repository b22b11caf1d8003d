// RUN: vit-opt %s --kernel-reduce-precision="bf16-products=true" | FileCheck %s
// RUN: vit-opt %s --kernel-reduce-precision --remarks-filter=precision 2>&1 | FileCheck %s --check-prefix=NONE

// CHECK-LABEL: func.func @step
// NONE-DAG: Remark="the product stays f32: the target does not multiply bf16"
func.func @step(%x: tensor<?x5x24xf32>, %w: tensor<24x24xf32>) -> (tensor<?x5x8xf32>, tensor<24x24xf32>) {
  // CHECK: kernel.matmul %{{.*}}, %{{.*}} {bf16} : tensor<?x5x24xf32>, tensor<24x24xf32> -> tensor<?x5x24xf32>
  // NONE-DAG: kernel.matmul %{{.*}}, %{{.*}} : tensor<?x5x24xf32>, tensor<24x24xf32> -> tensor<?x5x24xf32>
  %0 = kernel.matmul %x, %w : tensor<?x5x24xf32>, tensor<24x24xf32> -> tensor<?x5x24xf32>
  // CHECK: kernel.attention %{{.*}} : tensor<?x5x24xf32> -> tensor<?x5x8xf32>, tensor<?x2x5x16xf32>
  %1, %2 = kernel.attention %0 {heads = 2 : i64, scale = 0.5 : f32} : tensor<?x5x24xf32> -> tensor<?x5x8xf32>, tensor<?x2x5x16xf32>
  // CHECK: kernel.contract_rows %{{.*}}, %{{.*}} {bf16} :
  %3 = kernel.contract_rows %0, %x : tensor<?x5x24xf32>, tensor<?x5x24xf32> -> tensor<24x24xf32>
  return %1, %3 : tensor<?x5x8xf32>, tensor<24x24xf32>
}
