//===- Mimetic.cpp - attention that begins near the token itself ----------------------------===//
//
// Part of the vitc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===--------------------------------------------------------------------------------------===//

#include "compiler/artifact/Mimetic.h"

#include "compiler/artifact/DrawTensor.h"

#include "llvm/ADT/STLExtras.h"
#include "llvm/ADT/Sequence.h"

#include <cmath>
#include <limits>

using namespace vitc;
using namespace vitc::artifact;

static double dot(const double *x, const double *y, int64_t n) {
#pragma clang fp reassociate(on) contract(fast)
  double sum = 0.0;
  for (int64_t i = 0; i < n; ++i)
    sum += x[i] * y[i];
  return sum;
}

/// Turns two columns so that they become orthogonal. Returns false if they were.
static bool orthogonalize(double *x, double *y, int64_t n) {
  double xx = dot(x, x, n), yy = dot(y, y, n), xy = dot(x, y, n);
  if (std::abs(xy) <= 1e-14 * std::sqrt(xx * yy))
    return false;
  double zeta = (yy - xx) / (2.0 * xy);
  double tangent = std::copysign(1.0, zeta) / (std::abs(zeta) + std::sqrt(1.0 + zeta * zeta));
  double cosine = 1.0 / std::sqrt(1.0 + tangent * tangent), sine = cosine * tangent;
  for (int64_t i = 0; i < n; ++i) {
    double a = x[i], b = y[i];
    x[i] = cosine * a - sine * b;
    y[i] = sine * a + cosine * b;
  }
  return true;
}

Factors artifact::factorize(llvm::ArrayRef<double> matrix, int64_t n, int64_t rank) {
  // The matrix's columns, turned until they are the left singular vectors times their values.
  std::vector<double> columns(static_cast<size_t>(n * n));
  for (int64_t row = 0; row < n; ++row)
    for (int64_t column = 0; column < n; ++column)
      columns[column * n + row] = matrix[row * n + column];
  for (bool turned = true; turned;) {
    turned = false;
    for (int64_t i = 0; i < n; ++i)
      for (int64_t j = i + 1; j < n; ++j)
        turned |= orthogonalize(&columns[i * n], &columns[j * n], n);
  }
  std::vector<double> squares(n);
  for (int64_t i = 0; i < n; ++i)
    squares[i] = dot(&columns[i * n], &columns[i * n], n);
  auto order = llvm::to_vector(llvm::seq<int64_t>(0, n));
  llvm::sort(order, [&](int64_t a, int64_t b) { return std::pair(-squares[a], a) < std::pair(-squares[b], b); });

  Factors factors{std::vector<double>(rank * n), std::vector<double>(rank * n)};
  for (int64_t i = 0; i < rank; ++i) {
    const double *column = &columns[order[i] * n];
    double *left = &factors.left[i * n], *right = &factors.right[i * n], root = std::pow(squares[order[i]], 0.25);
    // matrix' (u s) = v s^2.
    for (int64_t row = 0; row < n; ++row)
      for (int64_t k = 0; k < n; ++k)
        right[k] += matrix[row * n + k] * column[row];
    for (int64_t k = 0; k < n; ++k) {
      left[k] = column[k] / root;
      right[k] /= root * root * root;
    }
  }
  return factors;
}

/// alpha Z + beta I: [n, n].
static std::vector<double> nearIdentity(const vitrt::RandomBits &bits, uint64_t firstIndex, int64_t n, double alpha, double beta) {
  std::vector<double> matrix(static_cast<size_t>(n * n));
  double deviation = alpha / std::sqrt(static_cast<double>(n));
  for (auto [index, value] : llvm::enumerate(matrix))
    value = deviation * normalNumber(bits, firstIndex + index, std::numeric_limits<double>::infinity());
  for (int64_t i = 0; i < n; ++i)
    matrix[i * n + i] += beta;
  return matrix;
}

void artifact::makeMimetic(const ModelConfig &config, const vitrt::RandomBits &scores, const vitrt::RandomBits &values,
                           MimeticAttention &attention) {
  int64_t width = config.embedDim, heads = config.numHeads, headWidth = config.headWidth(), all = config.attentionWidth();
  int64_t rank = std::min(headWidth, width);
  for (int64_t head = 0; head < heads; ++head) {
    Factors factors = factorize(nearIdentity(scores, head * width * width, width, 0.7, 0.7), width, rank);
    llvm::copy(factors.left, attention.query.begin() + head * headWidth * width);
    llvm::copy(factors.right, attention.key.begin() + head * headWidth * width);
  }
  rank = std::min(all, width);
  Factors factors = factorize(nearIdentity(values, 0, width, 0.4, -0.4), width, rank);
  llvm::copy(factors.right, attention.value.begin());
  for (int64_t i = 0; i < rank; ++i)
    for (int64_t row = 0; row < width; ++row)
      attention.proj[row * all + i] = static_cast<float>(factors.left[i * width + row]);
}

std::vector<float> artifact::sineTable(const ModelConfig &config, int64_t rows) {
  int64_t width = config.embedDim, waves = width / 4, prefix = config.usedPositionRows() - config.patches();
  std::vector<float> table(static_cast<size_t>(rows * width));
  for (int64_t y = 0; y < config.weightGridHeight(); ++y)
    for (int64_t x = 0; x < config.weightGridWidth(); ++x) {
      float *row = &table[(prefix + y * config.weightGridWidth() + x) * width];
      for (int64_t wave = 0; wave < waves; ++wave) {
        double frequency = std::pow(10000.0, -static_cast<double>(wave) / (static_cast<double>(width) / 4.0));
        for (auto [half, place] : {std::pair(int64_t(0), y), {2 * waves, x}}) {
          row[half + wave] = static_cast<float>(std::sin(static_cast<double>(place) * frequency));
          row[half + waves + wave] = static_cast<float>(std::cos(static_cast<double>(place) * frequency));
        }
      }
    }
  return table;
}
