//===- Tuning.h - vitc's file of measured schedules ---------------------------*- C++ -*-===//
//
// Part of the vitc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===--------------------------------------------------------------------------------------===//

#ifndef VITC_TOOLS_VITC_TUNING_H
#define VITC_TOOLS_VITC_TUNING_H

#include "tools/vitc/Options.h"

namespace vitc::tool {

/// Settles which file of schedules the compilation reads: the one that was named, or the user's own if it is there. With --tune what it
/// lacks for `config` is measured first and written. Fails after a sentence was printed; a file of the user's own that cannot be read is
/// only warned of.
mlir::LogicalResult settleTuning(mlir::MLIRContext &context, const ModelConfig &config, Request &request);

} // namespace vitc::tool

#endif // VITC_TOOLS_VITC_TUNING_H
