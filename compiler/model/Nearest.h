//===- Nearest.h - what a misspelt name was probably meant to be ------------------*- C++ -*-===//
//
// Part of the vitc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===--------------------------------------------------------------------------------------===//

#ifndef VITC_COMPILER_MODEL_NEAREST_H
#define VITC_COMPILER_MODEL_NEAREST_H

#include "llvm/ADT/ArrayRef.h"
#include "llvm/ADT/StringRef.h"

#include <string>
#include <vector>

namespace vitc {

/// The candidates with the smallest edit distance to `name`, nearest first, at most `count`. Underscores, dashes and capitals do not count.
std::vector<std::string> nearest(llvm::StringRef name, llvm::ArrayRef<llvm::StringRef> candidates, size_t count);

} // namespace vitc

#endif // VITC_COMPILER_MODEL_NEAREST_H
