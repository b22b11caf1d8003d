//===- StemLayout.cpp - the convolutions of a hybrid model's stem ----------------------------===//
//
// Part of the vitc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===--------------------------------------------------------------------------------------===//
//
// Sources: timm/models/resnetv2.py, resnet.py and vision_transformer_hybrid.py (0.6.13, 1.0.31), vit_jax/models_resnet.py.
//
//===--------------------------------------------------------------------------------------===//

#include "compiler/model/StemLayout.h"

#include "fmt/format.h"

#include <algorithm>

using namespace vitc;

std::vector<const StemConvolution *> StemLayout::convolutions() const {
  std::vector<const StemConvolution *> all;
  for (const StemConvolution &convolution : root)
    all.push_back(&convolution);
  for (const StemUnit &unit : units) {
    if (unit.shortcut)
      all.push_back(&*unit.shortcut);
    for (const StemConvolution &convolution : unit.branch)
      all.push_back(&convolution);
  }
  return all;
}

namespace {

/// Zeros around a map: TensorFlow's SAME (the smaller half before), half a window on each side, none, or what completes the last window.
enum class Around { Same, Half, None, Completing };

StemWindow slide(MapSize from, int64_t size, int64_t stride, Around around) {
  StemWindow window{{size, size}, {stride, stride}, from, {}, {}};
  for (int axis : {0, 1}) {
    int64_t pixels = from[axis], before = 0, after = 0;
    int64_t missing = std::max<int64_t>((pixels + stride - 1) / stride * stride - stride + size - pixels, 0);
    if (around == Around::Same) {
      before = missing / 2;
      after = missing - before;
    } else if (around == Around::Half) {
      before = after = size / 2;
    } else if (around == Around::Completing) {
      after = missing;
    }
    window.padding[2 * axis] = before;
    window.padding[2 * axis + 1] = after;
    window.to[axis] = (pixels + before + after - size) / stride + 1;
  }
  return window;
}

class Builder {
public:
  explicit Builder(const ModelConfig &config) : config(config) {
    layout.channels = config.inChannels;
    layout.size = {config.imageHeight, config.imageWidth};
  }
  StemLayout build();

private:
  void resNetV2();
  void resNetD();
  void convolutions();
  void stages(Around around);
  StemUnit unitV2(size_t stage, int64_t index) const;
  StemUnit unitD(size_t stage, int64_t index) const;

  /// The next of the root's convolutions.
  void addRoot(StemConvolution names, int64_t outputs, int64_t size, int64_t stride, Around around, Activation activation) {
    names.inputs = layout.channels;
    names.outputs = outputs;
    names.window = slide(layout.size, size, stride, around);
    names.activation = activation;
    layout.channels = outputs;
    layout.size = names.window.to;
    layout.root.push_back(std::move(names));
  }
  void addMaxPool(std::string name, Around around) {
    layout.maxPool = StemPool{std::move(name), slide(layout.size, 3, 2, around)};
    layout.size = layout.maxPool->window.to;
  }
  /// `base` at the config's width.
  int64_t wide(int64_t base) const { return std::max<int64_t>(static_cast<int64_t>(static_cast<double>(base) * config.stemWidth), 1); }

  const ModelConfig &config;
  StemLayout layout;
  const std::string root = "patch_embed.backbone.";
};

} // namespace

StemUnit Builder::unitV2(size_t stage, int64_t index) const {
  std::string name = fmt::format("{}stages.{}.blocks.{}", root, stage, index), flax = fmt::format("block{}/unit{}/", stage + 1, index + 1);
  StemUnit unit{name, {}, {}, {}};
  for (int i : {0, 1, 2})
    unit.branch[i] = {fmt::format("{}.conv{}", name, i + 1), fmt::format("{}.norm{}", name, i + 1), fmt::format("{}conv{}", flax, i + 1),
                      fmt::format("{}gn{}", flax, i + 1), fmt::format("{}.norm{}", name, i + 1)};
  if (index == 0)
    unit.shortcut = StemConvolution{name + ".downsample.conv", name + ".downsample.norm", flax + "conv_proj", flax + "gn_proj",
                                    name + ".downsample.norm"};
  return unit;
}

