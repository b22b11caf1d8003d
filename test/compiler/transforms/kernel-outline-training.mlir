// RUN: split-file %s %t
// RUN: vit-opt %t/trained.mlir --vit-differentiate --convert-vit-to-kernel=training --kernel-outline-training | FileCheck %s
// RUN: vit-opt %t/frozen.mlir --vit-differentiate --convert-vit-to-kernel=training --kernel-outline-training | FileCheck %s --check-prefix=FROZEN

//--- trained.mlir

// Query and key, which are only joined, lie side by side, and so do their gradients; a vector lies behind all matrices; the standardized weight is
// made once a step.
// CHECK: kernel.derived = {"std#0" = array<i64: 0, 42>}
// CHECK-SAME: kernel.gradients = {"all parameters" = array<i64: 0, 87>, head.bias = array<i64: 80, 7>
// CHECK-SAME: key.weight = array<i64: 10, 20>
// CHECK-SAME: query.weight = array<i64: 0, 10>, std.weight = array<i64: 32, 42>, "sum#0" = array<i64: 96, 42>
// CHECK-SAME: kernel.parameters = {head.bias = array<i64: 80, 7>, key.weight = array<i64: 10, 20>, query.weight = array<i64: 0, 10>, "query.weight .. key.weight" = array<i64: 0, 30>, std.weight = array<i64: 32, 42>}
// CHECK-SAME: kernel.trained = ["head.bias", "query.weight", "key.weight", "std.weight"]
// CHECK-LABEL: func.func @train(
// CHECK-SAME: -> (tensor<?x1xf32>, tensor<7x6xf32> {kernel.region = "gradient", kernel.state = "sum#0"}
// CHECK-SAME: tensor<7xf32> {kernel.region = "gradient", kernel.state = "[[BIAS:head.grad.bias#[0-9]+]]"}
// CHECK-SAME: tensor<6x5xf32> {kernel.region = "gradient", kernel.state = "[[QK:qk.grad.weight#[0-9]+]]"}
// CHECK-NOT: vit.weight
// CHECK-DAG: %[[V:.*]] = kernel.state <derived> "std#0" : tensor<7x6xf32>
// CHECK-DAG: %[[W:.*]] = kernel.state <parameter> "query.weight .. key.weight" : tensor<6x5xf32>
// CHECK: kernel.matmul %{{.*}}, %[[W]] :
// CHECK: kernel.matmul %{{.*}}, %[[V]] {transposed}
// CHECK-NOT: vit.standardize
// CHECK-NOT: vit.pullback
// CHECK-LABEL: func.func @train.finish() -> (tensor<7x6xf32> {kernel.region = "gradient", kernel.state = "std.weight"}) {
// CHECK: %[[P:.*]] = kernel.state <parameter> "std.weight"
// CHECK: %[[S:.*]] = kernel.state <gradient> "sum#0"
// CHECK: kernel.reference %[[P]], %[[S]]
// CHECK: vit.pullback
// CHECK-NEXT: ^bb0
// CHECK-NEXT: vit.standardize
// CHECK-LABEL: func.func @train.prepare() -> (tensor<7x6xf32> {kernel.region = "derived", kernel.state = "std#0"}) {
// CHECK: kernel.reference
// CHECK: vit.standardize
func.func @train(%x: tensor<?x5xf32>, %targets: tensor<?x7xf32>) -> tensor<?x1xf32> {
  %b = vit.weight @head.bias : tensor<7xf32>
  %q = vit.weight @query.weight : tensor<2x5xf32>
  %k = vit.weight @key.weight : tensor<4x5xf32>
  %w = vit.concat %q, %k : (tensor<2x5xf32>, tensor<4x5xf32>) -> tensor<6x5xf32> loc("qk.weight")
  %s = vit.weight @std.weight : tensor<7x6xf32>
  %v = vit.standardize %s {eps = 1.0e-6 : f32} : tensor<7x6xf32> loc("std")
  %y = vit.linear %x, %w : tensor<?x5xf32>, tensor<6x5xf32> -> tensor<?x6xf32> loc("qk")
  %l = vit.linear %y, %v bias(%b : tensor<7xf32>) : tensor<?x6xf32>, tensor<7x6xf32> -> tensor<?x7xf32> loc("head")
  %e = vit.cross_entropy %l, %targets : tensor<?x7xf32>, tensor<?x7xf32> -> tensor<?x1xf32> loc("loss")
  return %e : tensor<?x1xf32>
}

//--- frozen.mlir

// Half of a joined weight is frozen: the sum for both has a place of its own, from which the other half is taken once a step.
// FROZEN: kernel.trained = ["query.weight"]
// FROZEN-LABEL: func.func @train(
// FROZEN-SAME: -> (tensor<?x1xf32>, tensor<3x5xf32> {kernel.region = "gradient", kernel.state = "sum#0"})
// FROZEN-LABEL: func.func @train.finish() -> (tensor<2x5xf32> {kernel.region = "gradient", kernel.state = "query.weight"}) {
// FROZEN: %[[S:.*]] = kernel.state <gradient> "sum#0" : tensor<3x5xf32>
// FROZEN: kernel.reference %[[S]]
// FROZEN: vit.slice_rows %{{.*}} {first = 0 : i64} : tensor<3x5xf32> -> tensor<2x5xf32>
// FROZEN-NOT: func.func @train.prepare
func.func @train(%x: tensor<?x5xf32>, %targets: tensor<?x3xf32>) -> tensor<?x1xf32> {
  %q = vit.weight @query.weight : tensor<2x5xf32>
  %k = vit.weight @key.weight {vit.frozen} : tensor<1x5xf32>
  %w = vit.concat %q, %k : (tensor<2x5xf32>, tensor<1x5xf32>) -> tensor<3x5xf32> loc("qk.weight")
  %y = vit.linear %x, %w : tensor<?x5xf32>, tensor<3x5xf32> -> tensor<?x3xf32> loc("qk")
  %e = vit.cross_entropy %y, %targets : tensor<?x3xf32>, tensor<?x3xf32> -> tensor<?x1xf32> loc("loss")
  return %e : tensor<?x1xf32>
}
