//===- Import.cpp - a model's config as vit IR --------------------------------------------------===//
//
// Part of the vitc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===--------------------------------------------------------------------------------------===//

#include "compiler/frontend/Import.h"

#include "compiler/frontend/Sources.h"
#include "compiler/frontend/WeightNaming.h"
#include "compiler/model/ModelConfig.h"
#include "dialects/vit/VitDialect.h"

#include "fmt/format.h"
#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "llvm/ADT/StringExtras.h"
#include "llvm/ADT/StringMap.h"

using namespace mlir;
using namespace vitc;

std::string vitc::unsupportedSwitches(const ModelConfig &config) {
  std::vector<std::string> switches;
  auto refuse = [&](bool unsupported, std::string text) {
    if (unsupported)
      switches.push_back(std::move(text));
  };
  refuse(config.stem == Stem::ResNetV2, "stem=resnetv2");
  refuse(config.stem == Stem::ResNetD, "stem=resnetd");
  refuse(config.position == Position::Sincos1d, "position=sincos1d");
  refuse(config.position == Position::Sincos2d, "position=sincos2d");
  refuse(config.relativePosition == RelativePosition::Mlp, "relative_position=mlp");
  refuse(config.relativePosition == RelativePosition::SharedMlp, "relative_position=shared_mlp");
  refuse(config.relativePosition == RelativePosition::Table, "relative_position=table");
  refuse(config.relativePosition == RelativePosition::SharedTable, "relative_position=shared_table");
  refuse(config.relativePosition == RelativePosition::Decomposed, "relative_position=decomposed");
  refuse(config.position == Position::Factorized, "position=factorized");
  refuse(config.rope != Rope::None, "rope");
  refuse(config.windowSize != 0, "window_size");
  refuse(config.neckChannels != 0, "neck_channels");
  refuse(config.block == BlockKind::Parallel, "block=parallel");
  refuse(config.attention == AttentionKind::Differential, "attention=differential");
  refuse(config.attentionNorm, "attention_norm");
  refuse(config.patchNorm, "patch_norm");
  refuse(config.positionGridHeight != 0, "position_grid");
  refuse(config.weightPatchHeight != 0, "weight_patch_size");
  refuse(config.pool == Pool::Map, "pool=map");
  refuse(config.pool == Pool::TokenAvg && (config.headHidden || !config.numClasses), "pool=token_avg without a linear classifier");
  // Flax's token pooling then takes a row of the grid, and its unpooled answer keeps the grid's two axes.
  refuse(!config.transformer && config.pool != Pool::Avg && config.pool != Pool::AvgAll, "transformer=false without pool=avg");
  if (switches.empty())
    return "";
  return fmt::format("the model '{}' needs what this version of vitc does not compile: {}", config.name, llvm::join(switches, ", "));
}

//===--------------------------------------------------------------------------------------===//
// Helpers
//===--------------------------------------------------------------------------------------===//

namespace {

class Importer {
public:
  Importer(MLIRContext &context, const ModelConfig &config) : config(config), builder(&context) {
    for (const PlacedSource &source : describeSources(config))
      shapes[source.name] = source.shape;
  }
  OwningOpRef<ModuleOp> import();

private:
  NameLoc loc(const Twine &layer) { return NameLoc::get(builder.getStringAttr(layer)); }
  RankedTensorType type(ArrayRef<int64_t> shape) { return RankedTensorType::get(shape, builder.getF32Type()); }
  static ArrayRef<int64_t> shapeOf(Value value) { return cast<RankedTensorType>(value.getType()).getShape(); }

  /// The weight of that name, null if the model has none.
  Value weight(Location loc, const Twine &name);
  Value reshape(Location loc, Value value, ArrayRef<int64_t> shape);

  FloatAttr number(double value) { return builder.getF32FloatAttr(static_cast<float>(value)); }
  FloatAttr eps() { return number(config.normEps); }
  vit::NormKindAttr normKind() {
    return vit::NormKindAttr::get(builder.getContext(), config.norm == NormKind::Layer ? vit::NormKind::Layer : vit::NormKind::Rms);
  }
  vit::ActivationAttr activation(Activation kind);

  Value normalize(const Twine &name, Value input);
  Value linear(Location at, const std::string &name, Value input);
  Value linear(Location at, Value input, Value matrix, Value bias);
  Value residual(Location at, Value skip, Value branch, const std::string &scale);