StemUnit Builder::unitD(size_t stage, int64_t index) const {
  std::string name = fmt::format("{}layer{}.{}", root, stage + 1, index);
  StemUnit unit{name, {}, {}, {}};
  for (int i : {0, 1, 2})
    unit.branch[i] = {fmt::format("{}.conv{}", name, i + 1), fmt::format("{}.bn{}", name, i + 1), "", "",
                      i == 2 ? name + ".bn3" : fmt::format("{}.act{}", name, i + 1)};
  if (index == 0) {
    if (stage > 0)
      unit.shortcutPool = StemPool{name + ".downsample.0", {}};
    unit.shortcut = StemConvolution{name + ".downsample.1", name + ".downsample.2", "", "", name + ".downsample.2"};
  }
  return unit;
}

/// Bottlenecks 1x1, 3x3 (with the stage's stride), 1x1 to four times as many channels.
void Builder::stages(Around around) {
  for (size_t stage = 0; stage < config.stemLayers.size(); ++stage)
    for (int64_t index = 0; index < config.stemLayers[stage]; ++index) {
      StemUnit unit = layout.batchNorm ? unitD(stage, index) : unitV2(stage, index);
      int64_t inside = wide(64) << stage, outside = 4 * inside, stride = stage > 0 && index == 0 ? 2 : 1;
      MapSize from = layout.size;
      StemWindow middle = slide(from, 3, stride, around);
      int64_t inputs[] = {layout.channels, inside, inside}, outputs[] = {inside, inside, outside};
      for (int i : {0, 1, 2}) {
        unit.branch[i].inputs = inputs[i];
        unit.branch[i].outputs = outputs[i];
        unit.branch[i].window = i == 1 ? middle : slide(i == 0 ? from : middle.to, 1, 1, Around::None);
        unit.branch[i].activation = i == 2 ? Activation::Identity : Activation::Relu;
      }
      if (unit.shortcutPool)
        unit.shortcutPool->window = slide(from, 2, stride, Around::Completing);
      if (unit.shortcut) {
        unit.shortcut->inputs = layout.channels;
        unit.shortcut->outputs = outside;
        unit.shortcut->window = layout.batchNorm ? slide(middle.to, 1, 1, Around::None) : slide(from, 1, stride, around);
      }
      layout.channels = outside;
      layout.size = middle.to;
      layout.units.push_back(std::move(unit));
    }
}

void Builder::resNetV2() {
  layout.standardized = true;
  // Without stages timm's model is the root alone, and its modules stand one level higher.
  std::string prefix = root + (config.stemLayers.empty() ? "" : "stem.");
  addRoot({prefix + "conv", prefix + "norm", "conv_root", "gn_root", prefix + "norm"}, wide(64), 7, 2, Around::Same, Activation::Relu);
  addMaxPool(prefix + "pool", Around::Same);
  stages(Around::Same);
}

void Builder::resNetD() {
  layout.batchNorm = true;
  constexpr Activation relu = Activation::Relu;
  addRoot({root + "conv1.0", root + "conv1.1", "", "", root + "conv1.2"}, wide(32), 3, 2, Around::Half, relu);
  addRoot({root + "conv1.3", root + "conv1.4", "", "", root + "conv1.5"}, wide(32), 3, 1, Around::Half, relu);
  addRoot({root + "conv1.6", root + "bn1", "", "", root + "act1"}, wide(64), 3, 1, Around::Half, relu);
  addMaxPool(root + "maxpool", Around::Half);
  stages(Around::Half);
}

/// Kernels as large as their strides; the last of timm's is the patch embedding.
void Builder::convolutions() {
  layout.batchNorm = true;
  for (size_t i = 0; i < config.stemLayers.size(); ++i) {
    std::string name = fmt::format("{}{}", root, i);
    int64_t size = config.stemLayers[i];
    addRoot({name + ".conv", name + ".bn", "", "", name}, wide(64), size, size, Around::None, Activation::Gelu);
  }
}

StemLayout Builder::build() {
  switch (config.stem) {
  case Stem::None:
    break;
  case Stem::ResNetV2:
    resNetV2();
    break;
  case Stem::ResNetD:
    resNetD();
    break;
  case Stem::Convolutions:
    convolutions();
    break;
  }
  return std::move(layout);
}

StemLayout vitc::stemLayout(const ModelConfig &config) { return Builder(config).build(); }
