//===- Schedule.cpp - how each launch is tiled ------------------------------------------------===//
//
// Part of the vitc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===--------------------------------------------------------------------------------------===//

#include "compiler/transforms/Passes.h"
#include "dialects/kernel/KernelDialect.h"

using namespace mlir;

namespace vitc {
#define GEN_PASS_DEF_KERNELSCHEDULE
#include "compiler/transforms/Passes.h.inc"

namespace {

/// Measured tiles (docs/performance.md): rows x columns accumulators, two to four column vectors and one broadcast must fit the register file.
struct Tile {
  int64_t rows, columns;
};
Tile tileFor(int64_t lanes) {
  switch (lanes) {
  case 16:
    return {6, 64}; // 24 of 32 zmm
  case 8:
    return {6, 16}; // 12 of 16 ymm
  default:
    return {4, 2 * lanes}; // 8 of 16 xmm
  }
}

/// Steps of K that a tile's accumulators stay in registers. 768 x 64 floats of weights and about 198 rows of input fill a second-level cache of
/// 1 MiB; up to 1024 unsplit costs less than a second pass over the result.
int64_t blockOfK(int64_t depth) { return depth <= 1024 ? depth : llvm::divideCeilSigned(depth, llvm::divideCeilSigned(depth, 768)); }

struct SchedulePass : impl::KernelScheduleBase<SchedulePass> {
  using Base::Base;

  kernel::GemmScheduleAttr gemmSchedule(int64_t depth) {
    Tile tile = tileFor(vectorLanes);
    // About one image of 197 tokens.
    int64_t rowBlock = llvm::divideCeilSigned(197, tile.rows) * tile.rows;
    return kernel::GemmScheduleAttr::get(&getContext(), tile.rows, tile.columns, blockOfK(depth), rowBlock, /*prefetch=*/8, vectorLanes);
  }

  template <typename ProductOp> void schedule(ProductOp op) {
    if (op.getScheduleAttr())
      return;
    auto weight = cast<RankedTensorType>(op.getWeight().getType());
    int64_t outputs = weight.getDimSize(0), depth = weight.getDimSize(1);
    kernel::GemmScheduleAttr schedule = gemmSchedule(depth);
    OpBuilder builder(op);
    auto type = RankedTensorType::get(kernel::packedShape(outputs, depth, schedule), weight.getElementType());
    op.getWeightMutable().assign(kernel::PackOp::create(builder, op.getLoc(), type, op.getWeight()));
    op.setScheduleAttr(schedule);
  }

  void runOnOperation() override {
    if (vectorLanes != 16 && vectorLanes != 8 && vectorLanes != 4) {
      emitError(getOperation()->getLoc()) << "vector-lanes must be 16, 8 or 4, not " << vectorLanes;
      return signalPassFailure();
    }
    getOperation()->walk([&](Operation *op) {
      if (auto gemm = dyn_cast<kernel::GemmOp>(op))
        return schedule(gemm);
      if (auto patches = dyn_cast<kernel::PatchEmbedOp>(op))
        return schedule(patches);
      if (auto attention = dyn_cast<kernel::AttentionOp>(op); attention && !attention.getScheduleAttr())
        attention.setScheduleAttr(kernel::AttentionScheduleAttr::get(&getContext(), tileFor(vectorLanes).rows, vectorLanes));
      // 16 rows are a microsecond or two: short enough to balance, long against a dispatch.
      if (auto normalize = dyn_cast<kernel::NormalizeOp>(op); normalize && !normalize.getScheduleAttr())
        normalize.setScheduleAttr(kernel::RowScheduleAttr::get(&getContext(), 16, vectorLanes));
    });
  }
};

} // namespace
} // namespace vitc
