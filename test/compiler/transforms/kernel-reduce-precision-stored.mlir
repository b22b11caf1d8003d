// RUN: vit-opt %s --kernel-reduce-precision="bf16-products=true stored-operands=true" | FileCheck %s
// RUN: vit-opt %s --kernel-reduce-precision="bf16-products=true stored-operands=true" --remarks-filter=precision -o /dev/null 2>&1 | FileCheck %s --check-prefix=WHY

// One copy of a weight for all its products, and one of the rows that others read too; what products alone read is stored as bf16 at once, and a sum over rows
// takes what they take.
// CHECK-LABEL: func.func @products
func.func @products(%x: tensor<?x5x8xf32>, %w: tensor<24x8xf32>, %d: tensor<?x5x8xf32>, %u: tensor<?x5x24xf32>)
    -> (tensor<?x5x24xf32>, tensor<8xf32>, tensor<8x24xf32>, tensor<?x5x24xf32>) {
  // CHECK-DAG: %[[W:.*]] = kernel.convert_weight %arg1 : tensor<24x8xf32> -> tensor<24x8xbf16>
  // CHECK-DAG: %[[U:.*]] = kernel.convert %arg3 : tensor<?x5x24xf32> -> tensor<?x5x24xbf16>
  // CHECK: %[[N:.*]] = kernel.normalize %arg0 {{.*}} -> tensor<?x5x8xbf16>
  %0 = kernel.normalize %x {eps = 1.0e-6 : f32} : tensor<?x5x8xf32> -> tensor<?x5x8xf32>
  // CHECK: kernel.matmul %[[N]], %[[W]] {bf16} : tensor<?x5x8xbf16>, tensor<24x8xbf16> -> tensor<?x5x24xf32>
  %1 = kernel.matmul %0, %w : tensor<?x5x8xf32>, tensor<24x8xf32> -> tensor<?x5x24xf32>
  // CHECK: %[[G:.*]] = kernel.matmul %[[U]], %[[W]] factor(%arg2 : tensor<?x5x8xf32>) {bf16, transposed} : {{.*}} -> tensor<?x5x8xbf16>
  %2 = kernel.matmul %u, %w factor(%d : tensor<?x5x8xf32>) {transposed} : tensor<?x5x24xf32>, tensor<24x8xf32> -> tensor<?x5x8xf32>
  // CHECK: kernel.sum_rows %[[G]] : tensor<?x5x8xbf16> -> tensor<8xf32>
  %3 = kernel.sum_rows %2 : tensor<?x5x8xf32> -> tensor<8xf32>
  // CHECK: kernel.contract_rows %[[G]], %[[U]] {bf16} : tensor<?x5x8xbf16>, tensor<?x5x24xbf16> -> tensor<8x24xf32>
  %4 = kernel.contract_rows %2, %u : tensor<?x5x8xf32>, tensor<?x5x24xf32> -> tensor<8x24xf32>
  // CHECK: kernel.add %{{.*}}, %arg3
  %5 = kernel.add %1, %u : tensor<?x5x24xf32>
  return %1, %3, %4, %5 : tensor<?x5x24xf32>, tensor<8xf32>, tensor<8x24xf32>, tensor<?x5x24xf32>
}

// Attention's gradients are stored as bf16 if products and sums alone read them; of a gradient of residual rows the launch that computes it stores both.
// CHECK-LABEL: func.func @gradients
func.func @gradients(%x: tensor<?x5x8xf32>, %w: tensor<24x8xf32>, %kw: tensor<16x8xf32>, %q: tensor<?x1x8xf32>, %u: tensor<?x5x8xf32>, %v: tensor<?x1x8xf32>)
    -> (tensor<24x8xf32>, tensor<24xf32>, tensor<?x5x8xf32>, tensor<16x8xf32>, tensor<?x1x8xf32>) {
  // CHECK: %[[QKV:.*]] = kernel.matmul {{.*}} -> tensor<?x5x24xbf16>
  %0 = kernel.matmul %x, %w : tensor<?x5x8xf32>, tensor<24x8xf32> -> tensor<?x5x24xf32>
  // CHECK: %[[D:.*]] = kernel.attention_grad %[[QKV]], {{.*}} : tensor<?x5x24xbf16>, tensor<?x5x8xf32> -> tensor<?x5x24xbf16>
  %1 = kernel.attention_grad %0, %u {heads = 2 : i64, scale = 0.5 : f32} : tensor<?x5x24xf32>, tensor<?x5x8xf32> -> tensor<?x5x24xf32>
  // CHECK: kernel.contract_rows %[[D]]
  %2 = kernel.contract_rows %1, %x : tensor<?x5x24xf32>, tensor<?x5x8xf32> -> tensor<24x8xf32>
  // CHECK: kernel.sum_rows %[[D]]
  %3 = kernel.sum_rows %1 : tensor<?x5x24xf32> -> tensor<24xf32>
  // CHECK: %[[KV:.*]] = kernel.matmul {{.*}} -> tensor<?x5x16xbf16>
  %4 = kernel.matmul %x, %kw : tensor<?x5x8xf32>, tensor<16x8xf32> -> tensor<?x5x16xf32>
  // CHECK: %[[DKV:.*]], %{{.*}} = kernel.attention_grad %[[KV]], %{{.*}} query(%{{.*}} : tensor<?x1x8xbf16>)
  // CHECK-SAME: : tensor<?x5x16xbf16>, tensor<?x1x8xf32> -> tensor<?x5x16xbf16>, tensor<?x1x8xf32>
  %5, %6 = kernel.attention_grad %4, %v query(%q : tensor<?x1x8xf32>) {heads = 2 : i64, scale = 0.5 : f32}
    : tensor<?x5x16xf32>, tensor<?x1x8xf32> -> tensor<?x5x16xf32>, tensor<?x1x8xf32>
  // CHECK: %[[N:.*]], %[[NS:.*]], %[[ROUNDED:.*]] = kernel.normalize_grad %{{.*}}, %{{.*}} {eps = {{.*}}} : tensor<?x5x8xf32> -> tensor<?x5x8xf32>, tensor<?x5x2xf32> rounded tensor<?x5x8xbf16>
  %7, %8 = kernel.normalize_grad %x, %u {eps = 1.0e-6 : f32} : tensor<?x5x8xf32> -> tensor<?x5x8xf32>, tensor<?x5x2xf32>
  // CHECK: kernel.add %[[N]]
  %9 = kernel.add %7, %x : tensor<?x5x8xf32>
  // CHECK: kernel.contract_rows %[[DKV]], %[[ROUNDED]]
  %10 = kernel.contract_rows %5, %7 : tensor<?x5x16xf32>, tensor<?x5x8xf32> -> tensor<16x8xf32>
  return %2, %3, %9, %10, %6 : tensor<24x8xf32>, tensor<24xf32>, tensor<?x5x8xf32>, tensor<16x8xf32>, tensor<?x1x8xf32>
}

