//===- VitToKernel.cpp - vit operations as launches -------------------------------------------===//
//
// Part of the vitc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===--------------------------------------------------------------------------------------===//

#include "compiler/conversion/Passes.h"
#include "compiler/conversion/TrainingLaunches.h"
#include "compiler/transforms/Report.h"
#include "dialects/kernel/KernelDialect.h"
#include "dialects/vit/LayerName.h"

#include "mlir/IR/IRMapping.h"
#include "llvm/ADT/TypeSwitch.h"

using namespace mlir;

namespace vitc {
#define GEN_PASS_DEF_CONVERTVITTOKERNEL
#include "compiler/conversion/Passes.h.inc"

namespace {

RankedTensorType typeOf(Value value) { return cast<RankedTensorType>(value.getType()); }
bool isWeight(Value value) { return typeOf(value).hasStaticShape(); }

RankedTensorType oneImage(RankedTensorType type) {
  SmallVector<int64_t> shape(type.getShape());
  shape[0] = 1;
  return RankedTensorType::get(shape, type.getElementType());
}

/// op(x, w) -> kernel.reference(x, w) { op on one image }
void wrapInReference(Operation *op) {
  OpBuilder builder(op);
  auto reference = kernel::ReferenceOp::create(builder, op->getLoc(), op->getResultTypes(), op->getOperands());
  Block &block = reference.getBody().emplaceBlock();
  IRMapping mapping;
  for (Value operand : op->getOperands()) {
    RankedTensorType type = isWeight(operand) ? typeOf(operand) : oneImage(typeOf(operand));
    BlockArgument argument = block.addArgument(type, operand.getLoc());
    mapping.map(operand, argument);
  }
  builder.setInsertionPointToEnd(&block);
  Operation *body = builder.clone(*op, mapping);
  auto narrow = [](Value value) {
    if (!isWeight(value))
      value.setType(oneImage(typeOf(value)));
  };
  llvm::for_each(body->getResults(), narrow);
  // What a pullback holds is of one image too.
  for (Region &region : body->getRegions()) {
    llvm::for_each(region.getArguments(), narrow);
    region.walk([&](Operation *inner) { llvm::for_each(inner->getResults(), narrow); });
  }
  // An operand that is used twice has two arguments; the mapping of the value knows only the last, so the operands are set by position.
  for (auto [index, argument] : llvm::enumerate(block.getArguments()))
    body->setOperand(index, argument);
  kernel::YieldOp::create(builder, op->getLoc(), body->getResults());
  op->replaceAllUsesWith(reference.getValues());
  op->erase();
}

/// The projection's kernel [D, C, P, Q] as a matrix [D, C P Q].
Value patchMatrix(OpBuilder &builder, Location loc, Value kernel) {
  RankedTensorType type = typeOf(kernel);
  int64_t outputs = type.getDimSize(0);
  auto matrix = RankedTensorType::get({outputs, type.getNumElements() / outputs}, type.getElementType());
  return vit::ReshapeOp::create(builder, loc, matrix, kernel);
}

/// Rows [N, D] that are added to the patches: position + bias, whichever there is; null if neither.
Value patchAddend(OpBuilder &builder, Location loc, Value position, Value bias, int64_t patches) {
  if (!bias)
    return position;
  auto type = RankedTensorType::get({patches, typeOf(bias).getDimSize(0)}, typeOf(bias).getElementType());
  if (!position)
    position = vit::ZerosOp::create(builder, loc, type);
  return vit::AddOp::create(builder, loc, type, position, bias);
}

/// The embed that alone reads these patches, or why there is none.
vit::EmbedOp embedOf(vit::PatchifyOp patchify, const Report &report) {
  auto embed = patchify->hasOneUse() ? dyn_cast<vit::EmbedOp>(*patchify->user_begin()) : vit::EmbedOp();
  if (embed)
    report.done(embed, "prefix tokens, positions and the projection's bias fused into the patches' product");
  else
    report.missed(patchify, patchify->hasOneUse() ? "patches alone: what reads them is no embedding of tokens and positions"
                                                  : "patches alone: they have several users");
  return embed;
}

// embed(patchify(images)) -> kernel.patch_embed
void convertPatches(vit::PatchifyOp patchify) {
  vit::EmbedOp embed = embedOf(patchify, Report("fusion", "patch-embed"));
  Operation *last = embed ? embed.getOperation() : patchify.getOperation();
  OpBuilder builder(last);
  Location loc = last->getLoc();
  int64_t patches = typeOf(patchify.getTokens()).getDimSize(1), width = typeOf(patchify.getTokens()).getDimSize(2);
  auto rows = [&](int64_t count) { return RankedTensorType::get({count, width}, builder.getF32Type()); };

  Value position, prefix;
  if (embed) {
    position = embed.getPosition();
    int64_t prefixRows = typeOf(embed.getTokens()).getDimSize(1) - patches;
    if (prefixRows > 0)
      prefix = embed.getPrefix().size() == 1 ? embed.getPrefix().front()
                                             : vit::ConcatOp::create(builder, loc, rows(prefixRows), embed.getPrefix()).getResult();
    if (position && prefix && !embed.getPatchesOnly()) {
      Value before = vit::SliceRowsOp::create(builder, loc, rows(prefixRows), position, 0);
      prefix = vit::AddOp::create(builder, loc, rows(prefixRows), prefix, before);
      position = vit::SliceRowsOp::create(builder, loc, rows(patches), position, prefixRows);
    }
  }
  RankedTensorType kernelType = typeOf(patchify.getKernel());
  Value addend = patchAddend(builder, loc, position, patchify.getBias(), patches);
  auto launch = kernel::PatchEmbedOp::create(
      builder, loc, last->getResult(0).getType(), patchify.getImages(), patchMatrix(builder, loc, patchify.getKernel()), addend, prefix,
      builder.getDenseI64ArrayAttr({kernelType.getDimSize(2), kernelType.getDimSize(3)}), kernel::GemmScheduleAttr());
  last->getResult(0).replaceAllUsesWith(launch.getValue());
  last->erase();
  if (embed)
    patchify->erase();
}

// im2col(rows) -> pad_rows(rows), to be read by windows; none without padding
Value paddedRows(OpBuilder &builder, Location loc, vit::Im2colOp im2col) {
  ArrayRef<int64_t> grid = im2col.getGrid(), padding = im2col.getPadding();
  if (llvm::all_of(padding, [](int64_t pixels) { return pixels == 0; }))
    return im2col.getRows();
  RankedTensorType rows = typeOf(im2col.getRows());
  int64_t height = grid[0] + padding[0] + padding[1], width = grid[1] + padding[2] + padding[3];
  auto padded = RankedTensorType::get({rows.getDimSize(0), height * width, rows.getDimSize(2)}, rows.getElementType());
  return kernel::PadRowsOp::create(builder, childLoc(loc, "padded"), padded, im2col.getRows(), im2col.getGridAttr(),
                                   im2col.getPaddingAttr(), kernel::RowScheduleAttr());
}

// linear(im2col(rows), w) -> gemm(pad_rows(rows), w) {window}
kernel::GemmOp convertLinear(OpBuilder &builder, vit::LinearOp linear) {
  Value input = linear.getInput();
  kernel::WindowAttr window;
  if (auto im2col = input.getDefiningOp<vit::Im2colOp>()) {
    ArrayRef<int64_t> grid = im2col.getGrid(), size = im2col.getWindow(), stride = im2col.getStride(), padding = im2col.getPadding();
    window = kernel::WindowAttr::get(builder.getContext(), grid[0] + padding[0] + padding[1], grid[1] + padding[2] + padding[3], size[0],
                                     size[1], stride[0], stride[1]);
    input = paddedRows(builder, linear.getLoc(), im2col);
  }
  return kernel::GemmOp::create(builder, linear.getLoc(), linear.getType(), input, linear.getWeight(), linear.getBias(),
                                linear.getResidual(), /*row_scales=*/Value(), /*column_scales=*/Value(), linear.getActivation(),
                                kernel::GemmScheduleAttr(), window, linear.getActivationLast(),
                                /*input_grid=*/DenseF32ArrayAttr(), /*result_grid=*/DenseF32ArrayAttr());
}

/// Only products read these windows, so they never exist as rows of their own.
bool isReadInPlace(Operation *op) {
  return isa<vit::Im2colOp>(op) && llvm::all_of(op->getUses(), [](OpOperand &use) {
           auto linear = dyn_cast<vit::LinearOp>(use.getOwner());
           return linear && linear.getResidual() != use.get();
         });
}

struct VitToKernelPass : impl::ConvertVitToKernelBase<VitToKernelPass> {
  using Base::Base;

