//===- DrawTensor.h - random tensors as functions of a name --------------------*- C++ -*-===//
//
// Part of the vitc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===--------------------------------------------------------------------------------------===//

#ifndef VITC_COMPILER_ARTIFACT_DRAWTENSOR_H
#define VITC_COMPILER_ARTIFACT_DRAWTENSOR_H

#include "compiler/frontend/InitialWeights.h"
#include "runtime/weights/RandomTensors.h"

#include "llvm/ADT/ArrayRef.h"
#include "llvm/ADT/StringRef.h"

namespace vitc::artifact {

/// A normal number of deviation 1 (Box and Muller 1958), from two draws that no other index takes; beyond `cut` it is drawn again.
double normalNumber(const vitrt::RandomBits &bits, uint64_t index, double cut);

/// Draws each element; they depend on name, seed and their indices alone.
void drawTensor(Draw draw, llvm::StringRef name, uint64_t seed, llvm::MutableArrayRef<float> values);

} // namespace vitc::artifact

#endif // VITC_COMPILER_ARTIFACT_DRAWTENSOR_H
