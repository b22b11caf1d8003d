//===- ParameterGroups.cpp - what each parameter's update is scaled by ----------*- C++ -*-===//
//
// Part of the vitc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===--------------------------------------------------------------------------------------===//

#include "runtime/train/ParameterGroups.h"

#include "runtime/weights/SchemeMatch.h"

#include <algorithm>
#include <charconv>
#include <cmath>
#include <limits>

namespace vitrt {
namespace {

constexpr uint32_t headDepth = std::numeric_limits<uint32_t>::max(), normDepth = headDepth - 1;

/// "blocks.0.attn" and Flax's "Transformer/encoderblock_0" are both parts of a path.
std::vector<std::string_view> components(std::string_view name) {
  std::vector<std::string_view> parts;
  while (true) {
    size_t end = name.find_first_of("./");
    parts.push_back(name.substr(0, end));
    if (end == std::string_view::npos)
      return parts;
    name.remove_prefix(end + 1);
  }
}

std::string_view lastComponent(std::string_view name) { return name.substr(name.find_last_of("./") + 1); }

template <typename Range> bool contains(const Range &range, std::string_view value) {
  return std::find(std::begin(range), std::end(range), value) != std::end(range);
}

std::optional<uint32_t> parseNumber(std::string_view text) {
  uint32_t number;
  auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  return error == std::errc() && end == text.data() + text.size() ? std::optional(number) : std::nullopt;
}

/// Number of the transformer block that a parameter belongs to.
std::optional<uint32_t> blockOf(std::span<const std::string_view> parts) {
  // timm and HF's Swin-like names, transformers, OpenCLIP, the reference systems; torchvision, Flax.
  constexpr std::string_view lists[] = {"blocks", "layer", "layers", "resblocks", "encoder", "encoders", "transformer_layers"};
  constexpr std::string_view numbered[] = {"encoder_layer_", "encoderblock_"};
  for (size_t i = 0; i < parts.size(); ++i) {
    if (i > 0 && contains(lists, parts[i - 1]))
      if (auto number = parseNumber(parts[i]))
        return number;
    for (std::string_view prefix : numbered)
      if (parts[i].starts_with(prefix))
        if (auto number = parseNumber(parts[i].substr(prefix.size())))
          return number;
  }
  return std::nullopt;
}

bool isStem(std::span<const std::string_view> parts) {
  constexpr std::string_view whole[] = {"cls",    "x_class",   "E",         "norm_pre", "pre_layrnorm",
                                        "ln_pre", "conv_proj", "conv_root", "gn_root",  "class_token"};
  constexpr std::string_view within[] = {"patch", "embed", "cls_token", "reg_token", "dist_token", "pos_", "E_pos", "rel_pos_bias"};
  for (std::string_view part : parts) {
    if (contains(whole, part) || std::any_of(std::begin(within), std::end(within), [&](auto w) { return part.find(w) != part.npos; }))
      return true;
  }
  return parts.front().starts_with("block") && parseNumber(parts.front().substr(5)); // Flax's ResNet stages, "block1/unit1"
}

uint32_t depthOf(std::string_view name) {
  std::vector<std::string_view> parts = components(name);
  if (contains(parts, "attn_pool")) // with norms and positions of its own
    return headDepth;
  if (isStem(parts))
    return 0;
  if (auto block = blockOf(parts))
    return *block + 1;
  constexpr std::string_view norms[] = {"norm", "layernorm", "ln", "post_layernorm", "ln_post", "encoder_norm"};
  if (std::any_of(parts.begin(), parts.end(), [&](auto part) { return contains(norms, part); }))
    return normDepth;
  return headDepth;
}

} // namespace

std::vector<std::string> DecayRule::tokenPatterns() {
  return {"cls_token",
          "reg_token",
          "dist_token",
          "pos_embed*",
          "relative_position_bias_table",
          "distillation_token",
          "mask_token",
          "register_tokens",
          "position_embedding*",
          "*position_embedding.weight",
          "class_token",
          "pos_embedding",
          "pos_emb",
          "positional_encodings",
          "cls",
          "x_class",
          "E_pos"};
}

bool DecayRule::decays(std::string_view name, size_t axes) const {
  if (!exclude)
    return true;
  if (axes <= 1 || lastComponent(name) == "bias")
    return false;
  return std::none_of(patterns.begin(), patterns.end(), [&](const std::string &pattern) { return matches(pattern, name); });
}

bool DecayRule::matches(std::string_view pattern, std::string_view name) {
  return matchesGlob(pattern, name) || matchesGlob(pattern, lastComponent(name));
}

std::vector<uint32_t> layerDepths(std::span<const std::string> names) {
  std::vector<uint32_t> depths;
  uint32_t deepest = 0;
  for (const std::string &name : names) {
    depths.push_back(depthOf(name));
    if (depths.back() < normDepth)
      deepest = std::max(deepest, depths.back());
  }
  for (uint32_t &depth : depths)
    depth = depth == normDepth ? deepest : depth == headDepth ? deepest + 1 : depth;
  return depths;
}

std::vector<float> layerFactors(std::span<const std::string> names, double decay) {
  std::vector<uint32_t> depths = layerDepths(names);
  std::vector<float> factors;
  uint32_t deepest = depths.empty() ? 0 : *std::max_element(depths.begin(), depths.end());
  for (uint32_t depth : depths)
    factors.push_back(float(std::pow(decay, double(deepest - depth))));
  return factors;
}

double clippingFactor(ClipKind kind, double norm, double limit) {
  if (kind == ClipKind::Torch)
    return std::min(1.0, limit / (norm + 1e-6));
  return norm < limit ? 1.0 : limit / norm;
}

} // namespace vitrt
