//===- ModelConfig.cpp - derived sizes and the checks of a config ---------------------------===//
//
// Part of the vitc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===--------------------------------------------------------------------------------------===//

#include "compiler/model/ModelConfig.h"

#include "fmt/format.h"
#include "llvm/ADT/STLExtras.h"
#include "llvm/ADT/StringExtras.h"
#include "llvm/ADT/Twine.h"

#include <algorithm>
#include <cmath>

using namespace vitc;

llvm::Error vitc::sentence(const llvm::Twine &text) { return llvm::createStringError(llvm::inconvertibleErrorCode(), text); }

//===--------------------------------------------------------------------------------------===//
// Derived sizes
//===--------------------------------------------------------------------------------------===//

/// Side of the feature map that the patch embedding sees (StemLayout.h). Each halving of a ResNet rounds up: padding is SAME in ResNetV2, and
/// ResNetD keeps the odd pixel too.
static int64_t featureSide(const ModelConfig &config, int64_t side) {
  if (config.stem == Stem::None)
    return side;
  if (config.stem == Stem::Convolutions) {
    for (int64_t stride : config.stemLayers)
      side /= stride;
    return side;
  }
  size_t halvings = 2 + (config.stemLayers.empty() ? 0 : config.stemLayers.size() - 1);
  for (size_t i = 0; i < halvings; ++i)
    side = (side + 1) / 2;
  return side;
}

int64_t ModelConfig::gridHeight() const { return patchHeight > 0 ? featureSide(*this, imageHeight) / patchHeight : 0; }
int64_t ModelConfig::gridWidth() const { return patchWidth > 0 ? featureSide(*this, imageWidth) / patchWidth : 0; }

int64_t ModelConfig::keptPatches() const {
  return std::max<int64_t>(static_cast<int64_t>(static_cast<double>(patches()) * (1.0 - patchDropout)), 1);
}

int64_t ModelConfig::usedPositionRows() const {
  if (position == Position::None)
    return 0;
  switch (positionOn) {
  case PositionOn::All:
    return tokens();
  case PositionOn::Patches:
    return patches();
  case PositionOn::ClassAndPatches:
    return patches() + 1;
  }
  return 0;
}

int64_t ModelConfig::weightPositionRows() const {
  int64_t used = usedPositionRows();
  return used ? used - patches() + weightGridHeight() * weightGridWidth() : 0;
}

int64_t ModelConfig::windowOf(int64_t block) const { return llvm::is_contained(globalBlocks, block) ? 0 : windowSize; }

double ModelConfig::scoreScale() const {
  switch (attentionScale) {
  case AttentionScale::HeadDim:
    return 1.0 / std::sqrt(static_cast<double>(headWidth()));
  case AttentionScale::Heads:
    return 1.0 / std::sqrt(static_cast<double>(numHeads));
  case AttentionScale::Value:
    return attentionScaleValue;
  }
  return 1.0;
}

PreprocessSteps ModelConfig::preprocessSteps() const {
  using Resize = PreprocessSteps::Resize;
  PreprocessSteps steps{Resize::None, 0, 0, 0, 0};
  if (preprocess.resize) {
    // timm computes floor(image size / crop_pct) in double arithmetic.
    auto resized = [&](int64_t side) { return static_cast<int64_t>(std::floor(static_cast<double>(side) / preprocess.cropPct)); };
    steps.resizeHeight = preprocess.resizeHeight ? preprocess.resizeHeight : resized(imageHeight);
    steps.resizeWidth = preprocess.resizeWidth ? preprocess.resizeWidth : resized(imageWidth);
    switch (preprocess.cropMode) {
    case CropMode::Center:
      steps.resize = Resize::ShorterEdge;
      // The crop must fit whichever edge is the shorter one.
      steps.resizeHeight = steps.resizeWidth = std::max(steps.resizeHeight, steps.resizeWidth);
      break;
    case CropMode::Squash:
      steps.resize = Resize::Squash;
      break;
    case CropMode::Border:
      steps.resize = Resize::LongestEdge;
      steps.resizeHeight = steps.resizeWidth = std::min(steps.resizeHeight, steps.resizeWidth);
      break;
    }
  }
  if (preprocess.crop) {
    steps.cropHeight = imageHeight;
    steps.cropWidth = imageWidth;
  }
  return steps;
}

//===--------------------------------------------------------------------------------------===//
// Validation
//===--------------------------------------------------------------------------------------===//

/// One value, or several equal ones, serve any number of channels.
static bool fitToChannels(std::vector<double> &values, int64_t channels) {
  if (static_cast<int64_t>(values.size()) == channels)
    return true;
  if (values.empty() || !llvm::all_equal(values))
    return false;
  values.assign(static_cast<size_t>(channels), values.front());
  return true;
}

