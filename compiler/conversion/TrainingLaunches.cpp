//===- TrainingLaunches.cpp - launches of training programs ----------- -*- C++ -*-===//
//
// Part of the vitc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===--------------------------------------------------------------------------------------===//

#include "compiler/conversion/TrainingLaunches.h"
#include "dialects/kernel/KernelDialect.h"

#include "llvm/ADT/TypeSwitch.h"

using namespace mlir;

namespace vitc {

namespace {

ArrayRef<int64_t> shapeOf(Value value) { return cast<RankedTensorType>(value.getType()).getShape(); }

/// Whether `value` is there before `op` is reached, both in one block.
bool isBefore(Value value, Operation *op) {
  Operation *definition = value.getDefiningOp();
  return !definition || definition->isBeforeInBlock(op);
}

// linear(x, transpose(w)) -> matmul(x, w) {transposed}
Operation *convertLinear(OpBuilder &b, vit::LinearOp op) {
  Value weight = op.getWeight();
  auto transpose = weight.getDefiningOp<vit::TransposeOp>();
  if (transpose && transpose.getPermutation() != ArrayRef<int64_t>{1, 0})
    transpose = nullptr;
  if (transpose)
    weight = transpose.getInput();
  return kernel::MatmulOp::create(b, op.getLoc(), op.getType(), op.getInput(), weight, op.getBias(), op.getResidual(),
                                  /*transposed=*/transpose != nullptr, kernel::GemmScheduleAttr());
}

/// Gives a launch that alone feeds a sum the sum's other summand, and its name.
template <typename LaunchOp> Operation *fuseSum(LaunchOp launch, vit::ResidualOp sum, Value other) {
  if (!launch || !launch.getValue().hasOneUse() || launch.getResidual() || !isBefore(other, launch))
    return nullptr;
  launch.getResidualMutable().assign(other);
  launch->setLoc(sum.getLoc());
  return launch;
}

Operation *convertSum(OpBuilder &b, vit::ResidualOp op) {
  if (op.getGamma())
    return nullptr;
  for (auto [summand, other] : {std::pair(op.getBranch(), op.getSkip()), std::pair(op.getSkip(), op.getBranch())}) {
    if (Operation *fused = fuseSum(summand.getDefiningOp<kernel::MatmulOp>(), op, other))
      return fused;
    if (Operation *fused = fuseSum(summand.getDefiningOp<kernel::NormalizeGradOp>(), op, other))
      return fused;
  }
  return kernel::AddOp::create(b, op.getLoc(), op.getSkip(), op.getBranch(), kernel::RowScheduleAttr());
}

/// With the rows' statistics, if the gradients of gain and shift, which need them, are there too.
Operation *convertNormalizeGrad(OpBuilder &b, vit::NormalizeGradOp op) {
  if (op.getGroups() != 1)
    return nullptr;
  Type statistics;
  for (Operation *user : op.getInput().getUsers())
    if (isa<vit::NormalizeWeightGradOp>(user) && user->getBlock() == op->getBlock()) {
      SmallVector<int64_t> shape(shapeOf(op.getInput()));
      shape.back() = 2;
      statistics = RankedTensorType::get(shape, b.getF32Type());
    }
  return kernel::NormalizeGradOp::create(b, op.getLoc(), op.getType(), statistics, /*rounded=*/Type(), op.getInput(), op.getUpstream(),
                                         op.getGain(), /*residual=*/Value(), op.getKind(), op.getEps(), kernel::RowScheduleAttr());
}

/// The statistics come from the gradient of the same rows, which is made for them alone if nothing before the layer is trained.
Operation *convertNormalizeWeightGrad(OpBuilder &b, vit::NormalizeWeightGradOp op) {
  if (op.getGroups() != 1)
    return nullptr;
  kernel::NormalizeGradOp rows;
  for (Operation *user : op.getInput().getUsers())
    if (auto other = dyn_cast<kernel::NormalizeGradOp>(user); other && other.getStatistics() && other.getKind() == op.getKind() &&
                                                              other.getEps() == op.getEps() && isBefore(other.getValue(), op))
      rows = other;
  if (!rows) {
    SmallVector<int64_t> shape(shapeOf(op.getInput()));
    shape.back() = 2;
    rows = kernel::NormalizeGradOp::create(b, op.getLoc(), op.getInput().getType(), RankedTensorType::get(shape, b.getF32Type()),
                                           /*rounded=*/Type(), op.getInput(), op.getUpstream(), /*gain=*/Value(), /*residual=*/Value(),
                                           op.getKind(), op.getEps(), kernel::RowScheduleAttr());
  }
  return kernel::NormalizeWeightGradOp::create(b, op.getLoc(), op.getGain().getType(), op.getShift().getType(), op.getInput(),
                                               op.getUpstream(), rows.getStatistics(), kernel::RowScheduleAttr());
}

Operation *convertForward(OpBuilder &b, vit::NormalizeOp op) {
  if (op.getGroups() != 1)
    return nullptr;
  return kernel::NormalizeOp::create(b, op.getLoc(), op.getType(), /*scales=*/Type(), op.getInput(), op.getGain(), op.getShift(),
                                     op.getKind(), op.getEps(), kernel::RowScheduleAttr());
}

/// Whether attention keeps its weights for its gradient, which computes them again otherwise: a fifth of its products. They are T numbers a
/// token and head, kept if that is no more than four times the head's width: about a quarter of what is kept of a token anyway.
bool keepsWeights(vit::SdpaOp op) {
  int64_t tokens = shapeOf(op.getQkv())[1], width = shapeOf(op.getValue())[2] / static_cast<int64_t>(op.getHeads());
  if (op.getQuery() || op.getWindows() != 1 || shapeOf(op.getValue())[1] != tokens || tokens > 4 * width)
    return false;
  return llvm::any_of(op.getQkv().getUsers(), [&](Operation *user) {
    return isa<vit::SdpaGradOp>(user) && user->getBlock() == op->getBlock() && !user->hasAttr("vit.recomputed");
  });
}

Operation *convertForward(OpBuilder &b, vit::SdpaOp op, bool keepAttention) {
  auto qkv = cast<RankedTensorType>(op.getQkv().getType());
  Type weights = keepAttention && keepsWeights(op) ? kernel::AttentionOp::weightsType(qkv, op.getHeads()) : Type();
  return kernel::AttentionOp::create(b, op.getLoc(), op.getType(), weights, op.getQkv(), op.getQuery(), op.getBias(), op.getRowTable(),
                                     op.getColumnTable(), op.getHeads(), op.getScale(), op.getWindows(), op.getFirstQuery(),
                                     kernel::AttentionScheduleAttr(), /*result_grid=*/DenseF32ArrayAttr());
}

/// With the weights of attention of the same rows, if it keeps them. With queries of its own only where a kernel has room for their scores.
Operation *convertAttentionGrad(OpBuilder &b, vit::SdpaGradOp op, bool queryGradients) {
  if (Value query = op.getQuery()) {
    if (!queryGradients || shapeOf(query)[1] * shapeOf(op.getQkv())[1] > kernel::AttentionGradOp::mostScores)
      return nullptr;
    return kernel::AttentionGradOp::create(b, op.getLoc(), op.getResultTypes(), op.getQkv(), op.getUpstream(), query, /*weights=*/Value(),
                                           op.getHeads(), op.getScale(), kernel::AttentionScheduleAttr());
  }
  Value weights;
  for (Operation *user : op.getQkv().getUsers())
    if (auto attention = dyn_cast<kernel::AttentionOp>(user); attention && attention.getWeights() && !attention.getBias() &&
                                                              attention.getHeads() == op.getHeads() &&
                                                              attention.getScale() == op.getScale() && isBefore(attention.getWeights(), op))
      weights = attention.getWeights();
  return kernel::AttentionGradOp::create(b, op.getLoc(), op.getResultTypes(), op.getQkv(), op.getUpstream(), /*query=*/Value(), weights,
                                         op.getHeads(), op.getScale(), kernel::AttentionScheduleAttr());
}

} // namespace

LogicalResult convertForTraining(Operation *op, const TrainingLaunchOptions &options) {
  OpBuilder b(op);
  kernel::RowScheduleAttr unscheduled;
  Operation *launch =
      TypeSwitch<Operation *, Operation *>(op)
          .Case([&](vit::LinearOp linear) { return linear.getActivation() == vit::Activation::None ? convertLinear(b, linear) : nullptr; })
          .Case([&](vit::ContractRowsOp contract) {
            return kernel::ContractRowsOp::create(b, op->getLoc(), contract.getType(), contract.getLhs(), contract.getRhs(),
                                                  kernel::GemmScheduleAttr());
          })
          .Case([&](vit::SumRowsOp sum) { return kernel::SumRowsOp::create(b, op->getLoc(), sum.getType(), sum.getInput(), unscheduled); })
          .Case([&](vit::ActivationOp activation) {
            return kernel::ActivationOp::create(b, op->getLoc(), activation.getInput(), activation.getKind(), unscheduled);
          })
          .Case([&](vit::ActivationGradOp grad) {
            return kernel::ActivationGradOp::create(b, op->getLoc(), grad.getInput(), grad.getUpstream(), grad.getKind(), unscheduled);
          })
          .Case([&](vit::ResidualOp sum) { return convertSum(b, sum); })
          .Case([&](vit::NormalizeOp normalize) { return convertForward(b, normalize); })
          .Case([&](vit::SdpaOp sdpa) { return convertForward(b, sdpa, options.keepAttention); })
          .Case([&](vit::NormalizeGradOp grad) { return convertNormalizeGrad(b, grad); })
          .Case([&](vit::NormalizeWeightGradOp grad) { return convertNormalizeWeightGrad(b, grad); })
          .Case([&](vit::SdpaGradOp grad) { return convertAttentionGrad(b, grad, options.queryGradients); })
          .Default([](Operation *) -> Operation * { return nullptr; });
  if (!launch)
    return failure();
  // A clone stays apart from what it computes again.
  if (Attribute recomputed = op->getAttr("vit.recomputed"); recomputed && !isa<vit::SdpaGradOp>(op))
    launch->setAttr("vit.recomputed", recomputed);
  // A gradient's statistics are a result that nothing but the next launch knows.
  for (auto [result, value] : llvm::zip(op->getResults(), launch->getResults()))
    result.replaceAllUsesWith(value);
  op->erase();
  return success();
}

} // namespace vitc
