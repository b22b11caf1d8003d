//===- ProductSchedule.cpp - how a GPU's blocks share a product ---------------------------===//
//
// Part of the vitc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===--------------------------------------------------------------------------------------===//

#include "compiler/codegen/gpu/ProductSchedule.h"
#include "dialects/device/DeviceDialect.h"

#include "llvm/ADT/Twine.h"
#include "llvm/Support/MathExtras.h"

using namespace mlir;

namespace vitc::gpu {

namespace {

// Of an A100's multiprocessor (NVIDIA A100 Tensor Core GPU Architecture, 2020, table 1); a later one's are larger in much the same proportions.
constexpr double kProductsPerCycle = 1024;   ///< multiply-adds of 16-bit numbers
constexpr double kSharedBytesPerCycle = 128; ///< 32 banks
constexpr double kCacheBytesPerCycle = 40;   ///< of the second level, when all multiprocessors read
constexpr double kCacheLatency = 600;        ///< of what lies there or in memory
constexpr int64_t kSharedBytes = 164 * 1024;
constexpr int64_t kThreads = 2048, kRegisters = 65536;
/// Of a thread beside its sums: ptxas needs no more, and unrolls steps of K with what it is given.
constexpr int64_t kOtherRegisters = 64;
/// Of a block, what the driver takes of shared memory.
constexpr int64_t kReservedBytes = 1024;
/// Warps that keep the tensor cores busy.
constexpr double kBusyWarps = 8;
/// Cycles of a block's first loads and its epilogue.
constexpr double kEnds = 2000;

} // namespace

/// 256 threads that have 4 x 4 elements each: see Product.cpp.
static constexpr ProductSchedule multiplyAdds = {.rows = 64, .columns = 64, .depth = 16};

/// Of 16-bit elements; of wider ones the steps of K are as many bytes.
/// Large tiles read least, small ones leave fewer multiprocessors idle; those of few rows are for the heads of classifiers.
static constexpr ProductSchedule tensorCoreTiles[] = {
    {.rows = 128, .columns = 128, .depth = 32, .warpsDown = 2, .warpsAcross = 4, .stages = 4},
    {.rows = 128, .columns = 64, .depth = 32, .warpsDown = 4, .warpsAcross = 2, .stages = 4},
    {.rows = 64, .columns = 128, .depth = 32, .warpsDown = 2, .warpsAcross = 4, .stages = 4},
    {.rows = 64, .columns = 64, .depth = 32, .warpsDown = 2, .warpsAcross = 2, .stages = 4},
    {.rows = 32, .columns = 64, .depth = 64, .warpsDown = 2, .warpsAcross = 2, .stages = 4},
    {.rows = 16, .columns = 32, .depth = 64, .warpsDown = 1, .warpsAcross = 2, .stages = 4},
};

int64_t ProductSchedule::threads() const { return onTensorCores() ? device::kWarp * warpsDown * warpsAcross : rows * columns / 16; }

std::string ProductSchedule::text() const {
  std::string tile = (Twine(rows) + "x" + Twine(columns) + "x" + Twine(depth)).str();
  if (!onTensorCores())
    return tile;
  return (tile + ", " + Twine(warpsDown) + "x" + Twine(warpsAcross) + " warps, " + Twine(stages) + " stages" + partsText(parts)).str();
}

std::string partsText(int64_t parts) { return parts == 1 ? "" : (", " + Twine(parts) + " parts of K").str(); }

int64_t ProductSchedule::residentBlocks() const {
  const int64_t shared = bytes * (rows + columns) * depth * stages + kReservedBytes;
  const int64_t registers = rows * columns + kOtherRegisters * threads();
  return std::min({kSharedBytes / shared, kThreads / threads(), kRegisters / registers});
}

double joiningTime(int64_t parts, int64_t elements, double cacheBytesPerCycle, double cacheLatency) {
  // Stores, the counter, loads: one after the other.
  return parts == 1 ? 0 : 3 * cacheLatency + static_cast<double>((1 + parts) * 4 * elements) / cacheBytesPerCycle;
}

double timeOf(const ProductSchedule &s, const ProductShape &shape, int64_t images, const DeviceTarget &target) {
  const int64_t tiles = llvm::divideCeilSigned(shape.rowsPerImage * images, s.rows) * llvm::divideCeilSigned(shape.outputs, s.columns);
  const int64_t perMultiprocessor = llvm::divideCeilSigned(tiles * s.parts, target.multiprocessors);
  const int64_t resident = s.residentBlocks();

  const auto together = static_cast<double>(std::min(perMultiprocessor, resident));
  // Of one step of K: what tensor cores multiply, what warps read of both operands, what comes from global memory.
  const double products = static_cast<double>(s.rows * s.columns * s.bytes / 2) / kProductsPerCycle;
  const double shared = static_cast<double>(s.bytes * (s.rows * s.warpsAcross + s.columns * s.warpsDown)) / kSharedBytesPerCycle;
  const double busy = std::min(1.0, together * static_cast<double>(s.warpsDown * s.warpsAcross) / kBusyWarps);
  const auto bytes = static_cast<double>(s.bytes * (s.rows + s.columns));
  const double underWay = together * static_cast<double>((s.stages - 1) * s.depth) * bytes;
  const double copies = bytes / std::min(kCacheBytesPerCycle, underWay / kCacheLatency);
  const int64_t depth = s.depth * llvm::divideCeilSigned(llvm::divideCeilSigned(shape.depth, s.depth), s.parts);
  const double tile = static_cast<double>(depth) * std::max(std::max(products, shared) / busy, copies) +
                      joiningTime(s.parts, s.rows * s.columns, kCacheBytesPerCycle, kCacheLatency);
  return static_cast<double>(perMultiprocessor) * tile + static_cast<double>(llvm::divideCeilSigned(perMultiprocessor, resident)) * kEnds;
}

SmallVector<int64_t> imagesFor(const DeviceTarget &target) {
  return target.images ? SmallVector<int64_t>{target.images} : llvm::to_vector(ArrayRef(imageCounts));
}

SmallVector<int64_t> partsFor(const ProductShape &shape, int64_t steps) {
  SmallVector<int64_t> all{1};
  for (int64_t parts : {2, 3, 4, 6, 8})
    if (shape.partable && parts <= steps)
      all.push_back(parts);
  return all;
}

int64_t operandBytes(const ProductShape &shape) { return isa<FloatTF32Type>(shape.input) ? 4 : 2; }

SmallVector<ProductSchedule> candidates(const ProductShape &shape) {
  SmallVector<ProductSchedule> all;
  for (ProductSchedule tile : tensorCoreTiles) {
    tile.depth = tile.depth * tile.bytes / operandBytes(shape);
    tile.bytes = operandBytes(shape);
    for (int64_t parts : partsFor(shape, llvm::divideCeilSigned(shape.depth, tile.depth))) {
      tile.parts = parts;
      all.push_back(tile);
    }
  }
  return all;
}

/// The tile for tensor cores that wastes least time.
static ProductSchedule chooseTile(const ProductShape &shape, const DeviceTarget &target) {
  return leastWaste<ProductSchedule>(candidates(shape), target,
                                     [&](const ProductSchedule &s, int64_t images) { return timeOf(s, shape, images, target); });
}

ProductSchedule chooseProduct(const ProductShape &shape, const DeviceTarget &target) {
  if (shape.input != shape.weight || shape.input.isF32() || shape.together * operandBytes(shape) < 4)
    return multiplyAdds;
  return chooseTile(shape, target);
}

ProductSchedule chooseRoundedProduct(const ProductShape &shape, const DeviceTarget &target) {
  ProductSchedule schedule = chooseTile(shape, target);
  schedule.stages = 2;
  return schedule;
}

} // namespace vitc::gpu