namespace {
/// The contradictions found so far, as one error.
class Findings {
public:
  template <typename... Args> void check(bool fine, fmt::format_string<Args...> text, Args &&...args) {
    if (!fine)
      sentences.push_back(fmt::format(text, std::forward<Args>(args)...));
  }
  llvm::Error takeError() const { return sentences.empty() ? llvm::Error::success() : sentence(llvm::join(sentences, "; ")); }

private:
  std::vector<std::string> sentences;
};
} // namespace

static void checkGeometry(const ModelConfig &c, Findings &findings) {
  if (c.stem == Stem::None) {
    findings.check(c.patchHeight <= c.imageHeight && c.patchWidth <= c.imageWidth, "patch_size {}x{} is larger than image_size {}x{}",
                   c.patchHeight, c.patchWidth, c.imageHeight, c.imageWidth);
    // torchvision asserts it ("Input shape indivisible by patch size!"); every other home drops the pixels that fill no patch.
    findings.check(c.family != Family::Torchvision || (c.imageHeight % c.patchHeight == 0 && c.imageWidth % c.patchWidth == 0),
                   "image_size {}x{} is not a multiple of patch_size {}x{}, which a torchvision model requires", c.imageHeight,
                   c.imageWidth, c.patchHeight, c.patchWidth);
  } else {
    findings.check(c.patches() > 0, "patch_size {}x{} is larger than the {}x{} feature map that the stem makes of image_size {}x{}",
                   c.patchHeight, c.patchWidth, featureSide(c, c.imageHeight), featureSide(c, c.imageWidth), c.imageHeight, c.imageWidth);
  }
  constexpr int64_t maxTokens = 1 << 20;
  findings.check(c.patches() <= maxTokens, "image_size {}x{} in patches of {}x{} gives {} tokens, more than {}", c.imageHeight,
                 c.imageWidth, c.patchHeight, c.patchWidth, c.patches(), maxTokens);
  findings.check((c.positionGridHeight == 0) == (c.positionGridWidth == 0), "position_grid needs both height and width");
  findings.check(c.positionRows == 0 || c.positionGridHeight == 0,
                 "position_rows and position_grid contradict each other: a table longer than needed is cut, one of another grid resized");
  findings.check(c.position != Position::Factorized || c.positionResize == PositionResize::Home,
                 "position=factorized is resized linearly: position_resize must be home");
  findings.check(c.position != Position::Factorized || c.positionOn == PositionOn::Patches || c.prefixTokens() == 0,
                 "position=factorized has rows for the patches alone: position_on must be patches");
  findings.check(c.positionRows == 0 || c.positionRows >= c.usedPositionRows(), "position_rows is {}, but image_size {}x{} needs {} rows",
                 c.positionRows, c.imageHeight, c.imageWidth, c.usedPositionRows());
  findings.check(c.position != Position::Sincos2d || c.embedDim % 4 == 0,
                 "embed_dim {} is not a multiple of 4, which position=sincos2d requires", c.embedDim);
  findings.check(c.position != Position::Sincos2d || c.sincosLayout != SincosLayout::BigVision || c.embedDim >= 8,
                 "embed_dim {} is less than 8, which sincos_layout=big_vision requires", c.embedDim);
  bool positionsOfGrid = c.family == Family::TimmNaFlex || c.family == Family::TimmSam;
  findings.check(!positionsOfGrid || c.position != Position::Learned || c.positionOn == PositionOn::Patches || c.prefixTokens() == 0,
                 "positions of families timm-naflex and timm-sam are of the patches alone: position_on must be patches");
  auto stemChannels = static_cast<int64_t>(64 * c.stemWidth);
  findings.check(c.stem != Stem::ResNetV2 || stemChannels % 32 == 0,
                 "stem_width {} makes {} channels, which are no multiple of GroupNorm's 32 groups", c.stemWidth, stemChannels);
  findings.check(c.position != Position::Sincos1d || c.embedDim % 2 == 0,
                 "embed_dim {} is not a multiple of 2, which position=sincos1d requires", c.embedDim);
  bool sincos = c.position == Position::Sincos1d || c.position == Position::Sincos2d;
  findings.check(!sincos || c.positionOn == PositionOn::Patches || c.prefixTokens() == 0,
                 "a sine table has rows for the patches alone: position_on must be patches");
  findings.check(c.positionOn != PositionOn::ClassAndPatches || (c.classToken && !c.distillationToken),
                 "position_on=class_and_patches needs a class token and no distillation token");
}

