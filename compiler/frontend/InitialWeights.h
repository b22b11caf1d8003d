//===- InitialWeights.h - where training from scratch begins --------------------*- C++ -*-===//
//
// Part of the vitc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===--------------------------------------------------------------------------------------===//

#ifndef VITC_COMPILER_FRONTEND_INITIALWEIGHTS_H
#define VITC_COMPILER_FRONTEND_INITIALWEIGHTS_H

#include <cstdint>
#include <string>
#include <vector>

namespace vitc {

struct ModelConfig;
struct PlacedSource;

/// How the elements of a tensor are drawn, each independently.
struct Draw {
  enum class Kind {
    Constant,  ///< `value`
    Normal,    ///< deviation `value`
    CutNormal, ///< of deviation `value`, drawn again beyond two of them
    Uniform    ///< within `value` on both sides of 0
  };
  Kind kind = Kind::Constant;
  double value = 0.0;

  static Draw constant(double value) { return {Kind::Constant, value}; }
  static Draw normal(double deviation) { return {Kind::Normal, deviation}; }
  /// torch.nn.Linear's and Conv2d's own: kaiming_uniform with a = sqrt(5), for the bias too.
  static Draw torchDefault(int64_t fanIn);
  bool operator==(const Draw &) const = default;
};

enum class Initialization {
  Timm,   ///< what timm 1.0.31 does for the model's class, weight_init=''; of models that are not timm's, what its VisionTransformer does
  Mimetic ///< the same, but attention begins near the token itself and learned positions as sines (Trockman and Kolter 2023)
};

struct InitialWeights {
  Initialization kind = Initialization::Timm;
  uint64_t seed = 0;
};

/// timm's rule for each of the sources, in their order (describeSources). timm's `trunc_normal_(std=.02)` cuts at 2, not at two deviations,
/// and so is a normal. Rotary frequencies have a structure (InitialTensors.cpp) and get a constant 0 here.
std::vector<Draw> initialDraws(const ModelConfig &config, const std::vector<PlacedSource> &sources);

/// Why mimetic initialization means nothing for the model, in one sentence; empty if it does.
std::string refuseMimetic(const ModelConfig &config);

} // namespace vitc

#endif // VITC_COMPILER_FRONTEND_INITIALWEIGHTS_H
