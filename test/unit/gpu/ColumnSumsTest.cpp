//===- ColumnSumsTest.cpp - sums of all rows on a GPU against sums in double precision ---------*- C++ -*-===//
//
// Part of the vitc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===--------------------------------------------------------------------------------------===//

#include "DeviceHarness.h"

#include "compiler/codegen/gpu/ColumnSums.h"
#include "dialects/kernel/KernelDialect.h"
#include "test/unit/codegen/Numbers.h"

#include "mlir/IR/MLIRContext.h"
#include "mlir/Parser/Parser.h"

#include <gtest/gtest.h>

#include <cmath>
#include <fmt/format.h>

using namespace vitc;
using namespace vitc::gpu;
using namespace vitc::test;
using mlir::ModuleOp;
using mlir::StringRef;

namespace {

/// sum_rows, or the two sums of normalize_weight_grad, of images of `rows` x `width`.
struct Case {
  enum class Kind { Rows, ShortRows, Weights } kind; ///< of f32, of bf16
  int64_t rows, width;
  std::optional<ColumnSchedule> schedule = {}; ///< otherwise the one that is chosen
  int64_t tokens = 0;                          ///< axes of the result: [width], or [tokens, width / tokens]

  std::string text() const {
    const std::string element = kind == Kind::ShortRows ? "bf16" : "f32";
    const std::string inner = tokens ? fmt::format("{}x{}", tokens, width / tokens) : std::to_string(width);
    const std::string input = fmt::format("tensor<?x{}x{}x{}>", rows, inner, element), result = fmt::format("tensor<{}xf32>", inner);
    if (kind != Kind::Weights)
      return fmt::format("func.func @f(%x: {0}) -> {1} {{\n  %y = kernel.sum_rows %x : {0} -> {1}\n  return %y : {1}\n}}", input, result);
    return fmt::format(
        "func.func @f(%x: {0}, %u: {0}, %s: tensor<?x{2}x2xf32>) -> {1} {{\n  %g, %b = kernel.normalize_weight_grad %x, %u, %s : "
        "{0}, tensor<?x{2}x2xf32> -> {1}, {1}\n  return %g : {1}\n}}",
        input, result, rows);
  }

