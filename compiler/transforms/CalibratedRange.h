//===- CalibratedRange.h - the grids of calibrated values ---------------------*- C++ -*-===//
//
// Part of the vitc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===--------------------------------------------------------------------------------------===//

#ifndef VITC_COMPILER_TRANSFORMS_CALIBRATEDRANGE_H
#define VITC_COMPILER_TRANSFORMS_CALIBRATEDRANGE_H

#include "mlir/IR/BuiltinAttributes.h"
#include "mlir/IR/Value.h"

#include <optional>
#include <utility>

namespace vitc {

/// The range of a layer's values as `vitc --calibration` found it: the module's `kernel.ranges` has [least, greatest, range of a row] for it.
/// None if it has not, if those are no numbers, or where rows differ too much for one range.
std::optional<std::pair<double, double>> calibratedRange(mlir::Value value);

/// [scale, zero point] of the grid of 256 points whose ends are those of the range, zero on a point of it.
mlir::DenseF32ArrayAttr gridOf(mlir::MLIRContext *context, std::pair<double, double> range);

} // namespace vitc

#endif // VITC_COMPILER_TRANSFORMS_CALIBRATEDRANGE_H
