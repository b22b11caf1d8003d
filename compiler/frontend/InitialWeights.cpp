//===- InitialWeights.cpp - where training from scratch begins ------------------------------===//
//
// Part of the vitc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===--------------------------------------------------------------------------------------===//

#include "compiler/frontend/InitialWeights.h"

#include "compiler/frontend/Sources.h"
#include "compiler/model/ModelConfig.h"

#include "fmt/format.h"
#include "llvm/ADT/StringRef.h"

#include <cmath>

using namespace vitc;

Draw Draw::torchDefault(int64_t fanIn) { return {Kind::Uniform, 1.0 / std::sqrt(static_cast<double>(fanIn))}; }

namespace {

/// What timm's classes do differently (timm/models: vision_transformer, vision_transformer_relpos, vision_transformer_sam, beit, eva, cait,
/// naflexvit; the functions are called init_weights, _init_weights and fix_init_weight in all of them).
struct Rules {
  bool torchLinear = false; ///< layers keep torch's own initialization: weight_init='skip'
  double classToken = 1e-6; ///< deviations
  double registerTokens = 1e-6;
  double positions = 0.02;
  double distances = 0.02;      ///< a table of relative positions
  double gainBehind = 1.0;      ///< of the norms behind attention and mlp, block=post_norm
  double headScale = 1.0;       ///< head_init_scale
  bool shrinkWithDepth = false; ///< fix_init_weight: projection and fc2 of block i by 1/sqrt(2 (i + 1))
  bool openGates = true;        ///< GluMlp and SwiGLU: one factor begins at 1
  bool linearPatches = false;   ///< the patch embedding is a torch.nn.Linear
};

class Drawer {
public:
  explicit Drawer(const ModelConfig &config);
  Draw of(const PlacedSource &source, int64_t fanIn) const;

private:
  Draw layer(const PlacedSource &source, int64_t fanIn) const;
  Draw gated(const PlacedSource &source, int64_t fanIn) const;
  Draw shrunk(const PlacedSource &source, int64_t fanIn) const;
  Draw stem(const PlacedSource &source) const;

  const ModelConfig &config;
  Rules rules;
};

} // namespace

Drawer::Drawer(const ModelConfig &config) : config(config) {
  switch (config.family) {
  case Family::TimmBeit:
    rules = {.classToken = 0.02, .distances = 0.0, .headScale = 0.001, .shrinkWithDepth = true, .openGates = false};
    break;
  case Family::TimmEva:
    rules = {.classToken = 0.02, .registerTokens = 0.02, .headScale = 0.001, .shrinkWithDepth = true, .openGates = false};
    break;
  case Family::TimmNaFlex:
    rules = {.shrinkWithDepth = true, .linearPatches = true};
    break;
  case Family::TimmCait:
    rules = {.classToken = 0.02};
    break;
  case Family::TimmSam:
    rules = {.torchLinear = true, .positions = 0.0, .distances = 0.0};
    break;
  default:
    if (config.relativePosition != RelativePosition::None)
      rules = {.torchLinear = true, .classToken = 0.0, .gainBehind = 1e-6};
  }
}

Draw Drawer::layer(const PlacedSource &source, int64_t fanIn) const {
  if (rules.torchLinear)
    return Draw::torchDefault(fanIn);
  return source.bias ? Draw::constant(0.0) : Draw::normal(0.02);
}

/// Of a packed fc1 (GluMlp) the half that is not activated is nearly constant, of two layers (SwiGLU) the activated one.
Draw Drawer::gated(const PlacedSource &source, int64_t fanIn) const {
  bool isConstant = config.gatedMlp && (source.role == Role::Gate) == config.gatePacked;
  if (!isConstant || !rules.openGates)
    return layer(source, fanIn);
  return source.bias ? Draw::constant(1.0) : Draw::normal(1e-6);
}

Draw Drawer::shrunk(const PlacedSource &source, int64_t fanIn) const {
  Draw draw = layer(source, fanIn);
  if (rules.shrinkWithDepth && !source.bias)
    draw.value /= std::sqrt(2.0 * static_cast<double>(source.block + 1));
  return draw;
}

/// ResNet and ResNetV2 (kaiming_normal by fan-out, the last norm of each bottleneck begins at 0). ConvNormAct, and the root of a ResNetV2
/// alone, keep torch's own.
Draw Drawer::stem(const PlacedSource &source) const {
  llvm::StringRef name = source.name;
  if (source.shape.size() == 4) {
    int64_t window = source.shape[2] * source.shape[3];
    if (config.stem == Stem::Convolutions || config.stemLayers.empty())
      return Draw::torchDefault(source.shape[1] * window);
    return Draw::normal(std::sqrt(2.0 / static_cast<double>(source.shape[0] * window)));
  }
  bool isGain = name.ends_with(".weight") || name.ends_with(".running_var");
  bool endsBranch = name.ends_with(".norm3.weight") || name.ends_with(".bn3.weight");
  return Draw::constant(isGain && !endsBranch ? 1.0 : 0.0);
}