static void checkBlocks(const ModelConfig &c, Findings &findings) {
  findings.check(c.headDim != 0 || c.embedDim % c.numHeads == 0,
                 "embed_dim {} is not divisible by num_heads {} (give head_dim if the heads have another width)", c.embedDim, c.numHeads);
  findings.check(c.mlpWidth() > 0, "embed_dim {} times mlp_ratio {} leaves no hidden width", c.embedDim, c.mlpRatio);
  findings.check(!c.parallelFused || c.block == BlockKind::Parallel, "parallel_fused is defined for block=parallel only");
  findings.check(c.block != BlockKind::Parallel || (!c.gatedMlp && !c.mlpNorm && !c.attentionNorm),
                 "block=parallel has neither gated_mlp, mlp_norm nor attention_norm");
  findings.check(c.attention != AttentionKind::Differential || c.headWidth() % 2 == 0,
                 "head width {} is odd, but attention=differential gives each of its two softmaxes half of it", c.headWidth());
  bool hasTable = c.relativePosition == RelativePosition::Table || c.relativePosition == RelativePosition::SharedTable;
  findings.check(!hasTable || c.prefixTokens() == int64_t(c.classToken),
                 "a table of relative positions has entries for the class token and no other prefix token");
  bool isDifferential = c.attention == AttentionKind::Differential;
  findings.check(!isDifferential || c.attentionScale == AttentionScale::HeadDim,
                 "attention=differential scales its scores by the half head's width: attention_scale must be head_dim");
  findings.check(!isDifferential || c.headWidth() <= 1024, "head width {} is more than 1024, the most that attention=differential takes",
                 c.headWidth());
  findings.check(c.block != BlockKind::Parallel || c.mlpBias, "block=parallel has a bias in its mlp: mlp_bias must be true");
  findings.check(c.ropeReferenceHeight == 0 || c.rope == Rope::Cat, "rope_reference_grid is defined for rope=cat only");
  findings.check(c.globalBlocks.empty() || c.windowSize, "global_blocks needs window_size");
  findings.check(!isDifferential || (!c.qkNorm && c.rope == Rope::None && c.relativePosition == RelativePosition::None),
                 "attention=differential has neither qk_norm, rope nor relative positions");
  findings.check(c.block != BlockKind::Parallel || c.qkvBias != QkvBias::QueryValue,
                 "block=parallel has a bias for all of qkv or for none");
  findings.check(c.rope != Rope::Mixed || !c.ropeRotateHalf, "rope=mixed turns pairs side by side: rope_rotate_half must be false");
  findings.check(c.rope != Rope::Mixed || c.parallelBranches == 1, "rope=mixed has frequencies for one attention a block, not for {}",
                 c.parallelBranches);
  for (int64_t block : c.globalBlocks)
    findings.check(block < c.depth, "global_blocks names block {}, but depth is {}", block, c.depth);
  findings.check(c.windowSize == 0 || c.prefixTokens() == 0, "window_size {} needs tokens that are all patches, but there are {} others",
                 c.windowSize, c.prefixTokens());
  bool positionsOfAll = c.relativePosition != RelativePosition::None && c.relativePosition != RelativePosition::Decomposed;
  findings.check(c.windowSize == 0 || (c.rope == Rope::None && !positionsOfAll && c.attention == AttentionKind::Softmax),
                 "window_size {} goes with attention=softmax, rope=none and relative_position=decomposed or none", c.windowSize);
  findings.check(c.relativePosition != RelativePosition::Decomposed ||
                     (c.prefixTokens() == 0 && c.rope == Rope::None && c.attention == AttentionKind::Softmax),
                 "relative_position=decomposed needs tokens that are all patches, attention=softmax and rope=none");
  findings.check(c.attention != AttentionKind::TalkingHeads ||
                     (c.relativePosition == RelativePosition::None && c.rope == Rope::None && !c.qkNorm && !c.attentionNorm),
                 "attention=talking_heads has neither relative_position, rope, qk_norm nor attention_norm");
  findings.check(c.parallelBranches == 1 || c.block == BlockKind::PreNorm, "parallel_branches={} is defined for block=pre_norm only",
                 c.parallelBranches);
  findings.check(c.rope == Rope::None || c.headWidth() % 4 == 0, "head width {} is not a multiple of 4, which rotary positions require",
                 c.headWidth());
  findings.check(c.pool != Pool::Map || c.embedDim % (c.poolHeads ? c.poolHeads : c.numHeads) == 0,
                 "embed_dim {} is not divisible by the {} heads of pool=map", c.embedDim, c.poolHeads ? c.poolHeads : c.numHeads);
  findings.check(c.attentionScale != AttentionScale::Value || c.attentionScaleValue > 0.0, "attention_scale {} is not positive",
                 c.attentionScaleValue);
}

