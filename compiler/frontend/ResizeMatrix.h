//===- ResizeMatrix.h - a resize of one axis as a matrix ------------------------*- C++ -*-===//
//
// Part of the vitc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===--------------------------------------------------------------------------------------===//

#ifndef VITC_COMPILER_FRONTEND_RESIZEMATRIX_H
#define VITC_COMPILER_FRONTEND_RESIZEMATRIX_H

#include "compiler/model/ModelConfig.h"

#include <vector>

namespace vitc {

/// A matrix [rows, columns], row by row.
struct Matrix {
  int64_t rows = 0, columns = 0;
  std::vector<double> elements;

  Matrix(int64_t rows, int64_t columns) : rows(rows), columns(columns), elements(static_cast<size_t>(rows * columns)) {}
  double &at(int64_t row, int64_t column) { return elements[static_cast<size_t>(row * columns + column)]; }
  double at(int64_t row, int64_t column) const { return elements[static_cast<size_t>(row * columns + column)]; }
  std::vector<float> rounded() const { return {elements.begin(), elements.end()}; }
};

/// Every resize that frameworks use for positions is separable and linear: new = M old along each axis, M [to, from].
///
/// Bicubic and bilinear are `torch.nn.functional.interpolate` (aten/src/ATen/native/UpSample.h): cubic coefficient -0.75, half-pixel
/// centres, borders clamped. With antialias they are Pillow's filters (cubic coefficient -0.5, support widened when shrinking). Aligned
/// ones map corners to corners. `kind` is not Home.
Matrix resizeMatrix(PositionResize kind, int64_t from, int64_t to);

/// FlexiViT's resize of a patch kernel's axis: the pseudo-inverse of the transposed bicubic resize with antialias (Beyer et al. 2023,
/// equation 4; timm's `resample_patch_embed`), [to, from].
Matrix patchResizeMatrix(int64_t from, int64_t to);

/// BEiT's resize of an axis of a table of distances, 2 `from` - 1 to 2 `to` - 1 (timm's `resize_rel_pos_bias_table`): the old distances are
/// spread in a geometric progression, then interpolated linearly.
Matrix distanceResizeMatrix(int64_t from, int64_t to);

} // namespace vitc

#endif // VITC_COMPILER_FRONTEND_RESIZEMATRIX_H
