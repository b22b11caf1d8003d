//===- WarpgroupProduct.h - rows times a weight on a GPU of compute capability 9.0 -*- C++ -*-===//
//
// Part of the vitc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===--------------------------------------------------------------------------------------===//

#ifndef VITC_COMPILER_CODEGEN_GPU_WARPGROUPPRODUCT_H
#define VITC_COMPILER_CODEGEN_GPU_WARPGROUPPRODUCT_H

#include "compiler/codegen/gpu/Product.h"

namespace vitc::gpu {

/// Tiles of the result of 64 rows for each of `consumers` warpgroups and `columns` columns, operands through a ring of `stages` steps of 128 bytes of K,
/// which one more warpgroup has the copy engine fill. Blocks stay for as many tasks as there are.
struct WarpgroupSchedule {
  int64_t consumers, columns, stages;
  int64_t parts = 1; ///< of K, which as many tasks have: PartialSums.h
  int64_t bytes = 2; ///< of an operand's element

  /// Elements of K in a step: rows of 128 bytes, as wide as the copy engine permutes.
  int64_t depth() const { return 128 / bytes; }
  int64_t rows() const { return 64 * consumers; }
  int64_t threads() const { return device::kWarpgroup * (consumers + 1); }
  /// Of shared memory.
  int64_t stageBytes() const { return 128 * (rows() + columns); }
  /// "128x256x64, 2 consumer warpgroups, 4 stages"
  std::string text() const;
};

/// Schedules for a product of the shape.
llvm::SmallVector<WarpgroupSchedule> warpgroupCandidates(const ProductShape &shape);

/// A model of the time of a product, in cycles of an H100: waves of tiles, each of which takes the longest of tensor cores, shared memory and the
/// second-level cache, and its epilogue.
double timeOf(const WarpgroupSchedule &schedule, const ProductShape &shape, int64_t images, const DeviceTarget &target);

/// The tile that wastes least time by a model of multiprocessors' waves, averaged over `imagesFor(target)`; nothing where the copy engine or a product
/// of a warpgroup does not take such operands. `shape.together` is 8 where rows of both operands begin at multiples of 16 bytes.
std::optional<WarpgroupSchedule> chooseWarpgroupProduct(const ProductShape &shape, const DeviceTarget &target);

/// The kernel of `product`, whose input is operand 0 of its launch, [rows, K] or by columns [K, rows], and the weight operand 1. An image has
/// `rowsPerImage` rows of the input, which are steps of K where it lies by columns.
void emitWarpgroupProduct(DeviceFunction &f, const Product &product, const WarpgroupSchedule &schedule, int64_t rowsPerImage,
                          KernelInfo &info);

} // namespace vitc::gpu

#endif // VITC_COMPILER_CODEGEN_GPU_WARPGROUPPRODUCT_H
