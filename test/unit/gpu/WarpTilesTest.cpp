//===- WarpTilesTest.cpp - tiles in shared memory and products of a warp ------*- C++ -*-===//
//
// Part of the vitc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===--------------------------------------------------------------------------------------===//

#include "DeviceHarness.h"

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

Type elementOf(ModuleOp module, bool bf16) {
  return bf16 ? Type(mlir::BFloat16Type::get(module.getContext())) : Type(mlir::Float16Type::get(module.getContext()));
}

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

class Banks : public testing::TestWithParam<int64_t> {};

/// Which of the eight groups of four banks an element's chunk lies in.
int64_t banksOf(int32_t index) { return index / 8 % 8; }

TEST_P(Banks, AreMetOnceByEightThreads) {
  constexpr int64_t rows = 24;
  const int64_t columns = GetParam(), across = columns / 8, chunks = rows * across;
  std::optional<DeviceKernel> kernel = compileDevice([&](ModuleOp module, llvm::StringRef symbol) -> mlir::FailureOr<KernelInfo> {
    DeviceFunction f(module, symbol, module.getLoc(), {mlir::IntegerType::get(module.getContext(), 32)}, kThreads);
    SharedTile tile(f, rows, columns, elementOf(module, true));
    forLoop(f.b, f.thread, constant(f.b, chunks), kThreads, {}, [&](Value number, ValueRange) {
      store(f.b, tile.index(div(f.b, number, across), mul(f.b, rem(f.b, number, across), 8)), f.operand(0), number);
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
      EXPECT_TRUE(at(row, chunk) % 8 == 0 && at(row, chunk) / columns == row) << row << " " << chunk;
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
    for (int64_t number = first; number < first + 8; ++number)
      met.insert(banksOf(index[static_cast<size_t>(number)]));
    EXPECT_EQ(met.size(), 8U) << "chunks beside each other, " << first;
  }
}

INSTANTIATE_TEST_SUITE_P(Columns, Banks, testing::Values(8, 16, 24, 32, 40, 48, 64, 72, 80, 88, 96, 104, 112, 128, 256));

//===--------------------------------------------------------------------------------------===//
// Products
//===--------------------------------------------------------------------------------------===//

struct Case {
  OperandLayout left, right;
  int64_t depth;    ///< K
  int64_t stepsOfK; ///< in shared memory at a time, a multiple of 16
  int64_t chunk, stages;
  bool bf16 = true;
};

std::ostream &operator<<(std::ostream &os, const Case &c) {
  return os << fmt::format("{}{}_k{}_of{}_chunk{}_stages{}_{}", c.left == OperandLayout::LeftMK ? "MK" : "KM",
                           c.right == OperandLayout::RightNK ? "NK" : "KN", c.depth, c.stepsOfK, c.chunk, c.stages,
                           c.bf16 ? "bf16" : "f16");
}

constexpr int64_t kRows = 32, kColumns = 48;

/// c [32, 48] = a b, a warp's part 16 rows; a and b as their layouts say. Rows and columns of K beyond the last are zeros.
KernelInfo emitProduct(ModuleOp module, llvm::StringRef symbol, const Case &c) {
  Type element = elementOf(module, c.bf16);
  DeviceFunction f(module, symbol, module.getLoc(), {element, element, mlir::Float32Type::get(module.getContext())}, kThreads);
  ImplicitLocOpBuilder &b = f.b;
  const bool leftMK = c.left == OperandLayout::LeftMK, rightNK = c.right == OperandLayout::RightNK;
  SharedTile left(f, leftMK ? kRows : c.stepsOfK, leftMK ? c.stepsOfK : kRows, element, c.stages);
  SharedTile right(f, rightNK ? kColumns : c.stepsOfK, rightNK ? c.stepsOfK : kColumns, element, c.stages);
  Value warpRow = mul(b, div(b, f.thread, device::kWarp), 16);
  FragmentReader readLeft(f, c.left, leftMK ? warpRow : Value(), leftMK ? Value() : warpRow), readRight(f, c.right);
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
    for (int64_t k = 0; k < c.stepsOfK; k += 16) {
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
template <typename E> void expectProduct(const Case &c, E (*convert)(float)) {
  std::optional<DeviceKernel> kernel =
      compileDevice([&](ModuleOp module, llvm::StringRef symbol) -> mlir::FailureOr<KernelInfo> { return emitProduct(module, symbol, c); });
  ASSERT_TRUE(kernel);
  std::vector<E> a(static_cast<size_t>(kRows * c.depth)), b(static_cast<size_t>(kColumns * c.depth));
  auto left = [](int64_t m, int64_t k) { return static_cast<float>((m * 5 + k * 7) % 11 - 5); };
  auto right = [](int64_t n, int64_t k) { return static_cast<float>((n * 3 + k * 5) % 13 - 6); };
  for (int64_t k = 0; k < c.depth; ++k) {
    for (int64_t m = 0; m < kRows; ++m)
      a[static_cast<size_t>(c.left == OperandLayout::LeftMK ? m * c.depth + k : k * kRows + m)] = convert(left(m, k));
    for (int64_t n = 0; n < kColumns; ++n)
      b[static_cast<size_t>(c.right == OperandLayout::RightNK ? n * c.depth + k : k * kColumns + n)] = convert(right(n, k));
  }
  for (uint64_t seed = 0; seed < 2; ++seed) {
    std::vector<float> result = kernel->run({toWords(a), toWords(b)}, {static_cast<size_t>(kRows * kColumns)}, 1, seed).front();
    for (int64_t m = 0; m < kRows; ++m)
      for (int64_t n = 0; n < kColumns; ++n) {
        float sum = 0;
        for (int64_t k = 0; k < c.depth; ++k)
          sum += left(m, k) * right(n, k);
        ASSERT_EQ(result[static_cast<size_t>(m * kColumns + n)], sum) << m << " " << n;
      }
  }
}

TEST_P(WarpTiles, Multiply) {
  if (GetParam().bf16)
    expectProduct<uint16_t>(GetParam(), bf16Bits);
  else
    expectProduct<_Float16>(GetParam(), [](float value) { return static_cast<_Float16>(value); });
}

std::vector<Case> cases() {
  std::vector<Case> all;
  for (OperandLayout left : {OperandLayout::LeftMK, OperandLayout::LeftKM})
    for (OperandLayout right : {OperandLayout::RightNK, OperandLayout::RightKN}) {
      all.push_back({left, right, 16, 16, 8, 2});
      all.push_back({left, right, 72, 32, 8, 4, /*bf16=*/false});
      all.push_back({left, right, 200, 48, 4, 3});
      all.push_back({left, right, 130, 64, 2, 2});
      all.push_back({left, right, 8, 80, 8, 3});
    }
  return all;
}

INSTANTIATE_TEST_SUITE_P(Layouts, WarpTiles, testing::ValuesIn(cases()),
                         [](const auto &info) { return parameterName(testing::PrintToString(info.param)); });

} // namespace
