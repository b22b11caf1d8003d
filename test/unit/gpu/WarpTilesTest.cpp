//===- WarpTilesTest.cpp - tiles in shared memory and products of a warp ------*- C++ -*-===//
//
// Part of the vitc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===--------------------------------------------------------------------------------------===//

#include "DeviceHarness.h"
#include "ShortNumbers.h"

#include "compiler/codegen/gpu/WarpFragments.h"
#include "test/unit/codegen/Numbers.h"

#include <gtest/gtest.h>

#include <fmt/format.h>
#include <set>

using namespace vitc;
using namespace vitc::gpu;
using namespace vitc::test;
using mlir::ModuleOp;

namespace {

constexpr int64_t kThreads = 64;

/// A kernel of one block.
KernelInfo describe(const DeviceFunction &f, llvm::StringRef symbol) {
  KernelInfo info;
  info.symbol = symbol.str();
  info.threads = f.threads();
  info.sharedBytes = f.sharedBytes();
  return info;
}

//===--------------------------------------------------------------------------------------===//
// SharedTile
//===--------------------------------------------------------------------------------------===//

/// Columns, and what they are of.
class Banks : public testing::TestWithParam<std::pair<int64_t, const ShortNumber *>> {};

TEST_P(Banks, AreMetOnceByEightThreads) {
  constexpr int64_t rows = 24;
  auto [columns, number] = GetParam();
  const int64_t elements = 16 / number->bytes, across = columns / elements, chunks = rows * across;
  // Which of the eight groups of four banks an element's chunk lies in.
  auto banksOf = [&](int32_t index) { return index / elements % 8; };
  std::optional<DeviceKernel> kernel = compileDevice([&](ModuleOp module, llvm::StringRef symbol) -> mlir::FailureOr<KernelInfo> {
    DeviceFunction f(module, symbol, module.getLoc(), {mlir::IntegerType::get(module.getContext(), 32)}, kThreads);
    SharedTile tile(f, rows, columns, number->type(module.getContext()));
    forLoop(f.b, f.thread, constant(f.b, chunks), kThreads, {}, [&](Value place, ValueRange) {
      store(f.b, tile.index(div(f.b, place, across), mul(f.b, rem(f.b, place, across), elements)), f.operand(0), place);
      return llvm::SmallVector<Value>();
    });
    return describe(f, symbol);
  });
  ASSERT_TRUE(kernel);
  const std::vector<float> words = kernel->run({}, {static_cast<size_t>(chunks)}, 1).front();
  const std::vector<int32_t> index = fromWords<int32_t>(words);

  auto at = [&](int64_t row, int64_t chunk) { return index[static_cast<size_t>(row * across + chunk)]; };
  std::set<int32_t> places;
  for (int64_t row = 0; row < rows; ++row)
    for (int64_t chunk = 0; chunk < across; ++chunk) {
      EXPECT_TRUE(at(row, chunk) % elements == 0 && at(row, chunk) / columns == row) << row << " " << chunk;
      places.insert(at(row, chunk));
    }
  EXPECT_EQ(places.size(), static_cast<size_t>(chunks));
  for (int64_t first = 0; first < rows; first += 8)
    for (int64_t chunk = 0; chunk < across; ++chunk) {
      std::set<int64_t> met;
      for (int64_t row = first; row < first + 8; ++row)
        met.insert(banksOf(at(row, chunk)));
      EXPECT_EQ(met.size(), 8U) << "a column of chunks, " << first << " " << chunk;
    }
  for (int64_t first = 0; first < chunks; first += 8) {
    std::set<int64_t> met;
    for (int64_t place = first; place < first + 8; ++place)
      met.insert(banksOf(index[static_cast<size_t>(place)]));
    EXPECT_EQ(met.size(), 8U) << "chunks beside each other, " << first;
  }
}

std::vector<std::pair<int64_t, const ShortNumber *>> columns() {
  std::vector<std::pair<int64_t, const ShortNumber *>> all;
  for (int64_t columns : {8, 16, 24, 32, 40, 48, 64, 72, 80, 88, 96, 104, 112, 128, 256})
    all.emplace_back(columns, &kBf16);
  for (int64_t columns : {4, 8, 16, 20, 32, 48, 64, 72, 96, 128})
    all.emplace_back(columns, &kTf32);
  return all;
}

INSTANTIATE_TEST_SUITE_P(Columns, Banks, testing::ValuesIn(columns()),
                         [](const auto &info) { return fmt::format("{}_{}", info.param.first, info.param.second->name); });

//===--------------------------------------------------------------------------------------===//
// Products
//===--------------------------------------------------------------------------------------===//

struct Case {
  OperandLayout left, right;
  int64_t depth;    ///< K
  int64_t stepsOfK; ///< in shared memory at a time, a multiple of 16
  int64_t chunk, stages;
  const ShortNumber *number = &kBf16;
};

std::ostream &operator<<(std::ostream &os, const Case &c) {
  return os << fmt::format("{}{}_k{}_of{}_chunk{}_stages{}_{}", c.left == OperandLayout::LeftMK ? "MK" : "KM",
                           c.right == OperandLayout::RightNK ? "NK" : "KN", c.depth, c.stepsOfK, c.chunk, c.stages, c.number->name);
}

constexpr int64_t kRows = 32, kColumns = 48;

/// c [32, 48] = a b, a warp's part 16 rows; a and b as their layouts say. Rows and columns of K beyond the last are zeros.
KernelInfo emitProduct(ModuleOp module, llvm::StringRef symbol, const Case &c) {
  Type element = c.number->type(module.getContext());
  DeviceFunction f(module, symbol, module.getLoc(), {element, element, mlir::Float32Type::get(module.getContext())}, kThreads);
  ImplicitLocOpBuilder &b = f.b;
  const bool leftMK = c.left == OperandLayout::LeftMK, rightNK = c.right == OperandLayout::RightNK;
  SharedTile left(f, leftMK ? kRows : c.stepsOfK, leftMK ? c.stepsOfK : kRows, element, c.stages);
  SharedTile right(f, rightNK ? kColumns : c.stepsOfK, rightNK ? c.stepsOfK : kColumns, element, c.stages);
  Value warpRow = mul(b, div(b, f.thread, device::kWarp), 16);
  FragmentReader readLeft(f, c.left, leftMK ? warpRow : Value(), leftMK ? Value() : warpRow, element),
      readRight(f, c.right, {}, {}, element);
  auto fill = [&](Value step, Value stage) {
    Value first = mul(b, step, c.stepsOfK);
    auto copy = [&](const SharedTile &tile, Value from, bool kAcross, int64_t others) {
      copyTile(f, tile.stage(stage), c.chunk, [&](Value row, Value column) {
        Value k = add(b, first, kAcross ? column : row), other = kAcross ? row : column;
        return CopySource{{from, kAcross ? add(b, mul(b, other, c.depth), k) : add(b, mul(b, k, others), other)}, less(b, k, c.depth)};
      });
    };
    copy(left, f.operand(0), leftMK, kRows);
    copy(right, f.operand(1), rightNK, kColumns);
  };
  llvm::SmallVector<Value> sums(kColumns / 8, zeroSums(b));
  const int64_t steps = llvm::divideCeilSigned(c.depth, c.stepsOfK);
  sums = forStages(f, c.stages, constant(b, steps), sums, fill, [&](Value, Value stage, ValueRange before) {
    llvm::SmallVector<Value> after(before);
    SharedTile leftStage = left.stage(stage), rightStage = right.stage(stage);
    for (int64_t k = 0; k < c.stepsOfK; k += depthOf(element)) {
      Value a = leftMK ? readLeft.read(leftStage, 0, k) : readLeft.read(leftStage, k, 0);
      for (int64_t column = 0; column < kColumns; column += 16) {
        Value square = rightNK ? readRight.read(rightStage, column, k) : readRight.read(rightStage, k, column);
        for (int64_t half = 0; half < 2; ++half) {
          Value &sum = after[static_cast<size_t>(column / 8 + half)];
          sum = multiply(b, a, rightOperand(b, square, half), sum);
        }
      }
    }
    return after;
  });
  SumsLayout layout(f);
  for (auto [number, sum] : llvm::enumerate(sums))
    for (int64_t i = 0; i < 4; ++i) {
      Value row = add(b, add(b, layout.row, 8 * (i / 2)), warpRow);
      Value column = add(b, layout.column, static_cast<int64_t>(8 * number) + i % 2);
      store(b, lane(b, sum, i), f.operand(2), add(b, mul(b, row, kColumns), column));
    }
  return describe(f, symbol);
}

class WarpTiles : public testing::TestWithParam<Case> {};

/// Small integers, of which all sums are exact.
TEST_P(WarpTiles, Multiply) {
  const Case &c = GetParam();
  std::optional<DeviceKernel> kernel =
      compileDevice([&](ModuleOp module, llvm::StringRef symbol) -> mlir::FailureOr<KernelInfo> { return emitProduct(module, symbol, c); });
  ASSERT_TRUE(kernel);
  std::vector<float> a(static_cast<size_t>(kRows * c.depth)), b(static_cast<size_t>(kColumns * c.depth));
  auto left = [](int64_t m, int64_t k) { return static_cast<float>((m * 5 + k * 7) % 11 - 5); };
  auto right = [](int64_t n, int64_t k) { return static_cast<float>((n * 3 + k * 5) % 13 - 6); };
  for (int64_t k = 0; k < c.depth; ++k) {
    for (int64_t m = 0; m < kRows; ++m)
      a[static_cast<size_t>(c.left == OperandLayout::LeftMK ? m * c.depth + k : k * kRows + m)] = left(m, k);
    for (int64_t n = 0; n < kColumns; ++n)
      b[static_cast<size_t>(c.right == OperandLayout::RightNK ? n * c.depth + k : k * kColumns + n)] = right(n, k);
  }
  for (uint64_t seed = 0; seed < 2; ++seed) {
    std::vector<float> result =
        kernel->run({c.number->words(a), c.number->words(b)}, {static_cast<size_t>(kRows * kColumns)}, 1, seed).front();
    for (int64_t m = 0; m < kRows; ++m)
      for (int64_t n = 0; n < kColumns; ++n) {
        float sum = 0;
        for (int64_t k = 0; k < c.depth; ++k)
          sum += left(m, k) * right(n, k);
        ASSERT_EQ(result[static_cast<size_t>(m * kColumns + n)], sum) << m << " " << n;
      }
  }
}

std::vector<Case> cases() {
  std::vector<Case> all;
  for (OperandLayout left : {OperandLayout::LeftMK, OperandLayout::LeftKM})
    for (OperandLayout right : {OperandLayout::RightNK, OperandLayout::RightKN}) {
      all.push_back({left, right, 16, 16, 8, 2});
      all.push_back({left, right, 72, 32, 8, 4, &kF16});
      all.push_back({left, right, 200, 48, 4, 3});
      all.push_back({left, right, 130, 64, 2, 2});
      all.push_back({left, right, 8, 80, 8, 3});
    }
  // Of words there is no transposed operand but the values of attention, which its own test has.
  for (int64_t chunk : {4, 2, 1})
    for (int64_t depth : {8, 40, 132})
      all.push_back({OperandLayout::LeftMK, OperandLayout::RightNK, depth, 16 * chunk, chunk, 3, &kTf32});
  return all;
}

INSTANTIATE_TEST_SUITE_P(Layouts, WarpTiles, testing::ValuesIn(cases()),
                         [](const auto &info) { return parameterName(testing::PrintToString(info.param)); });

} // namespace