  /// The launch made for this operation, or failure if there is none but the reference.
  static LogicalResult convert(Operation *op) {
    OpBuilder builder(op);
    auto replace = [&](Operation *launch) {
      op->replaceAllUsesWith(launch->getResults());
      op->erase();
      return success();
    };
    return TypeSwitch<Operation *, LogicalResult>(op)
        .Case([&](vit::LinearOp linear) { return replace(convertLinear(builder, linear)); })
        .Case([&](vit::SdpaOp sdpa) {
          return replace(kernel::AttentionOp::create(builder, op->getLoc(), sdpa.getType(), /*weights=*/Type(), sdpa.getQkv(),
                                                     sdpa.getQuery(), sdpa.getBias(), sdpa.getRowTable(), sdpa.getColumnTable(),
                                                     sdpa.getHeads(), sdpa.getScale(), sdpa.getWindows(), sdpa.getFirstQuery(),
                                                     kernel::AttentionScheduleAttr(),
                                                     /*result_grid=*/DenseF32ArrayAttr()));
        })
        .Case([&](vit::GroupNormRowsOp norm) {
          return replace(kernel::GroupNormOp::create(builder, op->getLoc(), norm.getType(), norm.getRows(), norm.getGain(), norm.getShift(),
                                                     norm.getResidual(), norm.getActivation(), norm.getGroups(), norm.getEps(),
                                                     kernel::GroupScheduleAttr()));
        })
        .Case([&](vit::PoolRowsOp pool) {
          return replace(kernel::PoolRowsOp::create(builder, op->getLoc(), pool.getType(), pool.getRows(), pool.getKind(), pool.getGrid(),
                                                    pool.getWindow(), pool.getStride(), pool.getPadding(), kernel::RowScheduleAttr()));
        })
        .Case([&](vit::NormalizeOp normalize) -> LogicalResult {
          if (normalize.getGroups() != 1)
            return failure();
          return replace(kernel::NormalizeOp::create(builder, op->getLoc(), normalize.getType(), /*scales=*/Type(), normalize.getInput(),
                                                     normalize.getGain(), normalize.getShift(), normalize.getKind(), normalize.getEps(),
                                                     kernel::RowScheduleAttr()));
        })
        .Default([](Operation *) { return failure(); });
  }