static void checkHead(const ModelConfig &c, Findings &findings) {
  bool needsClass = c.pool == Pool::Token || c.pool == Pool::TokenAvg;
  // timm asserts `class_token or global_pool != 'token'`. Without a transformer Flax takes a row of the grid.
  findings.check(!needsClass || c.classToken || !c.transformer, "pool={} needs a class token, but class_token is false",
                 c.pool == Pool::Token ? "token" : "token_avg");
  bool poolsPatches = c.pool == Pool::Avg || c.pool == Pool::AvgAll || c.pool == Pool::None;
  findings.check(c.neckChannels == 0 || (poolsPatches && !c.fcNorm && c.prefixTokens() == 0),
                 "neck_channels needs tokens that are all patches, pool=avg, avg_all or none, and no fc_norm");
  findings.check(!c.headDistillation || (c.distillationToken && c.transformer),
                 "head_distillation needs distillation_token and a transformer");
  findings.check(!c.headDistillation || (c.pool == Pool::Token && c.numClasses > 0 && c.headHidden == 0),
                 "head_distillation needs pool=token and a linear classifier");
  findings.check(!c.distillationToken || c.classToken, "distillation_token needs class_token");
  findings.check(c.labels.empty() || c.numClasses == 0 || static_cast<int64_t>(c.labels.size()) == c.numClasses,
                 "there are {} labels for num_classes {}", c.labels.size(), c.numClasses);
}

static void checkPreprocess(ModelConfig &c, Findings &findings) {
  auto checkChannels = [&](llvm::StringRef key, std::vector<double> &values) {
    findings.check(fitToChannels(values, c.inChannels), "{} has {} values, but in_channels is {}: give one a channel, or a single one",
                   key.str(), values.size(), c.inChannels);
  };
  checkChannels("mean", c.preprocess.mean);
  checkChannels("std", c.preprocess.std);
  PreprocessSteps steps = c.preprocessSteps();
  bool resizes = steps.resize != PreprocessSteps::Resize::None;
  findings.check(!resizes || (steps.resizeHeight > 0 && steps.resizeWidth > 0), "crop_pct {} leaves no picture of image_size {}x{}",
                 c.preprocess.cropPct, c.imageHeight, c.imageWidth);
  bool exact = !resizes || (steps.resize == PreprocessSteps::Resize::Squash && steps.resizeHeight == c.imageHeight &&
                            steps.resizeWidth == c.imageWidth);
  findings.check(steps.cropHeight > 0 || exact, "preprocessing gives pictures of {}x{} and no centre crop, but image_size is {}x{}",
                 steps.resizeHeight, steps.resizeWidth, c.imageHeight, c.imageWidth);
}

static void checkClassBlocks(const ModelConfig &c, Findings &findings) {
  if (c.classBlocks == 0)
    return;
  findings.check(c.classToken && c.prefixTokens() == 1, "class_blocks needs a class token and no other prefix token");
  findings.check(c.position == Position::None || c.positionOn == PositionOn::Patches,
                 "class_blocks needs position_on=patches: the class token is not there yet when positions are added");
  findings.check(c.transformer && c.block == BlockKind::PreNorm && c.parallelBranches == 1,
                 "class_blocks is defined for block=pre_norm without parallel branches");
  findings.check(!c.gatedMlp && !c.mlpNorm && c.qkvBias != QkvBias::QueryValue,
                 "class_blocks has neither gated_mlp, mlp_norm nor a bias of query and value alone");
}

llvm::Error vitc::validate(ModelConfig &config) {
  Findings findings;
  checkGeometry(config, findings);
  checkBlocks(config, findings);
  checkClassBlocks(config, findings);
  checkHead(config, findings);
  checkPreprocess(config, findings);
  return findings.takeError();
}

std::vector<std::string> vitc::configWarnings(const ModelConfig &config) {
  std::vector<std::string> warnings;
  int64_t height = config.imageHeight - config.gridHeight() * config.patchHeight,
          width = config.imageWidth - config.gridWidth() * config.patchWidth;
  if (config.stem == Stem::None && (height || width))
    warnings.push_back(fmt::format(
        "image_size {}x{} is not a multiple of patch_size {}x{}: the last {} rows and {} columns of pixels fill no patch and are not used",
        config.imageHeight, config.imageWidth, config.patchHeight, config.patchWidth, height, width));
  return warnings;
}