// Rows of an odd number of elements are rounded by the product.
// CHECK-LABEL: func.func @odd
// WHY: Remark="product of bf16 that rounds its operands itself"
func.func @odd(%x: tensor<?x5x8xf32>, %w: tensor<7x8xf32>) -> (tensor<?x5x7xf32>, tensor<?x5x8xf32>) {
  // CHECK-DAG: %[[X:.*]] = kernel.convert %arg0 : tensor<?x5x8xf32> -> tensor<?x5x8xbf16>
  // CHECK-DAG: %[[W:.*]] = kernel.convert_weight %arg1 : tensor<7x8xf32> -> tensor<7x8xbf16>
  // CHECK: %[[Y:.*]] = kernel.matmul %[[X]], %[[W]] {bf16} : tensor<?x5x8xbf16>, tensor<7x8xbf16> -> tensor<?x5x7xf32>
  %0 = kernel.matmul %x, %w : tensor<?x5x8xf32>, tensor<7x8xf32> -> tensor<?x5x7xf32>
  // CHECK: kernel.matmul %[[Y]], %{{.*}} {bf16, transposed} : tensor<?x5x7xf32>, tensor<7x8xf32> -> tensor<?x5x8xf32>
  %1 = kernel.matmul %0, %w {transposed} : tensor<?x5x7xf32>, tensor<7x8xf32> -> tensor<?x5x8xf32>
  return %0, %1 : tensor<?x5x7xf32>, tensor<?x5x8xf32>
}

// An activation's derivative is stored as bf16 where it is nothing but a factor, in rows of whole words.
// CHECK-LABEL: func.func @derivative
func.func @derivative(%x: tensor<?x5x8xf32>, %w: tensor<24x8xf32>, %v: tensor<24x8xf32>, %t: tensor<?x5x24xf32>)
    -> (tensor<?x5x24xf32>, tensor<?x5x24xf32>, tensor<?x5x24xf32>) {
  // CHECK: %{{.*}}, %[[D:.*]] = kernel.matmul {{.*}} {activation = #vit.activation<gelu_erf>, bf16} : {{.*}} -> tensor<?x5x24xf32>, tensor<?x5x24xbf16>
  %0, %1 = kernel.matmul %x, %w {activation = #vit.activation<gelu_erf>} : tensor<?x5x8xf32>, tensor<24x8xf32> -> tensor<?x5x24xf32>, tensor<?x5x24xf32>
  // CHECK: kernel.matmul {{.*}} factor(%[[D]] : tensor<?x5x24xbf16>)
  %2 = kernel.matmul %x, %v factor(%1 : tensor<?x5x24xf32>) : tensor<?x5x8xf32>, tensor<24x8xf32> -> tensor<?x5x24xf32>
  // CHECK: %{{.*}}, %[[E:.*]] = kernel.matmul {{.*}} -> tensor<?x5x24xf32>, tensor<?x5x24xf32>
  %3, %4 = kernel.matmul %x, %w {activation = #vit.activation<gelu_erf>} : tensor<?x5x8xf32>, tensor<24x8xf32> -> tensor<?x5x24xf32>, tensor<?x5x24xf32>
  // CHECK: kernel.add %[[E]]
  %5 = kernel.add %4, %t : tensor<?x5x24xf32>
  return %0, %2, %5 : tensor<?x5x24xf32>, tensor<?x5x24xf32>, tensor<?x5x24xf32>
}
