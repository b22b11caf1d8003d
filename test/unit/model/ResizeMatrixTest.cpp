//===- ResizeMatrixTest.cpp - resizes of tables against the libraries' own ----*- C++ -*-===//
//
// Part of the vitc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// test/data/resize/resize.npz is written by scripts/make_resize_goldens.py.
//
//===--------------------------------------------------------------------------------------===//

#include "compiler/frontend/ResizeMatrix.h"
#include "runtime/weights/TensorFile.h"
#include "test/unit/TestPaths.h"

#include <gtest/gtest.h>

#include <cstring>

using namespace vitc;
using namespace vitc::test;

namespace {

/// [rows, columns, channels].
struct Grid {
  int64_t rows = 0, columns = 0, channels = 0;
  std::vector<float> values;
  double at(int64_t row, int64_t column, int64_t channel) const {
    return static_cast<double>(values[static_cast<size_t>((row * columns + column) * channels + channel)]);
  }
};

class Resize : public testing::Test {
protected:
  void SetUp() override {
    auto opened = vitrt::openTensorFile(dataPath("resize/resize.npz").string());
    ASSERT_TRUE(opened) << opened.error().message;
    file = std::move(*opened);
  }

  Grid grid(const std::string &name) const {
    ptrdiff_t index = file->find(name);
    EXPECT_GE(index, 0) << name;
    const vitrt::TensorInfo &info = file->tensors()[static_cast<size_t>(index)];
    auto data = file->read(static_cast<size_t>(index));
    Grid grid{int64_t(info.shape[0]), int64_t(info.shape[1]), int64_t(info.shape[2]), std::vector<float>(info.bytes / sizeof(float))};
    std::memcpy(grid.values.data(), data->bytes.data(), info.bytes);
    return grid;
  }

  /// The largest difference of `wanted` to `input` resized by a matrix for each axis.
  static double error(const Grid &input, const Grid &wanted, const Matrix &rows, const Matrix &columns) {
    EXPECT_EQ(rows.rows, wanted.rows);
    EXPECT_EQ(columns.rows, wanted.columns);
    double worst = 0;
    for (int64_t y = 0; y < wanted.rows; ++y)
      for (int64_t x = 0; x < wanted.columns; ++x)
        for (int64_t c = 0; c < wanted.channels; ++c) {
          double sum = 0;
          for (int64_t i = 0; i < input.rows; ++i)
            for (int64_t j = 0; j < input.columns; ++j)
              sum += rows.at(y, i) * columns.at(x, j) * input.at(i, j, c);
          worst = std::max(worst, std::abs(sum - wanted.at(y, x, c)));
        }
    return worst;
  }

  std::unique_ptr<vitrt::TensorFile> file;
};

struct Rule {
  const char *name;
  PositionResize kind;
};
constexpr Rule rules[] = {{"bicubic", PositionResize::Bicubic},
                          {"bicubic_antialias", PositionResize::BicubicAntialias},
                          {"bicubic_aligned", PositionResize::BicubicAligned},
                          {"bilinear", PositionResize::Bilinear},
                          {"bilinear_antialias", PositionResize::BilinearAntialias},
                          {"bilinear_aligned", PositionResize::BilinearAligned}};

} // namespace

TEST_F(Resize, PositionsAsTorchTimmTorchvisionAndScipy) {
  size_t compared = 0;
  for (const Rule &rule : rules)
    for (auto [old, wanted] : {std::pair("7x7", "12x12"), {"14x14", "10x20"}, {"9x9", "4x5"}, {"5x5", "1x1"}}) {
      std::string name = std::string("position.") + rule.name + "." + old + "." + wanted;
      if (file->find(name) < 0)
        continue;
      Grid input = grid(std::string("input.position.") + old), result = grid(name);
      // torch computes coordinates in f32.
      EXPECT_LT(
          error(input, result, resizeMatrix(rule.kind, input.rows, result.rows), resizeMatrix(rule.kind, input.columns, result.columns)),
          4e-6)
          << name;
      ++compared;
    }
  EXPECT_EQ(compared, 21u);
}

TEST_F(Resize, TablesOfDistancesAsTimm) {
  for (auto [sizes, height, width] : {std::tuple("7x7.12x12", 12, 12), {"7x7.5x9", 5, 9}}) {
    std::string name = std::string("distance.geometric.") + sizes;
    EXPECT_LT(error(grid(name + ".in"), grid(name), distanceResizeMatrix(7, height), distanceResizeMatrix(7, width)), 2e-6) << name;
  }
}

TEST_F(Resize, PatchKernelsAsFlexiViT) {
  for (auto [sizes, height, width] : {std::tuple("8x8.6x6", 6, 6), {"8x8.12x10", 12, 10}}) {
    std::string name = std::string("patch.pinv.") + sizes;
    EXPECT_LT(error(grid(name + ".in"), grid(name), patchResizeMatrix(8, height), patchResizeMatrix(8, width)), 1e-5) << name;
  }
}

TEST(ResizeMatrix, KeepsConstantsAndEqualSizes) {
  for (const Rule &rule : rules)
    for (auto [from, to] : {std::pair(5, 5), {1, 4}, {7, 3}, {3, 16}}) {
      Matrix matrix = resizeMatrix(rule.kind, from, to);
      for (int64_t row = 0; row < to; ++row) {
        double sum = 0;
        for (int64_t column = 0; column < from; ++column) {
          sum += matrix.at(row, column);
          if (from == to)
            EXPECT_NEAR(matrix.at(row, column), row == column, 1e-12) << rule.name;
        }
        EXPECT_NEAR(sum, 1.0, 1e-12) << rule.name << " " << from << " to " << to;
      }
    }
}
