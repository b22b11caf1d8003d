//===- AdaptToWeights.h - a model for the weight file that there is -------------*- C++ -*-===//
//
// Part of the vitc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===--------------------------------------------------------------------------------------===//

#ifndef VITC_COMPILER_FRONTEND_ADAPTTOWEIGHTS_H
#define VITC_COMPILER_FRONTEND_ADAPTTOWEIGHTS_H

#include "compiler/frontend/InitialWeights.h"

#include "llvm/ADT/ArrayRef.h"

#include <cstdint>
#include <string>
#include <vector>

namespace vitc {

struct ModelConfig;

/// A tensor of a weight file.
struct FileShape {
  std::string name;
  std::vector<int64_t> shape;
};

/// A tensor that takes the place of one in the file, or of one that the file lacks.
struct FreshTensor {
  std::string name;
  std::vector<int64_t> shape;
  Draw draw;
};

struct Adaptation {
  std::vector<std::string> notes; ///< a sentence for each thing done
  std::vector<FreshTensor> fresh;
};

/// Where positions, tables of distances or the patch kernel in the file are for another grid or patch size than the model's, the config
/// learns the file's (`position_grid`, `weight_patch_size`), so that import resizes them. With `newClasses` a classifier of another number of
/// classes, or none, is replaced by a fresh one. A config that says these itself is left alone; what does not fit all the same is the binder's
/// to report.
Adaptation adaptToWeights(ModelConfig &config, llvm::ArrayRef<FileShape> file, bool newClasses);

} // namespace vitc

#endif // VITC_COMPILER_FRONTEND_ADAPTTOWEIGHTS_H
