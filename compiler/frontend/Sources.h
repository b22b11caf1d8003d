//===- Sources.h - the weights that a model computes with --------------------------*- C++ -*-===//
//
// Part of the vitc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===--------------------------------------------------------------------------------------===//

#ifndef VITC_COMPILER_FRONTEND_SOURCES_H
#define VITC_COMPILER_FRONTEND_SOURCES_H

#include "compiler/frontend/SchemeTables.h"

#include <cstdint>

namespace vitc {

/// A weight by its canonical name and shape (WeightNaming.h), with its place in the model.
struct PlacedSource {
  std::string name;
  std::vector<int64_t> shape;
  Role role;
  bool bias = false;
  int64_t block = 0, branch = 0;
  int64_t part = 0;          ///< of a classifier on two features side by side, of a differential attention's two queries and keys: which
  bool statistic = false;    ///< a running mean or variance
  std::string flaxName = {}; ///< of a stem's tensor: Flax's name, empty where Flax has no such stem
};

/// In the order in which the model uses them.
std::vector<PlacedSource> describeSources(const ModelConfig &config);

/// Those of the stem, by timm's names: kernels [out, in, P, Q], vectors [out].
std::vector<PlacedSource> describeStemSources(const ModelConfig &config);

/// Names of a block's layers: "blocks.0.attn", or with parallel branches "blocks.0.attns.1.attn".
struct BranchNames {
  std::string norm, body, scale;
  std::string output = {}; ///< of an attention: its probabilities as `vitc --take` calls them (Import.h)
};
BranchNames attentionNames(const ModelConfig &config, int64_t block, int64_t branch);
BranchNames mlpNames(const ModelConfig &config, int64_t block, int64_t branch);
/// Of a class block: "blocks_token_only.0".
std::string classBlockName(int64_t block);

} // namespace vitc

#endif // VITC_COMPILER_FRONTEND_SOURCES_H
