//===- TrainingLaunches.h - launches of training programs ------------- -*- C++ -*-===//
//
// Part of the vitc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===--------------------------------------------------------------------------------------===//

#ifndef VITC_COMPILER_CONVERSION_TRAININGLAUNCHES_H
#define VITC_COMPILER_CONVERSION_TRAININGLAUNCHES_H

#include "mlir/IR/Operation.h"

namespace vitc {

/// In what launches of training programs differ between targets.
struct TrainingLaunchOptions {
  bool keepAttention;  ///< attention may keep its weights for its gradient
  bool queryGradients; ///< attention's gradient with few queries of their own has a kernel
};

/// Replaces a vit operation of a differentiated function by its launch, together with the sum that it alone feeds. Failure if there is no
/// launch but the reference.
llvm::LogicalResult convertForTraining(mlir::Operation *op, const TrainingLaunchOptions &options);

} // namespace vitc

#endif // VITC_COMPILER_CONVERSION_TRAININGLAUNCHES_H