  using Body = Value (Importer::*)(const BranchNames &names, Value input);
  using Names = BranchNames (*)(const ModelConfig &config, int64_t block, int64_t branch);
  Value attention(const BranchNames &names, Value input);
  Value mlp(const BranchNames &names, Value input);
  Value half(Value x, Body body, Names names, int64_t index, const std::string &layer);
  Value block(int64_t index, Value x);

  Value positions(Location at);
  Value tokens(Value images);
  Value pool(const Twine &name, Value input, vit::Pool kind, int64_t index);
  Value head(Value tokens);
  Value headOfTokenAndMean(Value tokens);
  Value headOfTwoTokens(Value tokens);

  const ModelConfig &config;
  OpBuilder builder;
  llvm::StringMap<std::vector<int64_t>> shapes;
};

} // namespace

static vit::Activation convert(Activation activation) {
  switch (activation) {
  case Activation::Identity:
    return vit::Activation::None;
  case Activation::Relu:
    return vit::Activation::Relu;
  case Activation::Gelu:
    return vit::Activation::GeluErf;
  case Activation::GeluTanh:
    return vit::Activation::GeluTanh;
  case Activation::QuickGelu:
    return vit::Activation::QuickGelu;
  case Activation::Silu:
    return vit::Activation::Silu;
  case Activation::Tanh:
    return vit::Activation::Tanh;
  case Activation::Sigmoid:
    return vit::Activation::Sigmoid;
  }
  return vit::Activation::None;
}

vit::ActivationAttr Importer::activation(Activation kind) { return vit::ActivationAttr::get(builder.getContext(), convert(kind)); }

Value Importer::weight(Location loc, const Twine &name) {
  std::string key = name.str();
  auto found = shapes.find(key);
  if (found == shapes.end())
    return {};
  return vit::WeightOp::create(builder, loc, type(found->second), FlatSymbolRefAttr::get(builder.getContext(), key));
}

Value Importer::reshape(Location loc, Value value, ArrayRef<int64_t> shape) {
  return shapeOf(value) == shape ? value : vit::ReshapeOp::create(builder, loc, type(shape), value);
}

Value Importer::normalize(const Twine &name, Value input) {
  std::string layer = name.str();
  Location at = loc(layer);
  return vit::NormalizeOp::create(builder, at, input.getType(), input, weight(at, layer + ".weight"), weight(at, layer + ".bias"),
                                  normKind(), eps());
}

Value Importer::linear(Location at, const std::string &name, Value input) {
  Value matrix = weight(at, name + ".weight");
  return linear(at, input, matrix, weight(at, name + ".bias"));
}

Value Importer::linear(Location at, Value input, Value matrix, Value bias) {
  SmallVector<int64_t> shape(shapeOf(input));
  shape.back() = shapeOf(matrix)[0];
  return vit::LinearOp::create(builder, at, type(shape), input, matrix, bias, /*residual=*/Value(), activation(Activation::Identity));
}

Value Importer::residual(Location at, Value skip, Value branch, const std::string &scale) {
  return vit::ResidualOp::create(builder, at, skip.getType(), skip, branch, weight(at, scale + ".gamma"));
}

//===--------------------------------------------------------------------------------------===//
// Blocks
//===--------------------------------------------------------------------------------------===//

Value Importer::attention(const BranchNames &names, Value input) {
  Location at = loc(names.body);
  int64_t heads = config.numHeads, width = config.headWidth(), all = config.attentionWidth();
  SmallVector<Value> weights, biases;
  for (const char *part : {".query", ".key", ".value"}) {
    weights.push_back(weight(at, names.body + part + ".weight"));
    Value bias = weight(at, names.body + part + ".bias");
    if (!bias && config.qkvBias == QkvBias::QueryValue)
      bias = vit::ZerosOp::create(builder, at, type({heads, width}));
    biases.push_back(bias);
  }
  Value matrix = vit::ConcatOp::create(builder, at, type({3 * heads, width, config.embedDim}), weights);
  matrix = reshape(at, matrix, {3 * all, config.embedDim});
  Value bias;
  if (config.qkvBias != QkvBias::None)
    bias = reshape(at, vit::ConcatOp::create(builder, at, type({3 * heads, width}), biases), {3 * all});
  Value proj = reshape(at, weight(at, names.body + ".proj.weight"), {config.embedDim, all});
  Value projBias = weight(at, names.body + ".proj.bias");
  Value qGain = weight(at, names.body + ".q_norm.weight"), qShift = weight(at, names.body + ".q_norm.bias");
  Value kGain = weight(at, names.body + ".k_norm.weight"), kShift = weight(at, names.body + ".k_norm.bias");
  return vit::AttentionOp::create(builder, at, input.getType(), input, matrix, bias, proj, projBias, /*position_bias=*/Value(),
                                  /*rotary_sin=*/Value(), /*rotary_cos=*/Value(), qGain, qShift, kGain, kShift, /*norm_gain=*/Value(),
                                  /*norm_shift=*/Value(), builder.getI64IntegerAttr(heads), number(config.scoreScale()),
                                  builder.getI64IntegerAttr(0),
                                  vit::RotaryLayoutAttr::get(builder.getContext(), vit::RotaryLayout::Interleaved), normKind(), eps());
}