Draw Drawer::of(const PlacedSource &source, int64_t fanIn) const {
  switch (source.role) {
  case Role::Stem:
    return stem(source);
  case Role::Patch:
    return rules.linearPatches ? layer(source, fanIn) : Draw::torchDefault(fanIn);
  case Role::NeckConv1:
  case Role::NeckConv2:
    return Draw::torchDefault(fanIn);
  case Role::ClassToken:
    return Draw::normal(rules.classToken);
  case Role::RegisterTokens:
    return Draw::normal(rules.registerTokens);
  case Role::DistillationToken:
    return Draw::normal(0.02);
  case Role::Position:
  case Role::PositionRows:
  case Role::PositionColumns:
    return Draw::normal(rules.positions);
  case Role::RelativeTable:
  case Role::RelativeRows:
  case Role::RelativeColumns:
    return Draw::normal(rules.distances);
  case Role::LambdaQuery1:
  case Role::LambdaKey1:
  case Role::LambdaQuery2:
  case Role::LambdaKey2:
    return Draw::normal(0.1);
  case Role::RopeFrequencies:
    return Draw::constant(0.0);
  case Role::PoolLatent:
    return {Draw::Kind::CutNormal, 1.0 / std::sqrt(static_cast<double>(config.embedDim))};
  case Role::Norm1:
  case Role::Norm2:
    return Draw::constant(source.bias ? 0.0 : config.block == BlockKind::PostNorm ? rules.gainBehind : 1.0);
  case Role::PatchNorm:
  case Role::NormPre:
  case Role::QueryNorm:
  case Role::KeyNorm:
  case Role::SubNorm:
  case Role::AttentionNorm:
  case Role::MlpNorm:
  case Role::ClassNorm1:
  case Role::ClassNorm2:
  case Role::Norm:
  case Role::NeckNorm1:
  case Role::NeckNorm2:
  case Role::FcNorm:
  case Role::PoolNorm:
    return Draw::constant(source.bias ? 0.0 : 1.0);
  case Role::Scale1:
  case Role::Scale2:
  case Role::ClassScale1:
  case Role::ClassScale2:
    return Draw::constant(config.layerScale);
  case Role::Fc1:
  case Role::Gate:
    return gated(source, fanIn);
  case Role::Proj:
  case Role::Fc2:
    return shrunk(source, fanIn);
  case Role::Head: {
    Draw draw = layer(source, fanIn);
    draw.value *= rules.headScale;
    return draw;
  }
  case Role::Query:
  case Role::Key:
  case Role::Value:
  case Role::RelativeFc1:
  case Role::RelativeFc2:
  case Role::TalkBefore:
  case Role::TalkAfter:
  case Role::ClassQuery:
  case Role::ClassKey:
  case Role::ClassValue:
  case Role::ClassProj:
  case Role::ClassFc1:
  case Role::ClassFc2:
  case Role::PoolQuery:
  case Role::PoolKey:
  case Role::PoolValue:
  case Role::PoolProj:
  case Role::PoolFc1:
  case Role::PoolFc2:
  case Role::HeadHidden:
  case Role::HeadDistillation:
    return layer(source, fanIn);
  }
  return {};
}

/// Columns of a layer's weight: [out, in...], of query, key and value [h, d, D].
static int64_t fanInOf(const PlacedSource &weight) {
  size_t first = weight.role == Role::Query || weight.role == Role::Key || weight.role == Role::Value ? 2 : 1;
  int64_t columns = 1;
  for (size_t axis = first; axis < weight.shape.size(); ++axis)
    columns *= weight.shape[axis];
  return columns;
}

std::vector<Draw> vitc::initialDraws(const ModelConfig &config, const std::vector<PlacedSource> &sources) {
  Drawer drawer(config);
  std::vector<Draw> draws;
  int64_t fanIn = 1;
  for (const PlacedSource &source : sources) {
    // A bias follows its weight.
    if (!source.bias)
      fanIn = fanInOf(source);
    draws.push_back(drawer.of(source, fanIn));
  }
  return draws;
}

std::string vitc::refuseMimetic(const ModelConfig &config) {
  const char *reason = config.attention == AttentionKind::Differential   ? "attention=differential"
                       : config.attention == AttentionKind::TalkingHeads ? "attention=talking_heads"
                       : config.qkNorm                                   ? "qk_norm=true"
                       : config.rope != Rope::None                       ? "rope"
                                                                         : nullptr;
  if (!reason)
    return "";
  return fmt::format("--init=mimetic shapes the products of plain queries and keys, which '{}' does not have ({}); take --init=timm",
                     config.name, reason);
}
