//===- Candidates.h - schedules that may be better ----------------------------*- C++ -*-===//
//
// Part of the vitc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===--------------------------------------------------------------------------------------===//

#ifndef VITC_COMPILER_TUNE_CANDIDATES_H
#define VITC_COMPILER_TUNE_CANDIDATES_H

#include "mlir/IR/Operation.h"

#include <string>
#include <utility>
#include <vector>

namespace vitc::tune {

/// Values for some parameters of a schedule, by their names.
using Change = std::vector<std::pair<std::string, int64_t>>;

/// One direction of the search: changes of which one at most is made.
using Axis = std::vector<Change>;

/// The directions in which the schedule of `launch` may be improved, the most promising first. `registers` is how many vector registers the
/// machine has.
std::vector<Axis> axesOf(mlir::Operation *launch, int64_t registers, int64_t images);

/// `schedule` with a change; null if the result is no schedule, or the same.
mlir::Attribute change(mlir::Attribute schedule, const Change &change);

} // namespace vitc::tune

#endif // VITC_COMPILER_TUNE_CANDIDATES_H
