//===- StemLayout.h - the convolutions of a hybrid model's stem ---------------*- C++ -*-===//
//
// Part of the vitc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===--------------------------------------------------------------------------------------===//
//
// The one description of a stem that import, the weight names and the count of operations are made from (docs/stems.md).
//
//===--------------------------------------------------------------------------------------===//

#ifndef VITC_COMPILER_MODEL_STEMLAYOUT_H
#define VITC_COMPILER_MODEL_STEMLAYOUT_H

#include "compiler/model/ModelConfig.h"

#include <array>
#include <optional>

namespace vitc {

/// Rows and columns of a feature map.
using MapSize = std::array<int64_t, 2>;

/// A window that slides over a feature map of size `from` and makes one of size `to`; padding [top, bottom, left, right].
struct StemWindow {
  MapSize size = {}, stride = {}, from = {}, to = {};
  std::array<int64_t, 4> padding = {};
};

/// A convolution, its normalization and what follows.
struct StemConvolution {
  std::string conv, norm;         ///< names of the modules, timm's
  std::string flaxConv, flaxNorm; ///< Flax's names of the two; empty where Flax has no such stem
  std::string result;             ///< name of the value after the activation
  int64_t inputs = 0, outputs = 0;
  StemWindow window = {};
  Activation activation = Activation::Identity;

  uint64_t macs() const { return window.to[0] * window.to[1] * outputs * inputs * window.size[0] * window.size[1]; }
};

struct StemPool {
  std::string name;
  StemWindow window;
};

/// A bottleneck: activation(shortcut(x) + branch(x)).
struct StemUnit {
  std::string name;
  std::array<StemConvolution, 3> branch;
  std::optional<StemPool> shortcutPool; ///< a mean before the shortcut's convolution
  std::optional<StemConvolution> shortcut;
};

struct StemLayout {
  std::vector<StemConvolution> root;
  std::optional<StemPool> maxPool; ///< behind the root
  std::vector<StemUnit> units;
  int64_t channels = 0; ///< of the feature map that the patch embedding gets
  MapSize size = {0, 0};
  bool standardized = false; ///< kernels: ResNetV2
  bool batchNorm = false;    ///< instead of GroupNorm of 32 groups

  static constexpr int64_t groups = 32;

  /// All convolutions, in the order of a state dict: a unit's shortcut before its branch.
  std::vector<const StemConvolution *> convolutions() const;
};

/// Of a valid config; without a stem the image itself is the feature map.
StemLayout stemLayout(const ModelConfig &config);

} // namespace vitc

#endif // VITC_COMPILER_MODEL_STEMLAYOUT_H