Value Importer::mlp(const BranchNames &names, Value input) {
  Location at = loc(names.body);
  auto part = [&](const char *suffix) { return weight(at, names.body + suffix); };
  Value fc1 = part(".fc1.weight"), fc1Bias = part(".fc1.bias"), gate = part(".gate.weight"), gateBias = part(".gate.bias");
  Value gain = part(".norm.weight"), shift = part(".norm.bias"), fc2 = part(".fc2.weight"), fc2Bias = part(".fc2.bias");
  return vit::MlpOp::create(builder, at, input.getType(), input, fc1, fc1Bias, gate, gateBias, gain, shift, fc2, fc2Bias,
                            activation(config.activation), normKind(), eps());
}

/// x + f(norm(x)) or x + norm(f(x)). Parallel branches all see the x from before the first of them (timm's ParallelBlock).
Value Importer::half(Value x, Body body, Names names, int64_t index, const std::string &layer) {
  Value sum = x;
  for (int64_t branch = 0; branch < config.parallelBranches; ++branch) {
    BranchNames branchNames = names(config, index, branch);
    bool pre = config.block == BlockKind::PreNorm;
    Value value = (this->*body)(branchNames, pre ? normalize(branchNames.norm, x) : x);
    if (!pre)
      value = normalize(branchNames.norm, value);
    bool last = branch + 1 == config.parallelBranches;
    sum = residual(loc(last ? layer : branchNames.body + "_residual"), sum, value, branchNames.scale);
  }
  return sum;
}

Value Importer::block(int64_t index, Value x) {
  std::string layer = fmt::format("blocks.{}", index);
  x = half(x, &Importer::attention, attentionNames, index, layer + ".attn_residual");
  return half(x, &Importer::mlp, mlpNames, index, layer);
}

//===--------------------------------------------------------------------------------------===//
// From an image to tokens
//===--------------------------------------------------------------------------------------===//

/// The table for the tokens that `vit.embed` adds it to; null if there is none.
Value Importer::positions(Location at) {
  Value table = weight(at, "pos_embed");
  if (!table || config.positionOn != PositionOn::ClassAndPatches || config.regTokens == 0)
    return table;
  // Registers stand between class token and patches and have no position.
  int64_t width = config.embedDim, patches = config.patches();
  Value first = vit::SliceRowsOp::create(builder, at, type({1, width}), table, builder.getI64IntegerAttr(0));
  Value none = vit::ZerosOp::create(builder, at, type({config.regTokens, width}));
  Value rest = vit::SliceRowsOp::create(builder, at, type({patches, width}), table, builder.getI64IntegerAttr(1));
  return vit::ConcatOp::create(builder, at, type({config.tokens(), width}), ValueRange{first, none, rest});
}

Value Importer::tokens(Value images) {
  Location at = loc("patch_embed");
  RankedTensorType patchesType = type({ShapedType::kDynamic, config.patches(), config.embedDim});
  Value kernel = weight(at, "patch_embed.weight"), bias = weight(at, "patch_embed.bias");
  Value patches = vit::PatchifyOp::create(builder, at, patchesType, images, kernel, bias);
  if (!config.transformer)
    return patches;

  at = loc("pos_embed");
  SmallVector<Value> prefix;
  for (const char *name : {"cls_token", "dist_token", "reg_token"})
    if (Value token = weight(at, name))
      prefix.push_back(token);
  Value x = patches;
  if (Value position = positions(at); position || !prefix.empty()) {
    UnitAttr patchesOnly;
    if (position && config.positionOn == PositionOn::Patches)
      patchesOnly = builder.getUnitAttr();
    RankedTensorType tokensType = type({ShapedType::kDynamic, config.tokens(), config.embedDim});
    x = vit::EmbedOp::create(builder, at, tokensType, patches, prefix, position, patchesOnly);
  }
  return config.normPre ? normalize("norm_pre", x) : x;
}

