//===- PositionTables.cpp - numbers of positions that follow from the config --------------===//
//
// Part of the vitc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===--------------------------------------------------------------------------------------===//

#include "compiler/frontend/PositionTables.h"

#include "compiler/model/ModelConfig.h"

#include <array>
#include <cmath>
#include <numbers>

using namespace vitc;

//===--------------------------------------------------------------------------------------===//
// Sine tables
//===--------------------------------------------------------------------------------------===//

std::vector<float> vitc::sincosTable(const ModelConfig &config) {
  int64_t width = config.embedDim, columns = config.gridWidth();
  std::vector<float> table;
  table.reserve(static_cast<size_t>(config.patches() * width));
  if (config.position == Position::Sincos1d) {
    for (int64_t patch = 0; patch < config.patches(); ++patch)
      for (int64_t column = 0; column < width; ++column) {
        double angle = static_cast<double>(patch) * std::pow(10000.0, -2.0 * static_cast<double>(column / 2) / static_cast<double>(width));
        table.push_back(static_cast<float>(column % 2 ? std::cos(angle) : std::sin(angle)));
      }
    return table;
  }
  int64_t bands = width / 4;
  for (int64_t patch = 0; patch < config.patches(); ++patch) {
    std::array<int64_t, 2> at{patch % columns, patch / columns}; // column, row
    if (config.sincosFirst == SincosFirst::Row)
      std::swap(at[0], at[1]);
    for (int64_t column = 0; column < width; ++column) {
      int64_t half = column / (2 * bands), within = column % (2 * bands);
      bool interleaved = config.sincosLayout == SincosLayout::Interleaved;
      int64_t band = interleaved ? within / 2 : within % bands;
      bool cosine = interleaved ? within % 2 : within >= bands;
      double last = config.sincosLayout == SincosLayout::BigVision ? static_cast<double>(bands - 1) : static_cast<double>(bands);
      double angle = static_cast<double>(at[half]) * std::pow(10000.0, -static_cast<double>(band) / last);
      table.push_back(static_cast<float>(cosine ? std::cos(angle) : std::sin(angle)));
    }
  }
  return table;
}

//===--------------------------------------------------------------------------------------===//
// Rotary positions
//===--------------------------------------------------------------------------------------===//

/// The coordinates of patch (row, column) in the order in which they turn a head's halves.
static std::array<double, 2> ordered(const ModelConfig &config, double row, double column) {
  if (config.ropeIndexing == RopeIndexing::ColumnFirst)
    return {column, row};
  return {row, column};
}

/// One coordinate on an axis of `size` patches.
static double coordinate(const ModelConfig &config, int64_t index, int64_t size, int64_t reference) {
  double i = static_cast<double>(index), n = static_cast<double>(size);
  if (config.rope == Rope::DinoV3)
    return 2.0 * ((i + 0.5 + config.ropeOffset) / n) - 1.0;
  double shifted = i + config.ropeOffset;
  return reference && config.rope == Rope::Cat ? shifted / n * static_cast<double>(reference) : shifted;
}

/// calls f(coordinates) for each patch, row by row.
template <typename F> static void forEachPatch(const ModelConfig &config, F f) {
  for (int64_t row = 0; row < config.gridHeight(); ++row)
    for (int64_t column = 0; column < config.gridWidth(); ++column)
      f(ordered(config, coordinate(config, row, config.gridHeight(), config.ropeReferenceHeight),
                coordinate(config, column, config.gridWidth(), config.ropeReferenceWidth)));
}

RotaryTables vitc::rotaryTables(const ModelConfig &config) {
  int64_t width = config.headWidth(), bands = width / 4;
  RotaryTables tables;
  forEachPatch(config, [&](std::array<double, 2> at) {
    std::vector<double> angles;
    for (double c : at)
      for (int64_t band = 0; band < bands; ++band) {
        double exponent = static_cast<double>(band) / static_cast<double>(bands);
        double turn = config.rope == Rope::DinoV3 ? 2.0 * std::numbers::pi : 1.0;
        angles.push_back(turn * c / std::pow(config.ropeTheta, exponent));
      }
    for (int64_t column = 0; column < width; ++column) {
      double angle = angles[static_cast<size_t>(config.ropeRotateHalf ? column % (width / 2) : column / 2)];
      tables.sin.push_back(static_cast<float>(std::sin(angle)));
      tables.cos.push_back(static_cast<float>(std::cos(angle)));
    }
  });
  return tables;
}

std::vector<float> vitc::mixedRotaryCoordinates(const ModelConfig &config) {
  std::vector<float> coordinates;
  forEachPatch(config, [&](std::array<double, 2> at) {
    for (double c : at)
      coordinates.push_back(static_cast<float>(c));
  });
  return coordinates;
}

//===--------------------------------------------------------------------------------------===//
// Relative positions
//===--------------------------------------------------------------------------------------===//

std::vector<float> vitc::logDistances(const ModelConfig &config) {
  std::vector<float> coordinates;
  auto scaled = [](int64_t distance) {
    double magnitude = std::log1p(std::abs(static_cast<double>(distance)));
    return static_cast<float>(distance < 0 ? -magnitude : magnitude);
  };
  int64_t height = config.gridHeight(), width = config.gridWidth();
  for (int64_t row = 1 - height; row < height; ++row)
    for (int64_t column = 1 - width; column < width; ++column) {
      coordinates.push_back(scaled(row));
      coordinates.push_back(scaled(column));
    }
  return coordinates;
}
