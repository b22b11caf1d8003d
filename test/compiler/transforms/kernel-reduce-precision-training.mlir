// RUN: vit-opt %s --kernel-reduce-precision="bf16-products=true" | FileCheck %s
// RUN: vit-opt %s --kernel-reduce-precision="bf16-products=true" --remarks-filter=precision 2>&1 | FileCheck %s --check-prefix=WHY
// RUN: vit-opt %s --kernel-reduce-precision --remarks-filter=precision 2>&1 | FileCheck %s --check-prefix=NONE

// CHECK-LABEL: func.func @step
// NONE-DAG: Remark="the product stays f32: the target does not multiply bf16"
func.func @step(%x: tensor<?x5x24xf32>, %w: tensor<24x24xf32>) -> (tensor<?x5x8xf32>, tensor<24x24xf32>) {
  // CHECK: kernel.matmul %{{.*}}, %{{.*}} {bf16} : tensor<?x5x24xf32>, tensor<24x24xf32> -> tensor<?x5x24xf32>
  // NONE-DAG: kernel.matmul %{{.*}}, %{{.*}} : tensor<?x5x24xf32>, tensor<24x24xf32> -> tensor<?x5x24xf32>
  %0 = kernel.matmul %x, %w : tensor<?x5x24xf32>, tensor<24x24xf32> -> tensor<?x5x24xf32>
  // Something else reads it, too.
  // CHECK: kernel.convert %{{.*}} : tensor<?x5x24xf32> -> tensor<?x5x24xbf16>
  // CHECK: kernel.attention %{{.*}} : tensor<?x5x24xbf16> -> tensor<?x5x8xf32>, tensor<?x2x5x16xf32>
  // NONE-DAG: kernel.attention %{{.*}} : tensor<?x5x24xf32> -> tensor<?x5x8xf32>, tensor<?x2x5x16xf32>
  %1, %2 = kernel.attention %0 {heads = 2 : i64, scale = 0.5 : f32} : tensor<?x5x24xf32> -> tensor<?x5x8xf32>, tensor<?x2x5x16xf32>
  // CHECK: kernel.contract_rows %{{.*}}, %{{.*}} {bf16} :
  %3 = kernel.contract_rows %0, %x : tensor<?x5x24xf32>, tensor<?x5x24xf32> -> tensor<24x24xf32>
  return %1, %3 : tensor<?x5x8xf32>, tensor<24x24xf32>
}

// Queries, keys and values that attention alone reads are stored as bf16.
// CHECK-LABEL: func.func @attention
func.func @attention(%x: tensor<?x5x24xf32>, %w: tensor<24x24xf32>, %b: tensor<2x5x5xf32>, %u: tensor<?x5x8xf32>)
    -> (tensor<?x5x8xf32>, tensor<?x5x8xf32>, tensor<24x24xf32> {vit.gradient}) {
  // CHECK: %[[QKV:.*]] = kernel.matmul %{{.*}}, %{{.*}} {bf16} : tensor<?x5x24xf32>, tensor<24x24xf32> -> tensor<?x5x24xbf16>
  %0 = kernel.matmul %x, %w : tensor<?x5x24xf32>, tensor<24x24xf32> -> tensor<?x5x24xf32>
  // CHECK: kernel.attention %[[QKV]] {{.*}} : tensor<?x5x24xbf16> -> tensor<?x5x8xf32>
  %1 = kernel.attention %0 {heads = 2 : i64, scale = 0.5 : f32} : tensor<?x5x24xf32> -> tensor<?x5x8xf32>
  // WHY-DAG: Remark="attention's gradient of bf16"
  // CHECK: kernel.attention_grad %[[QKV]], {{.*}} : tensor<?x5x24xbf16>, tensor<?x5x8xf32> -> tensor<?x5x24xf32>
  %2 = kernel.attention_grad %0, %u {heads = 2 : i64, scale = 0.5 : f32} : tensor<?x5x24xf32>, tensor<?x5x8xf32> -> tensor<?x5x24xf32>
  // CHECK: kernel.contract_rows
  %3 = kernel.contract_rows %2, %x : tensor<?x5x24xf32>, tensor<?x5x24xf32> -> tensor<24x24xf32>
  // A result that shares memory is f32; attention with a bias has no kernel for its gradient.
  // CHECK: %[[SUM:.*]] = kernel.matmul {{.*}} residual({{.*}}) {bf16} : {{.*}} -> tensor<?x5x24xf32>
  %4 = kernel.matmul %x, %w residual(%x : tensor<?x5x24xf32>) : tensor<?x5x24xf32>, tensor<24x24xf32> -> tensor<?x5x24xf32>
  // WHY-DAG: Remark="attention stays f32: its gradient is computed in f32"
  // CHECK: kernel.attention %[[SUM]] bias({{.*}}) {{.*}} : tensor<?x5x24xf32> -> tensor<?x5x8xf32>
  %5 = kernel.attention %4 bias(%b : tensor<2x5x5xf32>) {heads = 2 : i64, scale = 0.5 : f32} : tensor<?x5x24xf32> -> tensor<?x5x8xf32>
  return %1, %5, %3 : tensor<?x5x8xf32>, tensor<?x5x8xf32>, tensor<24x24xf32>
}
