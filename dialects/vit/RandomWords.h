//===- RandomWords.h - random numbers in reference lowerings ---------------------*- C++ -*-===//
//
// Part of the vitc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===--------------------------------------------------------------------------------------===//

#ifndef VITC_DIALECTS_VIT_RANDOMWORDS_H
#define VITC_DIALECTS_VIT_RANDOMWORDS_H

#include "dialects/vit/ReferenceBuilder.h"

namespace vitc::vit {

/// Adds the four numbers of the loop's image (axis 0) of `key` [B, 4] to what a formula reads.
void readKey(ReferenceBuilder &b, mlir::Value key, llvm::SmallVector<Read> &reads);

/// The i32 that `element` (i32) of an image draws at the model's place `stream`, as `vit.dropout` defines it; `key` as `readKey` reads it.
mlir::Value drawWord(llvm::ArrayRef<Scalar> key, mlir::Value element, int64_t stream);

/// The loop's place along an axis as i32.
mlir::Value placeAlong(mlir::ImplicitLocOpBuilder &b, unsigned axis);

} // namespace vitc::vit

#endif // VITC_DIALECTS_VIT_RANDOMWORDS_H
