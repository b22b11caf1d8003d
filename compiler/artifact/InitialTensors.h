//===- InitialTensors.h - weights before the first step -------------------------*- C++ -*-===//
//
// Part of the vitc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===--------------------------------------------------------------------------------------===//

#ifndef VITC_COMPILER_ARTIFACT_INITIALTENSORS_H
#define VITC_COMPILER_ARTIFACT_INITIALTENSORS_H

#include "compiler/frontend/InitialWeights.h"
#include "compiler/frontend/WeightNaming.h"
#include "compiler/model/ModelConfig.h"
#include "runtime/weights/TensorFile.h"

#include <memory>

namespace vitc::artifact {

/// The tensors of the model's home scheme (schemes[0]). A weight is a function of seed, canonical name and element, whatever framework's
/// names it gets; parts of a tensor that no weight takes are 0.
std::unique_ptr<vitrt::TensorFile> initialTensors(const ModelConfig &config, const WeightNaming &naming, InitialWeights initial);

} // namespace vitc::artifact

#endif // VITC_COMPILER_ARTIFACT_INITIALTENSORS_H