  mlir::FailureOr<KernelInfo> emit(ModuleOp module, StringRef symbol, const DeviceTarget &target = {}) const {
    mlir::OwningOpRef<ModuleOp> source = mlir::parseSourceString<ModuleOp>(text(), module.getContext());
    mlir::FailureOr<KernelInfo> info = mlir::failure();
    if (source)
      source->walk([&](kernel::KernelLaunchInterface launch) {
        if (auto sum = dyn_cast<kernel::SumRowsOp>(*launch); sum && schedule)
          info = emitSumRows(module, sum, symbol, *schedule);
        else if (auto grad = dyn_cast<kernel::NormalizeWeightGradOp>(*launch); grad && schedule)
          info = emitNormalizeWeightGrad(module, grad, symbol, *schedule);
        else
          info = emitKernel(module, launch, symbol, target);
      });
    return info;
  }
};

std::ostream &operator<<(std::ostream &os, const Case &c) {
  return os << fmt::format("{} {}x{}{}{}",
                           c.kind == Case::Kind::Rows        ? "rows"
                           : c.kind == Case::Kind::ShortRows ? "bf16"
                                                             : "weights",
                           c.rows, c.width, c.tokens ? fmt::format(" as {} tokens", c.tokens) : "",
                           c.schedule ? " by " + c.schedule->text() : "");
}

class ColumnSums : public testing::TestWithParam<Case> {};

TEST_P(ColumnSums, MatchDouble) {
  const Case &c = GetParam();
  std::optional<DeviceKernel> kernel = compileDevice([&](ModuleOp module, StringRef symbol) { return c.emit(module, symbol); });
  ASSERT_TRUE(kernel);
  EXPECT_EQ(kernel->blocks(1), kernel->blocks(1000));
  const auto width = static_cast<size_t>(c.width);
  // Few enough for parts without a row, and tails of a block's rounds.
  for (int64_t images : {1, 2, 67}) {
    SCOPED_TRACE(fmt::format("{} images", images));
    const auto rows = static_cast<size_t>(c.rows * images);
    std::vector<float> x = randomFloats((rows * width + 1) / 2 * 2, 1), upstream = randomFloats(rows * width, 2), statistics;
    for (size_t row = 0; row < rows; ++row)
      statistics.insert(statistics.end(), {0.25f * static_cast<float>(row % 5), 1.0f + 0.125f * static_cast<float>(row % 3)});
    std::vector<std::vector<float>> before(c.kind == Case::Kind::Weights ? 2 : 1, randomFloats(width, 3)), operands{x};
    std::vector<std::vector<double>> expected;
    for (const std::vector<float> &values : before)
      expected.emplace_back(values.begin(), values.end());
    if (c.kind == Case::Kind::ShortRows)
      operands = {bf16Words(x)};
    if (c.kind == Case::Kind::Weights)
      operands = {x, upstream, statistics};
    for (size_t i = 0; i < rows * width; ++i) {
      const float *pair = &statistics[i / width * 2];
      if (c.kind == Case::Kind::Weights) {
        expected[0][i % width] += double(upstream[i]) * (double(x[i]) - pair[0]) * pair[1];
        expected[1][i % width] += upstream[i];
      } else {
        expected[0][i % width] += c.kind == Case::Kind::ShortRows ? roundedToBf16(x[i]) : x[i];
      }
    }
    const std::vector<std::vector<float>> results = kernel->addTo(before, operands, images);
    for (size_t i = 0; i < expected.size(); ++i)
      expectClose(results[i], expected[i], 1e-6 * std::sqrt(double(rows)));
    // Whichever part comes last.
    EXPECT_EQ(kernel->addTo(before, operands, images, /*seed=*/7), results);
  }
}

std::vector<Case> cases() {
  using enum Case::Kind;
  std::vector<Case> all;
  for (auto kind : {Rows, ShortRows, Weights})
    for (int64_t width : {1, 3, 33, 197, 768}) {
      all.push_back({kind, 1, width});
      all.push_back({kind, 3, width, ColumnSchedule{.lanes = 1, .across = 32, .warps = 2, .together = 3, .parts = 7}});
    }
  all.push_back({Rows, 1, 3072});
  all.push_back({ShortRows, 1, 3072});
  all.push_back({Rows, 16, 48});
  all.push_back({ShortRows, 9, 104});
  all.push_back({Weights, 8, 96});
  for (int64_t across : {8, 16, 32}) {
    all.push_back({Rows, 5, 200, ColumnSchedule{.lanes = 4, .across = across, .warps = 4, .together = 8, .parts = 16}});
    all.push_back({ShortRows, 5, 200, ColumnSchedule{.lanes = 8, .across = across, .warps = 4, .together = 8, .parts = 11}});
    all.push_back({Weights, 5, 98, ColumnSchedule{.lanes = 2, .across = across, .warps = 1, .together = 4, .parts = 3}});
  }
  // Tables of positions: sums over images alone.
  all.push_back({Rows, 1, 5 * 48, {}, 5});
  all.push_back({Rows, 1, 17 * 33, {}, 17});
  all.push_back({Rows, 2, 3 * 20, {}, 3});
  return all;
}

INSTANTIATE_TEST_SUITE_P(Sizes, ColumnSums, testing::ValuesIn(cases()),
                         [](const auto &info) { return parameterName(testing::PrintToString(info.param)); });

/// Blocks for three quarters of the multiprocessors wherever there are rows enough, lines of the cache, and vectors.
TEST(ColumnSumsChoice, FillsAGpu) {
  std::unique_ptr<mlir::MLIRContext> context = makeContext();
  const mlir::Type f32 = mlir::Float32Type::get(context.get()), bf16 = mlir::BFloat16Type::get(context.get());
  for (const char *architecture : {"sm_80", "sm_90a"}) {
    const DeviceTarget target = *parseArchitecture(architecture);
    for (mlir::Type element : {f32, bf16})
      for (int64_t width : {192, 384, 768, 1024, 2304, 3072, 5120}) {
        const ColumnSchedule schedule = chooseColumnSums(width, 64 * 197, element, element == f32 ? 2 : 1, target);
        SCOPED_TRACE(fmt::format("{}, {} columns: {}", architecture, width, schedule.text()));
        const int64_t bytes = element == f32 ? 4 : 2;
        EXPECT_EQ(schedule.lanes * bytes, 16);
        EXPECT_GE(schedule.columns() * bytes, 128);
        const int64_t tiles = (width + schedule.columns() - 1) / schedule.columns();
        // ViT-Ti's rows are 384 bytes: three lines, 16 parts of each.
        EXPECT_GE(tiles * schedule.parts, width * bytes < 1024 ? 16 * (width * bytes / 128) : target.multiprocessors * 3 / 4);
        if (schedule.parts > 1)
          EXPECT_LE(tiles * schedule.parts, target.multiprocessors);
      }
    EXPECT_EQ(chooseColumnSums(768, 64, f32, 1, target).parts, 1);
    EXPECT_EQ(chooseColumnSums(197 * 768, 64, f32, 1, target).parts, 1);
  }
}

TEST(ColumnSumsChoice, TakesNoSpills) {
  if (!hasPtxas())
    GTEST_SKIP() << "no ptxas";
  for (const char *architecture : {"sm_80", "sm_90a"}) {
    std::unique_ptr<mlir::MLIRContext> context = makeContext();
    mlir::OwningOpRef<ModuleOp> module = ModuleOp::create(mlir::UnknownLoc::get(context.get()));
    size_t count = 0;
    for (auto kind : {Case::Kind::Rows, Case::Kind::ShortRows, Case::Kind::Weights})
      for (int64_t width : {33, 770, 768, 2304, 3072})
        ASSERT_TRUE(succeeded(Case{kind, 197, width}.emit(*module, fmt::format("sums_{}", count++), *parseArchitecture(architecture))));
    const Case table{Case::Kind::Rows, 1, 197 * 768, {}, 197};
    ASSERT_TRUE(succeeded(table.emit(*module, fmt::format("sums_{}", count++), *parseArchitecture(architecture))));
    const std::map<std::string, Resources> kernels = assemble(*module, architecture);
    EXPECT_EQ(kernels.size(), count);
    for (const auto &[name, resources] : kernels) {
      EXPECT_EQ(resources.spilledBytes, 0) << name << " with " << resources.registers << " registers";
      EXPECT_LE(resources.registers, 128) << name;
    }
  }
}

} // namespace
