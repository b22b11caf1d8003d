//===- PositionTable.cpp - learned positions for another resolution -------------*- C++ -*-===//
//
// Part of the vitc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===--------------------------------------------------------------------------------------===//

#include "runtime/train/PositionTable.h"

#include <algorithm>
#include <cmath>

namespace vitrt {
namespace {

/// A part of an old place in a new one.
struct Tap {
  size_t from;
  double part;
};

/// Keys' cubic with coefficient `a`.
double cubic(double x, double a) {
  x = std::abs(x);
  if (x < 1)
    return ((a + 2) * x - (a + 3)) * x * x + 1;
  return x < 2 ? (((x - 5) * x + 8) * x - 4) * a : 0;
}

/// Pillow's rule (Resample.c, precompute_coeffs).
std::vector<Tap> antialiasedTaps(size_t from, size_t to, size_t place) {
  double scale = double(from) / double(to), widened = std::max(scale, 1.0), support = 2 * widened, centre = (double(place) + 0.5) * scale;
  auto begin = size_t(std::max(centre - support + 0.5, 0.0)), end = std::min(from, size_t(centre + support + 0.5));
  std::vector<Tap> taps;
  double sum = 0;
  for (size_t i = begin; i < end; ++i) {
    taps.push_back({i, cubic((double(i) - centre + 0.5) / widened, -0.5)});
    sum += taps.back().part;
  }
  for (Tap &tap : taps)
    tap.part /= sum;
  return taps;
}

std::vector<Tap> tapsOf(size_t from, size_t to, size_t place, TableRule rule) {
  if (rule == TableRule::BicubicAntialias)
    return antialiasedTaps(from, to, place);
  double corners = to > 1 ? double(from - 1) / double(to - 1) : 0;
  double at = rule == TableRule::Bicubic ? (double(place) + 0.5) * double(from) / double(to) - 0.5 : double(place) * corners;
  double first = std::floor(at), fraction = at - first;
  bool isLinear = rule == TableRule::LinearAligned;
  std::vector<Tap> taps;
  for (int tap = isLinear ? 0 : -1; tap <= (isLinear ? 1 : 2); ++tap) {
    double distance = double(tap) - fraction;
    double clamped = std::clamp(first + double(tap), 0.0, double(from - 1));
    taps.push_back({size_t(clamped), isLinear ? std::max(0.0, 1 - std::abs(distance)) : cubic(distance, -0.75)});
  }
  return taps;
}

/// Side of the square with so many places; 0 if there is none.
size_t squareSide(size_t places) {
  auto side = size_t(std::lround(std::sqrt(double(places))));
  return side * side == places ? side : 0;
}

} // namespace

std::vector<float> resizeTable(std::span<const float> table, TableGrid from, TableGrid to, size_t width, TableRule rule) {
  std::vector<float> result;
  std::vector<double> sums(width);
  for (size_t row = 0; row < to.rows; ++row)
    for (size_t column = 0; column < to.columns; ++column) {
      std::fill(sums.begin(), sums.end(), 0);
      for (Tap y : tapsOf(from.rows, to.rows, row, rule))
        for (Tap x : tapsOf(from.columns, to.columns, column, rule))
          for (size_t i = 0; i < width; ++i)
            sums[i] += y.part * x.part * double(table[(y.from * from.columns + x.from) * width + i]);
      result.insert(result.end(), sums.begin(), sums.end());
    }
  return result;
}

std::optional<TableRule> positionRule(std::string_view name) {
  if (name.ends_with("/pos_embedding"))
    return TableRule::LinearAligned;
  std::string_view last = name.substr(name.find_last_of('.') + 1);
  if (last == "pos_embed")
    return TableRule::BicubicAntialias;
  if (last == "position_embeddings")
    return TableRule::Bicubic;
  return name == "encoder.pos_embedding" ? std::optional(TableRule::BicubicAligned) : std::nullopt;
}

std::optional<std::vector<float>> resizePositions(std::span<const float> table, size_t toRows, size_t width, TableRule rule) {
  size_t fromRows = table.size() / width;
  for (size_t prefix : {1, 0, 2, 5}) {
    if (prefix >= fromRows || prefix >= toRows)
      continue;
    size_t from = squareSide(fromRows - prefix), to = squareSide(toRows - prefix);
    if (!from || !to)
      continue;
    std::vector<float> result(table.begin(), table.begin() + ptrdiff_t(prefix * width));
    std::vector<float> grid = resizeTable(table.subspan(prefix * width), {from, from}, {to, to}, width, rule);
    result.insert(result.end(), grid.begin(), grid.end());
    return result;
  }
  return std::nullopt;
}

} // namespace vitrt