  void runOnOperation() override {
    SmallVector<vit::PatchifyOp> patches;
    if (!reference && !training)
      getOperation()->walk([&](vit::PatchifyOp op) { patches.push_back(op); });
    llvm::for_each(patches, convertPatches);
    launches += patches.size();

    SmallVector<Operation *> computations;
    getOperation()->walk([&](Operation *op) {
      auto isActivation = [](Value value) { return !isWeight(value); };
      bool computes = isa_and_nonnull<vit::VitDialect>(op->getDialect()) &&
                      (llvm::any_of(op->getResults(), isActivation) || llvm::any_of(op->getOperands(), isActivation));
      if (computes && !op->getParentOfType<kernel::ReferenceOp>() && !op->getParentOfType<vit::PullbackOp>())
        computations.push_back(op);
    });
    Report report("kernel", "reference");
    SmallVector<Operation *> windows;
    for (Operation *op : computations) {
      if (!reference && !training && isReadInPlace(op)) {
        windows.push_back(op);
        continue;
      }
      if (!reference && succeeded(training ? convertForTraining(op, {keepAttention, queryGradients}) : convert(op))) {
        ++launches;
        continue;
      }
      ++references;
      if (!reference)
        report.missed(op, op->getName().getStringRef() + " has no kernel of its own and runs by its reference lowering");
      wrapInReference(op);
    }
    for (Operation *op : windows)
      op->erase();
  }
};

} // namespace
} // namespace vitc