//===--------------------------------------------------------------------------------------===//
// From tokens to an answer
//===--------------------------------------------------------------------------------------===//

Value Importer::pool(const Twine &name, Value input, vit::Pool kind, int64_t index) {
  return vit::PoolOp::create(builder, loc(name), type({ShapedType::kDynamic, config.embedDim}), input,
                             vit::PoolAttr::get(builder.getContext(), kind), builder.getI64IntegerAttr(index));
}

/// DINOv2: a classifier on [class token, mean of the patches] is the sum of one on each.
Value Importer::headOfTokenAndMean(Value tokens) {
  Value token = pool("pool.token", tokens, vit::Pool::Token, 0), mean = pool("pool.avg", tokens, vit::Pool::Avg, config.prefixTokens());
  if (config.fcNorm) {
    token = normalize("fc_norm", token);
    mean = normalize("fc_norm", mean);
  }
  Location at = loc("head");
  Value first = linear(loc("head.token"), token, weight(at, "head.token.weight"), weight(at, "head.bias"));
  Value second = linear(loc("head.avg"), mean, weight(at, "head.avg.weight"), Value());
  return residual(at, first, second, "head");
}

/// DeiT with a teacher: the mean of two classifiers, with the half in their weights.
Value Importer::headOfTwoTokens(Value tokens) {
  auto classify = [&](const std::string &name, const char *pooled, int64_t index) {
    Value row = pool(pooled, tokens, vit::Pool::Token, index);
    if (config.fcNorm)
      row = normalize("fc_norm", row);
    Location at = loc(name + ".half");
    auto half = [&](Value value) -> Value {
      if (!value)
        return value;
      return vit::ScaleRowsByConstantOp::create(builder, at, value.getType(), value, builder.getI64IntegerAttr(config.numClasses),
                                                number(0.5));
    };
    return linear(at, row, half(weight(at, name + ".weight")), half(weight(at, name + ".bias")));
  };
  Value first = classify("head", "pool", 0), second = classify("head_dist", "pool_dist", 1);
  return residual(loc("head"), first, second, "head");
}

Value Importer::head(Value x) {
  if (config.pool == Pool::TokenAvg)
    return headOfTokenAndMean(x);
  if (config.headDistillation)
    return headOfTwoTokens(x);
  if (config.pool == Pool::Token)
    x = pool("pool", x, vit::Pool::Token, 0);
  else if (config.pool == Pool::Avg || config.pool == Pool::AvgAll)
    x = pool("pool", x, vit::Pool::Avg, config.pool == Pool::Avg && config.transformer ? config.prefixTokens() : 0);
  if (config.fcNorm)
    x = normalize("fc_norm", x);
  if (config.headHidden) {
    x = linear(loc("head_hidden"), "head_hidden", x);
    x = vit::ActivationOp::create(builder, loc("head_hidden.act"), x.getType(), x, activation(config.headActivation));
  }
  return config.numClasses ? linear(loc("head"), "head", x) : x;
}

OwningOpRef<ModuleOp> Importer::import() {
  Location at = loc(config.name);
  OwningOpRef<ModuleOp> module = ModuleOp::create(at);
  builder.setInsertionPointToEnd(module->getBody());
  RankedTensorType images = type({ShapedType::kDynamic, config.inChannels, config.imageHeight, config.imageWidth});
  auto function = func::FuncOp::create(builder, at, "infer", builder.getFunctionType({images}, {}));
  Block *body = function.addEntryBlock();
  builder.setInsertionPointToEnd(body);

  Value x = tokens(body->getArgument(0));
  for (int64_t index = 0; index < config.blocks(); ++index)
    x = block(index, x);
  if (config.finalNorm && config.transformer)
    x = normalize("norm", x);
  x = head(x);
  func::ReturnOp::create(builder, at, x);
  function.setType(builder.getFunctionType({images}, {x.getType()}));
  return module;
}

OwningOpRef<ModuleOp> vitc::importModel(MLIRContext &context, const ModelConfig &config) {
  context.loadDialect<func::FuncDialect, vit::VitDialect>();
  return Importer(context, config).import();
}
