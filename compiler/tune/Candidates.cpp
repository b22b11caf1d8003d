//===- Candidates.cpp - schedules that may be better --------------------------*- C++ -*-===//
//
// Part of the vitc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===--------------------------------------------------------------------------------------===//

#include "compiler/tune/Candidates.h"
#include "dialects/kernel/KernelDialect.h"

#include "mlir/AsmParser/AsmParser.h"
#include "mlir/IR/Diagnostics.h"

#include "llvm/Support/MathExtras.h"

#include <regex>
#include <set>

using namespace mlir;

namespace vitc::tune {

/// Tiles whose accumulators, one row of weights and a broadcast element fit the registers, by how little they load for each multiply-add:
/// a step of k loads `rows` elements and `vectors` vectors for rows * vectors multiply-adds.
static Axis tiles(int64_t registers, int64_t lanes, int64_t rowBlock) {
  constexpr int64_t mostRows = 16, mostVectors = 6, mostTiles = 7;
  std::vector<std::pair<double, std::pair<int64_t, int64_t>>> ranked;
  for (int64_t rows = 2; rows <= mostRows; ++rows)
    for (int64_t vectors = 1; vectors <= mostVectors; ++vectors)
      if (rows * vectors + vectors + 1 <= registers && rows * vectors * 2 >= registers)
        ranked.push_back({double(rows + vectors) / double(rows * vectors), {rows, vectors}});
  std::sort(ranked.begin(), ranked.end());
  Axis axis;
  for (auto [loads, tile] : ranked) {
    if (axis.size() == mostTiles)
      break;
    auto [rows, vectors] = tile;
    axis.push_back({{"rows", rows}, {"columns", vectors * lanes}, {"row_block", llvm::alignTo(rowBlock, rows)}});
  }
  return axis;
}

static std::vector<Axis> axesOfProduct(kernel::GemmScheduleAttr schedule, int64_t depth, int64_t rows, int64_t registers) {
  Axis prefetches, depths, blocks;
  for (int64_t step : {0, 4, 8, 16, 32})
    prefetches.push_back({{"prefetch", step}});
  constexpr int64_t fewestSteps = 96, mostSteps = 4096;
  for (int64_t parts : {1, 2, 3, 4, 6})
    if (int64_t block = llvm::divideCeilSigned(depth, parts); block <= mostSteps && (parts == 1 || block >= fewestSteps))
      depths.push_back({{"k_block", block}});
  for (int64_t parts : {1, 2, 4, 8})
    if (int64_t block = llvm::divideCeilSigned(rows, parts); block >= schedule.getRows())
      blocks.push_back({{"row_block", int64_t(llvm::alignTo(block, schedule.getRows()))}});
  return {prefetches, tiles(registers, schedule.getVector(), schedule.getRowBlock()), depths, blocks, prefetches};
}

std::vector<Axis> axesOf(Operation *launch, int64_t registers, int64_t images) {
  Attribute schedule = launch->getAttr("schedule");
  if (auto product = dyn_cast_or_null<kernel::GemmScheduleAttr>(schedule)) {
    auto packed = cast<RankedTensorType>(launch->getOperand(1).getType());
    int64_t rows = images;
    for (int64_t size : cast<RankedTensorType>(launch->getResult(0).getType()).getShape().drop_front().drop_back())
      rows *= size;
    return axesOfProduct(product, packed.getDimSize(0) * packed.getDimSize(2), rows, registers);
  }
  if (isa_and_nonnull<kernel::AttentionScheduleAttr>(schedule)) {
    Axis rows;
    for (int64_t count : {4, 5, 6, 7, 8, 10, 12})
      rows.push_back({{"rows", count}});
    return {rows};
  }
  // The others have nothing but the size of their tasks, which only the balance of threads feels.
  return {};
}

Attribute change(Attribute schedule, const Change &change) {
  // By its text: a schedule is a list of named numbers, whatever its kind.
  std::string before, after;
  llvm::raw_string_ostream(before) << schedule;
  after = before;
  for (const auto &[name, value] : change)
    after = std::regex_replace(after, std::regex("\\b" + name + " = [0-9]+"), name + " = " + std::to_string(value));
  if (after == before)
    return {};
  ScopedDiagnosticHandler quiet(schedule.getContext(), [](Diagnostic &) { return success(); });
  return parseAttribute(after, schedule.getContext());
}

} // namespace vitc::tune
