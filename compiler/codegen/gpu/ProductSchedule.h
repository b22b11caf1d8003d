//===- ProductSchedule.h - how a GPU's blocks share a product -----------------*- C++ -*-===//
//
// Part of the vitc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===--------------------------------------------------------------------------------------===//

#ifndef VITC_COMPILER_CODEGEN_GPU_PRODUCTSCHEDULE_H
#define VITC_COMPILER_CODEGEN_GPU_PRODUCTSCHEDULE_H

#include "compiler/codegen/gpu/GpuCodegen.h"

#include <algorithm>

namespace vitc::gpu {

/// What a product's schedule depends on.
struct ProductShape {
  int64_t rowsPerImage;
  int64_t outputs;      ///< N
  int64_t depth;        ///< K
  int64_t together = 1; ///< elements of both operands that lie side by side, as of Product::segment
  mlir::Type input, weight;
  bool partable = false;        ///< whether several blocks may have a tile
  bool inRows = true;           ///< whether rows of the input lie one behind the other, as the copy engine sees them
  bool weightByColumns = false; ///< the weight is [K, N]
};

/// What a block does: `rows` x `columns` of the result, K in steps of `depth`.
struct ProductSchedule {
  int64_t rows = 0, columns = 0, depth = 0;
  /// Of the block's warps, which have equal parts of its tile; products on tensor cores, operands through a ring of `stages`. 0: multiply-adds of f32.
  int64_t warpsDown = 0, warpsAcross = 0, stages = 0;
  int64_t parts = 1; ///< of K, which as many blocks have: PartialSums.h
  int64_t bytes = 2; ///< of an operand's element on tensor cores: 4 of tf32, which are multiplied half as fast

  bool onTensorCores() const { return warpsDown > 0; }
  int64_t threads() const;
  /// Blocks on tensor cores that a multiprocessor has memory, threads and registers for.
  int64_t residentBlocks() const;
  /// "128x128x32, 2x4 warps, 4 stages", of the result's rows and columns and of K.
  std::string text() const;

  friend bool operator==(const ProductSchedule &, const ProductSchedule &) = default;
};

/// ", 2 parts of K"; nothing for one.
std::string partsText(int64_t parts);

/// What numbers of parts are tried for K in `steps` steps: each part has some.
llvm::SmallVector<int64_t> partsFor(const ProductShape &shape, int64_t steps);

/// Tensor cores multiply bf16 by bf16 or f16 by f16, of which pairs lie together, and tf32 by tf32; the tile is the one of a table that wastes least time by the
/// model of `timeOf`, averaged over `imagesFor(target)`. Everything else is a product of f32.
ProductSchedule chooseProduct(const ProductShape &shape, const DeviceTarget &target);

/// The same of a product whose operands are rounded to bf16 as they are copied, through two stages; their types in `shape` are not read.
ProductSchedule chooseRoundedProduct(const ProductShape &shape, const DeviceTarget &target);

/// Few, some and many: a launch has a kernel for each where they differ, from the geometric mean of a number and the one before it on.
inline constexpr int64_t imageCounts[] = {1, 8, 64};
inline constexpr int64_t imagesFrom[] = {1, 3, 23};

/// Those of them that schedules for `target` are chosen for.
llvm::SmallVector<int64_t> imagesFor(const DeviceTarget &target);

/// Cycles that a block takes to leave its part of a tile's sums, and the last one to read all of them.
double joiningTime(int64_t parts, int64_t elements, double cacheBytesPerCycle, double cacheLatency);

/// Of `candidates` the one that takes least time, relative to the best one for each of `imagesFor(target)`.
template <typename Schedule>
Schedule leastWaste(llvm::ArrayRef<Schedule> candidates, const DeviceTarget &target,
                    llvm::function_ref<double(const Schedule &, int64_t images)> timeOf) {
  llvm::SmallVector<double> waste(candidates.size());
  for (int64_t images : imagesFor(target)) {
    llvm::SmallVector<double> times;
    for (const Schedule &candidate : candidates)
      times.push_back(timeOf(candidate, images));
    const double least = *std::ranges::min_element(times);
    for (auto [sum, time] : llvm::zip(waste, times))
      sum += time / least;
  }
  return candidates[std::ranges::min_element(waste) - waste.begin()];
}

/// Bytes of an operand's element on tensor cores: 4 of tf32, 2 of everything else, which what is rounded becomes too.
int64_t operandBytes(const ProductShape &shape);

/// Schedules on tensor cores for a product of the shape.
llvm::SmallVector<ProductSchedule> candidates(const ProductShape &shape);

/// A model of the time of a product on tensor cores, in cycles. Blocks are given to multiprocessors in turn. Of each block a multiprocessor takes
/// the longest of what it needs of tensor cores, shared memory (both longer where warps are too few to hide latencies) and the second-level
/// cache (longer where too few copies are under way), and a constant for the beginning and end of each group of blocks that fits at a time.
double timeOf(const ProductSchedule &schedule, const ProductShape &shape, int64_t images, const DeviceTarget &target);

} // namespace vitc::gpu

#endif // VITC_COMPILER_CODEGEN_GPU_PRODUCTSCHEDULE_H
