// RUN: vit-opt %s --convert-vit-to-kernel="training query-gradients" | FileCheck %s
// RUN: vit-opt %s --convert-vit-to-kernel=training | FileCheck %s --check-prefix=CPU

// Attention's gradient with few queries of their own has a kernel on a GPU.
// CHECK-LABEL: func.func @few
func.func @few(%kv: tensor<?x17x32xf32>, %q: tensor<?x2x16xf32>, %u: tensor<?x2x16xf32>) -> (tensor<?x17x32xf32>, tensor<?x2x16xf32>) {
  // CHECK: kernel.attention_grad %{{.*}}, %{{.*}} query(%{{.*}} : tensor<?x2x16xf32>) {heads = 2 : i64, scale = 5.000000e-01 : f32}
  // CHECK-SAME: : tensor<?x17x32xf32>, tensor<?x2x16xf32> -> tensor<?x17x32xf32>, tensor<?x2x16xf32>
  // CPU: kernel.reference
  // CPU: vit.sdpa_grad
  // CPU-SAME: : tensor<1x17x32xf32>, tensor<1x2x16xf32> -> tensor<1x2x16xf32>
  %0, %1 = vit.sdpa_grad %kv, %u query(%q : tensor<?x2x16xf32>) {heads = 2 : i64, scale = 0.5 : f32} : tensor<?x17x32xf32>, tensor<?x2x16xf32> -> tensor<?x2x16xf32>
  return %0, %1 : tensor<?x17x32xf32>, tensor<?x2x16xf32>
}

// Scores of so many do not fit the memory that a block's threads share.
// CHECK-LABEL: func.func @many
func.func @many(%kv: tensor<?x200x32xf32>, %q: tensor<?x100x16xf32>, %u: tensor<?x100x16xf32>) -> (tensor<?x200x32xf32>, tensor<?x100x16xf32>) {
  // CHECK: kernel.reference
  %0, %1 = vit.sdpa_grad %kv, %u query(%q : tensor<?x100x16xf32>) {heads = 2 : i64, scale = 0.5 : f32} : tensor<?x200x32xf32>, tensor<?x100x16xf32> -> tensor<?x100x16xf32>
  return %0, %1 : tensor<?x200x32xf32>, tensor<?x100x16xf32>
}
