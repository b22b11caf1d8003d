// RUN: vit-opt %s --kernel-fuse-activation | FileCheck %s
// RUN: vit-opt %s --kernel-fuse-activation --remarks-filter=fusion -o /dev/null 2>&1 | FileCheck %s --check-prefix=REMARK

// CHECK-LABEL: func.func @mlp
func.func @mlp(%x: tensor<?x5x8xf32>, %w: tensor<12x8xf32>, %b: tensor<12xf32>, %v: tensor<8x12xf32>, %u: tensor<?x5x8xf32>)
    -> (tensor<?x5x8xf32>, tensor<8x12xf32>, tensor<12x8xf32>) {
  // CHECK: %[[Y:.*]], %[[F:.*]] = kernel.matmul %arg0, %arg1 bias(%arg2 : tensor<12xf32>) {activation = #vit.activation<gelu_erf>}
  // CHECK-NOT: kernel.activation
  %z = kernel.matmul %x, %w bias(%b : tensor<12xf32>) : tensor<?x5x8xf32>, tensor<12x8xf32> -> tensor<?x5x12xf32>
  %y = kernel.activation %z {kind = #vit.activation<gelu_erf>} : tensor<?x5x12xf32>
  // CHECK: %[[O:.*]] = kernel.matmul %[[Y]], %arg3
  %o = kernel.matmul %y, %v : tensor<?x5x12xf32>, tensor<8x12xf32> -> tensor<?x5x8xf32>
  // CHECK: kernel.contract_rows %arg4, %[[Y]]
  %dv = kernel.contract_rows %u, %y : tensor<?x5x8xf32>, tensor<?x5x12xf32> -> tensor<8x12xf32>
  // CHECK: %[[D:.*]] = kernel.matmul %arg4, %arg3 factor(%[[F]] : tensor<?x5x12xf32>) {transposed}
  %g = kernel.matmul %u, %v {transposed} : tensor<?x5x8xf32>, tensor<8x12xf32> -> tensor<?x5x12xf32>
  %d = kernel.activation_grad %z, %g {kind = #vit.activation<gelu_erf>} : tensor<?x5x12xf32>
  // CHECK: kernel.contract_rows %[[D]], %arg0
  %dw = kernel.contract_rows %d, %x : tensor<?x5x12xf32>, tensor<?x5x8xf32> -> tensor<12x8xf32>
  return %o, %dv, %dw : tensor<?x5x8xf32>, tensor<8x12xf32>, tensor<12x8xf32>
}

// Of frozen layers there is no way back.
// CHECK-LABEL: func.func @forward
func.func @forward(%x: tensor<?x5x8xf32>, %w: tensor<12x8xf32>) -> tensor<?x5x12xf32> {
  // CHECK: kernel.matmul %{{.*}} {activation = #vit.activation<relu>} : tensor<?x5x8xf32>, tensor<12x8xf32> -> tensor<?x5x12xf32>{{$}}
  %z = kernel.matmul %x, %w : tensor<?x5x8xf32>, tensor<12x8xf32> -> tensor<?x5x12xf32>
  %y = kernel.activation %z {kind = #vit.activation<relu>} : tensor<?x5x12xf32>
  return %y : tensor<?x5x12xf32>
}

// CHECK-LABEL: func.func @apart
// REMARK: activation is a launch of its own: what reads the product besides is no gradient of it that a product could compute
// REMARK: activation is a launch of its own: its input is not a product's sums
func.func @apart(%x: tensor<?x5x8xf32>, %w: tensor<12x8xf32>, %u: tensor<?x5x12xf32>) -> (tensor<?x5x12xf32>, tensor<?x5x12xf32>, tensor<?x5x12xf32>) {
  // CHECK: kernel.activation
  // CHECK: kernel.activation_grad
  // CHECK: kernel.activation
  %z = kernel.matmul %x, %w : tensor<?x5x8xf32>, tensor<12x8xf32> -> tensor<?x5x12xf32>
  %y = kernel.activation %z {kind = #vit.activation<silu>} : tensor<?x5x12xf32>
  %d = kernel.activation_grad %z, %u {kind = #vit.activation<silu>} : tensor<?x5x12xf32>
  %v = kernel.activation %u {kind = #vit.activation<silu>} : tensor<?x5x12xf32>
  return %y, %d, %v : tensor<?x5x12xf32>, tensor<?x5x12xf32>, tensor<?x5x12xf32>
}
