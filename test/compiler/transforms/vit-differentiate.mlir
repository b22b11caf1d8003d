// RUN: vit-opt %s --vit-differentiate --mlir-print-debuginfo --mlir-print-local-scope | FileCheck %s

// A value used twice sums up its gradients; a frozen weight passes gradients on and gets none; images are not trained.
// CHECK-LABEL: func.func @train
// CHECK-SAME: %[[X:[^:]*]]: tensor<?x3x5xf32>
// CHECK-SAME: %[[TARGETS:[^:]*]]: tensor<?x7xf32>
// CHECK-SAME: %[[WEIGHTS:[^:]*]]: tensor<?x1xf32> {vit.input = "loss_weights"}
// CHECK-SAME: tensor<5xf32> {vit.gradient = @norm.weight}, tensor<5x5xf32> {vit.gradient = @block.weight}, tensor<7xf32> {vit.gradient = @head.bias}
func.func @train(%images: tensor<?x3x5xf32>, %targets: tensor<?x7xf32>) -> tensor<?x1xf32> {
  // CHECK: %[[W:.*]] = vit.weight @block.weight
  // CHECK: %[[H:.*]] = vit.weight @head.weight {vit.frozen}
  %g = vit.weight @norm.weight : tensor<5xf32>
  %w = vit.weight @block.weight : tensor<5x5xf32>
  %h = vit.weight @head.weight {vit.frozen} : tensor<7x5xf32>
  %b = vit.weight @head.bias : tensor<7xf32>
  // CHECK: %[[N:.*]] = vit.normalize
  %n = vit.normalize %images gain(%g : tensor<5xf32>) {eps = 1.0e-6 : f32} : tensor<?x3x5xf32> loc("norm")
  %y = vit.linear %n, %w : tensor<?x3x5xf32>, tensor<5x5xf32> -> tensor<?x3x5xf32> loc("block")
  // CHECK: %[[S:.*]] = vit.residual
  %s = vit.residual %n, %y : tensor<?x3x5xf32> loc("sum")
  %p = vit.pool %s {kind = #vit.pool<avg>} : tensor<?x3x5xf32> -> tensor<?x5xf32> loc("pool")
  // CHECK: %[[L:.*]] = vit.linear {{.*}} loc("head")
  %l = vit.linear %p, %h bias(%b : tensor<7xf32>) : tensor<?x5xf32>, tensor<7x5xf32> -> tensor<?x7xf32> loc("head")
  // CHECK: %[[E:.*]] = vit.cross_entropy %[[L]], %[[TARGETS]]
  // CHECK-NEXT: %[[DL:.*]] = vit.cross_entropy_grad %[[L]], %[[TARGETS]], %[[WEIGHTS]] {{.*}} loc("loss.grad")
  // CHECK-NEXT: %[[HT:.*]] = vit.transpose %[[H]]
  // CHECK-NEXT: %[[DP:.*]] = vit.linear %[[DL]], %[[HT]] {{.*}} loc("head.grad")
  // CHECK-NOT: vit.contract_rows
  // CHECK: %[[DB:.*]] = vit.sum_rows %[[DL]] {{.*}} loc("head.grad.bias")
  // CHECK-NEXT: %[[DS:.*]] = vit.pullback(%[[S]]) of(%[[DP]]) {wrt = array<i64: 0>}
  // CHECK: vit.pool %{{.*}} {kind = #vit.pool<avg>}
  // CHECK: } loc("pool.grad")
  // CHECK-NEXT: %[[WT:.*]] = vit.transpose %[[W]]
  // CHECK-NEXT: %[[DY:.*]] = vit.linear %[[DS]], %[[WT]] {{.*}} loc("block.grad")
  // CHECK-NEXT: %[[DW:.*]] = vit.contract_rows %[[DS]], %[[N]] {{.*}} loc("block.grad.weight")
  // CHECK-NEXT: %[[DN:.*]] = vit.residual %[[DS]], %[[DY]] {{.*}} loc("norm.grad_sum")
  // CHECK-NOT: vit.normalize_grad
  // CHECK: %[[DG:.*]], %{{.*}} = vit.normalize_weight_grad %[[X]], %[[DN]]
  // CHECK-NEXT: return %[[E]], %[[DG]], %[[DW]], %[[DB]] :
  %e = vit.cross_entropy %l, %targets : tensor<?x7xf32>, tensor<?x7xf32> -> tensor<?x1xf32> loc("loss")
  return %e : tensor<?x1xf32>
}

// A weight that is named twice has one gradient.
// CHECK-LABEL: func.func @shared
// CHECK-SAME: -> (tensor<?x1xf32>, tensor<1x1xf32> {vit.gradient = @w})
func.func @shared(%x: tensor<?x1xf32>) -> tensor<?x1xf32> {
  %w = vit.weight @w : tensor<1x1xf32>
  %v = vit.weight @w : tensor<1x1xf32>
  %a = vit.linear %x, %w : tensor<?x1xf32>, tensor<1x1xf32> -> tensor<?x1xf32>
  %b = vit.linear %a, %v : tensor<?x1xf32>, tensor<1x1xf32> -> tensor<?x1xf32>
  // CHECK: %[[SECOND:.*]] = vit.contract_rows
  // CHECK: %[[FIRST:.*]] = vit.contract_rows
  // CHECK: %[[SUM:.*]] = vit.add %[[FIRST]], %[[SECOND]]
  // CHECK: return %{{.*}}, %[[SUM]] :
  return %b : tensor<?x1xf32>
}

// Of tokens put together patches get their rows, weights the sums over images of theirs: the second prefix is frozen, and has none.
// CHECK-LABEL: func.func @embed
func.func @embed(%images: tensor<?x3x5xf32>) -> tensor<?x1xf32> {
  %h = vit.weight @head {vit.frozen} : tensor<1x5xf32>
  %f = vit.weight @patch.weight : tensor<5x5xf32>
  %c = vit.weight @cls : tensor<1x5xf32>
  %r = vit.weight @registers {vit.frozen} : tensor<2x5xf32>
  %p = vit.weight @position : tensor<6x5xf32>
  %x = vit.linear %images, %f : tensor<?x3x5xf32>, tensor<5x5xf32> -> tensor<?x3x5xf32> loc("patches")
  // CHECK: vit.embed
  // CHECK: %[[DX:.*]] = vit.slice_tokens %[[DE:.*]] {first = 3 : i64} : tensor<?x6x5xf32> -> tensor<?x3x5xf32> loc("tokens.grad")
  // CHECK-NEXT: %[[DP:.*]] = vit.sum_rows %[[DE]] : tensor<?x6x5xf32> -> tensor<6x5xf32> loc("tokens.grad.position")
  // CHECK-NEXT: %[[ROWS:.*]] = vit.slice_tokens %[[DE]] {first = 0 : i64} : tensor<?x6x5xf32> -> tensor<?x1x5xf32> loc("tokens.grad.prefix0.rows")
  // CHECK-NEXT: %[[DC:.*]] = vit.sum_rows %[[ROWS]] : tensor<?x1x5xf32> -> tensor<1x5xf32> loc("tokens.grad.prefix0")
  // CHECK-NEXT: %[[DF:.*]] = vit.contract_rows %[[DX]]
  // CHECK-NEXT: return %{{.*}}, %[[DF]], %[[DC]], %[[DP]] :
  %e = vit.embed %x prefix(%c, %r : tensor<1x5xf32>, tensor<2x5xf32>) position(%p : tensor<6x5xf32>) : tensor<?x3x5xf32> -> tensor<?x6x5xf32> loc("tokens")
  %s = vit.pool %e {kind = #vit.pool<avg>} : tensor<?x6x5xf32> -> tensor<?x5xf32>
  %l = vit.linear %s, %h : tensor<?x5xf32>, tensor<1x5xf32> -> tensor<?x1xf32>
  return %l : tensor<?x1xf32>
}

// Positions of patches alone have the patches' rows, frozen patches none.
// CHECK-LABEL: func.func @positions_of_patches
func.func @positions_of_patches(%images: tensor<?x3x5xf32>) -> tensor<?x1xf32> {
  %h = vit.weight @head {vit.frozen} : tensor<1x5xf32>
  %c = vit.weight @cls {vit.frozen} : tensor<1x5xf32>
  %p = vit.weight @position : tensor<3x5xf32>
  // CHECK: vit.embed
  // CHECK: %[[DX:.*]] = vit.slice_tokens %{{.*}} {first = 1 : i64} : tensor<?x4x5xf32> -> tensor<?x3x5xf32>
  // CHECK-NEXT: %[[DP:.*]] = vit.sum_rows %[[DX]] : tensor<?x3x5xf32> -> tensor<3x5xf32>
  // CHECK-NEXT: return %{{.*}}, %[[DP]] :
  %e = vit.embed %images prefix(%c : tensor<1x5xf32>) position(%p : tensor<3x5xf32>) {patches_only} : tensor<?x3x5xf32> -> tensor<?x4x5xf32> loc("tokens")
  %s = vit.pool %e {kind = #vit.pool<avg>} : tensor<?x4x5xf32> -> tensor<?x5xf32>
  %l = vit.linear %s, %h : tensor<?x5xf32>, tensor<1x5xf32> -> tensor<?x1xf32>
  return %l : tensor<?x1xf32>
}
