// RUN: vit-opt %s --convert-vit-to-kernel=training | FileCheck %s

// Attention keeps its weights for its gradient.
// CHECK-LABEL: func.func @attention
func.func @attention(%qkv: tensor<?x17x48xf32>, %upstream: tensor<?x17x16xf32>) -> (tensor<?x17x16xf32>, tensor<?x17x48xf32>) {
  // CHECK: %[[Y:.*]], %[[W:.*]] = kernel.attention %[[QKV:.*]] {heads = 2 : i64, scale = 5.000000e-01 : f32}
  // CHECK-SAME: : tensor<?x17x48xf32> -> tensor<?x17x16xf32>, tensor<?x2x17x32xf32>
  %0 = vit.sdpa %qkv {heads = 2 : i64, scale = 0.5 : f32} : tensor<?x17x48xf32> -> tensor<?x17x16xf32>
  // CHECK: kernel.attention_grad %[[QKV]], %{{.*}} weights(%[[W]] : tensor<?x2x17x32xf32>) {heads = 2 : i64, scale = 5.000000e-01 : f32}
  %1 = vit.sdpa_grad %qkv, %upstream {heads = 2 : i64, scale = 0.5 : f32} : tensor<?x17x48xf32>, tensor<?x17x16xf32>
  return %0, %1 : tensor<?x17x16xf32>, tensor<?x17x48xf32>
}

// Weights of 33 keys would take more than four times the eight columns of a head.
// CHECK-LABEL: func.func @many_tokens
func.func @many_tokens(%qkv: tensor<?x33x48xf32>, %upstream: tensor<?x33x16xf32>) -> (tensor<?x33x16xf32>, tensor<?x33x48xf32>) {
  // CHECK: kernel.attention {{.*}} -> tensor<?x33x16xf32>{{$}}
  %0 = vit.sdpa %qkv {heads = 2 : i64, scale = 0.5 : f32} : tensor<?x33x48xf32> -> tensor<?x33x16xf32>
  // CHECK: kernel.attention_grad %{{.*}}, %{{[a-z0-9]+}} {heads
  %1 = vit.sdpa_grad %qkv, %upstream {heads = 2 : i64, scale = 0.5 : f32} : tensor<?x33x48xf32>, tensor<?x33x16xf32>
  return %0, %1 : tensor<?x33x16xf32>, tensor<?x33x48xf32>
}

// Without a gradient nothing is kept.
// CHECK-LABEL: func.func @forward_alone
func.func @forward_alone(%qkv: tensor<?x17x48xf32>) -> tensor<?x17x16xf32> {
  // CHECK: kernel.attention {{.*}} -> tensor<?x17x16xf32>{{$}}
  %0 = vit.sdpa %qkv {heads = 2 : i64, scale = 0.5 : f32} : tensor<?x17x48xf32> -> tensor<?x17x16xf32>
  return %0 : tensor<?x17x16xf32>
}
