//===- CandidatesTest.cpp - schedules that may be better ------------------------------------===//
//
// Part of the vitc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===--------------------------------------------------------------------------------------===//

#include "compiler/tune/Candidates.h"
#include "dialects/kernel/KernelDialect.h"

#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/IR/MLIRContext.h"
#include "mlir/Parser/Parser.h"

#include <gtest/gtest.h>

using namespace mlir;
using namespace vitc;

namespace {

class Candidates : public testing::Test {
protected:
  Candidates() { context.loadDialect<func::FuncDialect, kernel::KernelDialect, vit::VitDialect>(); }

  /// The scheduled launch in `text`, which takes %x, and %w packed.
  Operation *launch(const std::string &types, const std::string &text) {
    module = parseSourceString<ModuleOp>("func.func @f(" + types + ") { " + text + " return }", &context);
    Operation *found = nullptr;
    if (module)
      module->walk([&](kernel::KernelLaunchInterface op) { found = op; });
    return found;
  }

  MLIRContext context;
  OwningOpRef<ModuleOp> module;
};

TEST_F(Candidates, AChangeKeepsTheOtherParameters) {
  auto schedule = kernel::GemmScheduleAttr::get(&context, 6, 64, 192, 198, 8, 16);
  EXPECT_EQ(tune::change(schedule, {{"rows", 9}, {"columns", 48}}), kernel::GemmScheduleAttr::get(&context, 9, 48, 192, 198, 8, 16));
  // "rows" is not part of another parameter's name.
  EXPECT_EQ(tune::change(schedule, {{"block", 4}}), Attribute());
}

TEST_F(Candidates, WhatIsNoScheduleOrTheSameIsNone) {
  auto schedule = kernel::GemmScheduleAttr::get(&context, 6, 64, 192, 198, 8, 16);
  EXPECT_EQ(tune::change(schedule, {{"prefetch", 8}}), Attribute());
  EXPECT_EQ(tune::change(schedule, {{"row_block", 197}}), Attribute()); // no whole tiles
}

TEST_F(Candidates, TilesFitTheRegisters) {
  Operation *product = launch(
      "%x: tensor<?x197x768xf32>, %w: tensor<1x12x768x64xf32>",
      "%y = kernel.gemm %x, %w {schedule = #kernel.gemm_schedule<rows = 6, columns = 64, k_block = 768, row_block = 198, prefetch = 8, "
      "vector = 16>} : tensor<?x197x768xf32>, tensor<1x12x768x64xf32> -> tensor<?x197x768xf32>");
  ASSERT_TRUE(product);
  for (int64_t registers : {16, 32}) {
    bool any = false;
    for (const tune::Axis &axis : tune::axesOf(product, registers, 1))
      for (const tune::Change &change : axis)
        if (auto schedule = dyn_cast_or_null<kernel::GemmScheduleAttr>(tune::change(product->getAttr("schedule"), change))) {
          int64_t vectors = schedule.getColumns() / schedule.getVector();
          bool isTile = schedule.getRows() != 6 || schedule.getColumns() != 64;
          any |= isTile;
          if (isTile) {
            EXPECT_LE(schedule.getRows() * vectors + vectors + 1, registers);
          }
          EXPECT_EQ(schedule.getRowBlock() % schedule.getRows(), 0);
        }
    EXPECT_TRUE(any) << registers;
  }
}

TEST_F(Candidates, RowsHaveNothingToChoose) {
  Operation *norm =
      launch("%x: tensor<?x5x8xf32>", "%y = kernel.normalize %x {eps = 1.0e-6 : f32, schedule = #kernel.row_schedule<rows_per_task = 3, "
                                      "vector = 4>} : tensor<?x5x8xf32> -> tensor<?x5x8xf32>");
  ASSERT_TRUE(norm);
  EXPECT_TRUE(tune::axesOf(norm, 32, 1).empty());
}

} // namespace
