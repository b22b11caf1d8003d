//===- ParameterGroups.h - what each parameter's update is scaled by ------------*- C++ -*-===//
//
// Part of the vitc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===--------------------------------------------------------------------------------------===//

#ifndef VITC_RUNTIME_TRAIN_PARAMETERGROUPS_H
#define VITC_RUNTIME_TRAIN_PARAMETERGROUPS_H

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace vitrt {

/// Which parameters are not decayed. timm's rule (timm.optim.param_groups_weight_decay with the model's no_weight_decay()): parameters of at
/// most one axis, biases, and what the patterns name.
struct DecayRule {
  /// false: everything is decayed, vectors too.
  bool exclude = true;
  /// Glob patterns (`*`, `?`) of whole names or of their last component: `pos_embed`, `blocks.*.attn.*`.
  std::vector<std::string> patterns = tokenPatterns();

  bool decays(std::string_view name, size_t axes) const;
  static bool matches(std::string_view pattern, std::string_view name);

  /// Class, distillation and register tokens, positions and tables of relative positions, by the names of timm, transformers, torchvision,
  /// Flax and the reference systems.
  static std::vector<std::string> tokenPatterns();
};

/// Depth of each parameter as timm.optim.param_groups_layer_decay counts it: 0 for tokens, positions and patch embedding, i + 1 for block i,
/// the last block's for the norm behind the blocks, one more for everything else (heads, pooling and its norm).
std::vector<uint32_t> layerDepths(std::span<const std::string> names);

/// decay^(deepest - depth) of each parameter: BEiT's layer-wise learning rates (Bao et al. 2021).
std::vector<float> layerFactors(std::span<const std::string> names, double decay);

enum class ClipKind : uint8_t { Torch, Optax };

/// What gradients are multiplied by when the norm of all of them together is `norm`. torch.nn.utils.clip_grad_norm_: min(1, limit / (norm +
/// 1e-6)). optax.clip_by_global_norm: 1 if norm < limit, else limit / norm.
double clippingFactor(ClipKind kind, double norm, double limit);

} // namespace vitrt

#endif // VITC_RUNTIME_TRAIN_PARAMETERGROUPS_H
