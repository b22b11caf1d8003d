//===- ResizeMatrix.cpp - a resize of one axis as a matrix ---------------------------------===//
//
// Part of the vitc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===--------------------------------------------------------------------------------------===//

#include "compiler/frontend/ResizeMatrix.h"

#include <algorithm>
#include <cmath>
#include <utility>

using namespace vitc;

//===--------------------------------------------------------------------------------------===//
// Filters
//===--------------------------------------------------------------------------------------===//

/// Keys' cubic with coefficient `a`.
static double cubic(double x, double a) {
  x = std::abs(x);
  if (x < 1.0)
    return ((a + 2.0) * x - (a + 3.0)) * x * x + 1.0;
  if (x < 2.0)
    return (((x - 5.0) * x + 8.0) * x - 4.0) * a;
  return 0.0;
}

static double triangle(double x) { return std::max(0.0, 1.0 - std::abs(x)); }

/// Taps at the coordinates `source(o)`, indices beyond the border taken as the border's.
template <typename Source> static Matrix pointwise(int64_t from, int64_t to, bool isCubic, Source source) {
  Matrix matrix(to, from);
  for (int64_t o = 0; o < to; ++o) {
    double at = source(o);
    auto first = static_cast<int64_t>(std::floor(at));
    double fraction = at - static_cast<double>(first);
    for (int64_t tap = isCubic ? -1 : 0; tap <= (isCubic ? 2 : 1); ++tap) {
      double distance = static_cast<double>(tap) - fraction;
      matrix.at(o, std::clamp<int64_t>(first + tap, 0, from - 1)) += isCubic ? cubic(distance, -0.75) : triangle(distance);
    }
  }
  return matrix;
}

/// Pillow's rule (Resample.c, precompute_coeffs).
static Matrix antialiased(int64_t from, int64_t to, bool isCubic) {
  Matrix matrix(to, from);
  double scale = static_cast<double>(from) / static_cast<double>(to), widened = std::max(scale, 1.0);
  double support = (isCubic ? 2.0 : 1.0) * widened;
  for (int64_t o = 0; o < to; ++o) {
    double centre = (static_cast<double>(o) + 0.5) * scale, sum = 0.0;
    int64_t first = std::max<int64_t>(0, static_cast<int64_t>(centre - support + 0.5));
    int64_t end = std::min<int64_t>(from, static_cast<int64_t>(centre + support + 0.5));
    for (int64_t i = first; i < end; ++i) {
      double distance = (static_cast<double>(i) - centre + 0.5) / widened;
      sum += matrix.at(o, i) = isCubic ? cubic(distance, -0.5) : triangle(distance);
    }
    for (int64_t i = first; i < end; ++i)
      matrix.at(o, i) /= sum;
  }
  return matrix;
}

Matrix vitc::resizeMatrix(PositionResize kind, int64_t from, int64_t to) {
  bool isCubic = kind == PositionResize::Bicubic || kind == PositionResize::BicubicAligned;
  switch (kind) {
  case PositionResize::BicubicAntialias:
  case PositionResize::Home:
    return antialiased(from, to, /*isCubic=*/true);
  case PositionResize::BilinearAntialias:
    return antialiased(from, to, /*isCubic=*/false);
  case PositionResize::BicubicAligned:
  case PositionResize::BilinearAligned: {
    double step = to > 1 ? static_cast<double>(from - 1) / static_cast<double>(to - 1) : 0.0;
    return pointwise(from, to, isCubic, [&](int64_t o) { return static_cast<double>(o) * step; });
  }
  case PositionResize::Bicubic:
  case PositionResize::Bilinear:
    break;
  }
  double scale = static_cast<double>(from) / static_cast<double>(to);
  return pointwise(from, to, isCubic, [&](int64_t o) {
    double at = (static_cast<double>(o) + 0.5) * scale - 0.5;
    return isCubic ? at : std::max(at, 0.0);
  });
}

//===--------------------------------------------------------------------------------------===//
// Patch kernels
//===--------------------------------------------------------------------------------------===//

