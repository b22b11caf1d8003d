//===- FreshTensors.h - a weight file with some tensors made anew --------------*- C++ -*-===//
//
// Part of the vitc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===--------------------------------------------------------------------------------------===//

#ifndef VITC_COMPILER_ARTIFACT_FRESHTENSORS_H
#define VITC_COMPILER_ARTIFACT_FRESHTENSORS_H

#include "compiler/frontend/AdaptToWeights.h"
#include "runtime/weights/TensorFile.h"

#include <memory>

namespace vitc::artifact {

/// `base` with `fresh` in place of tensors of the same names, or beside them. Values are a function of name and index alone.
std::unique_ptr<vitrt::TensorFile> withFreshTensors(std::unique_ptr<vitrt::TensorFile> base, llvm::ArrayRef<FreshTensor> fresh);

} // namespace vitc::artifact

#endif // VITC_COMPILER_ARTIFACT_FRESHTENSORS_H
