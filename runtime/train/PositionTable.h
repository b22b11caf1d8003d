//===- PositionTable.h - learned positions for another resolution ---------------*- C++ -*-===//
//
// Part of the vitc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===--------------------------------------------------------------------------------------===//

#ifndef VITC_RUNTIME_TRAIN_POSITIONTABLE_H
#define VITC_RUNTIME_TRAIN_POSITIONTABLE_H

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string_view>
#include <vector>

namespace vitrt {

/// How a framework resizes a table of positions on a grid (docs/positions.md).
enum class TableRule : uint8_t {
  Bicubic,          ///< torch's interpolate: cubic of -0.75, half-pixel centres; transformers
  BicubicAntialias, ///< the same with antialias: cubic of -0.5, widened when shrinking; timm
  BicubicAligned,   ///< cubic of -0.75, corners on corners; torchvision
  LinearAligned     ///< scipy.ndimage.zoom of order 1; Flax
};

struct TableGrid {
  size_t rows, columns;
};

/// A table [from.rows, from.columns, width] on another grid, computed in double precision.
std::vector<float> resizeTable(std::span<const float> table, TableGrid from, TableGrid to, size_t width, TableRule rule);

/// The rule of a framework by the name of its table of positions; none for a name of anything else.
std::optional<TableRule> positionRule(std::string_view name);

/// A table [1, T, width] whose first rows are those of class and other tokens, kept as they are, and whose others are a square grid, for
/// another T. Nothing if no number of such rows (0, 1, 2 or 5) leaves squares of both.
std::optional<std::vector<float>> resizePositions(std::span<const float> table, size_t toRows, size_t width, TableRule rule);

} // namespace vitrt

#endif // VITC_RUNTIME_TRAIN_POSITIONTABLE_H