/// The solution X of A X = B by elimination with row pivots; A [n, n] is regular.
static Matrix solve(Matrix a, Matrix b) {
  int64_t n = a.rows;
  for (int64_t k = 0; k < n; ++k) {
    int64_t pivot = k;
    for (int64_t row = k + 1; row < n; ++row)
      if (std::abs(a.at(row, k)) > std::abs(a.at(pivot, k)))
        pivot = row;
    for (int64_t column = 0; column < n; ++column)
      std::swap(a.at(k, column), a.at(pivot, column));
    for (int64_t column = 0; column < b.columns; ++column)
      std::swap(b.at(k, column), b.at(pivot, column));
    for (int64_t row = 0; row < n; ++row) {
      double factor = row == k ? 0.0 : a.at(row, k) / a.at(k, k);
      if (factor == 0.0)
        continue;
      for (int64_t column = k; column < n; ++column)
        a.at(row, column) -= factor * a.at(k, column);
      for (int64_t column = 0; column < b.columns; ++column)
        b.at(row, column) -= factor * b.at(k, column);
    }
  }
  for (int64_t row = 0; row < n; ++row)
    for (int64_t column = 0; column < b.columns; ++column)
      b.at(row, column) /= a.at(row, row);
  return b;
}

/// X Y', row by row.
static Matrix timesTransposed(const Matrix &x, const Matrix &y) {
  Matrix product(x.rows, y.rows);
  for (int64_t i = 0; i < x.rows; ++i)
    for (int64_t j = 0; j < y.rows; ++j)
      for (int64_t k = 0; k < x.columns; ++k)
        product.at(i, j) += x.at(i, k) * y.at(j, k);
  return product;
}

static Matrix transposed(const Matrix &x) {
  Matrix result(x.columns, x.rows);
  for (int64_t i = 0; i < x.rows; ++i)
    for (int64_t j = 0; j < x.columns; ++j)
      result.at(j, i) = x.at(i, j);
  return result;
}

Matrix vitc::patchResizeMatrix(int64_t from, int64_t to) {
  // With R [to, from]: pinv(R') = (R R')^-1 R when shrinking, R (R' R)^-1 when growing. The resize of a patch is the Kronecker product of
  // those of its axes, and so is its pseudo-inverse.
  Matrix resize = antialiased(from, to, /*isCubic=*/true);
  if (to <= from)
    return solve(timesTransposed(resize, resize), resize);
  Matrix columns = transposed(resize);
  return transposed(solve(timesTransposed(columns, columns), columns));
}

//===--------------------------------------------------------------------------------------===//
// Tables of distances
//===--------------------------------------------------------------------------------------===//

/// Where the distances 0, 1, .. of a table of 2 `from` - 1 lie in one of 2 `to` - 1 (timm's `_calc`, whose bisection is repeated here step by
/// step, because its end decides the last digits).
static std::vector<double> spread(int64_t from, int64_t to) {
  int64_t sourceHalf = from - 1, targetHalf = to - 1;
  double left = 1.01, right = 1.5, q = left;
  while (right - left > 1e-6) {
    q = (left + right) / 2.0;
    double sum = (1.0 - std::pow(q, static_cast<double>(sourceHalf))) / (1.0 - q);
    (sum > static_cast<double>(targetHalf) ? right : left) = q;
  }
  std::vector<double> distances = {0.0};
  double current = 1.0;
  for (int64_t i = 0; i < sourceHalf; ++i) {
    distances.push_back(current);
    current += std::pow(q, static_cast<double>(i + 1));
  }
  return distances;
}

Matrix vitc::distanceResizeMatrix(int64_t from, int64_t to) {
  std::vector<double> distances = spread(from, to);
  std::vector<float> points;
  for (int64_t i = 1 - from; i < from; ++i)
    points.push_back(static_cast<float>(i < 0 ? -distances[static_cast<size_t>(-i)] : distances[static_cast<size_t>(i)]));
  Matrix matrix(2 * to - 1, 2 * from - 1);
  for (int64_t o = 0; o < matrix.rows; ++o) {
    auto x = static_cast<float>(o - (to - 1));
    // The first point that is not smaller, as torch.bucketize; beyond the last point the last value.
    int64_t right = std::min<int64_t>(std::lower_bound(points.begin(), points.end(), x) - points.begin(), matrix.columns - 1);
    int64_t below = std::max<int64_t>(right - 1, 0);
    double toBelow = std::max(0.0f, x - points[static_cast<size_t>(below)]),
           toRight = std::max(0.0f, points[static_cast<size_t>(right)] - x);
    if (toBelow == 0.0 && toRight == 0.0)
      toBelow = toRight = 1.0;
    matrix.at(o, below) += toRight / (toBelow + toRight);
    matrix.at(o, right) += toBelow / (toBelow + toRight);
  }
  return matrix;
}
