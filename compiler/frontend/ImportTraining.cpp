//===- ImportTraining.cpp - the loss, and what is random on the way -----------------------===//
//
// Part of the vitc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===--------------------------------------------------------------------------------------===//

#include "compiler/frontend/Importer.h"

#include "dialects/vit/PatchDropout.h"

using namespace mlir;
using namespace vitc;

Value Importer::dropout(Location at, Value value, double rate, bool perImage) {
  if (!randomness || rate == 0)
    return value;
  return vit::DropoutOp::create(builder, at, value, randomness, number(rate), builder.getI64IntegerAttr(randomStreams++),
                                perImage ? builder.getUnitAttr() : UnitAttr());
}

Value Importer::dropPatches(Value tokens) {
  if (!randomness || config.patchDropout <= 0)
    return tokens;
  SmallVector<int64_t> shape(shapeOf(tokens));
  int64_t prefix = shape[1] - config.patches();
  shape[1] = prefix + config.keptPatches();
  return vit::DropPatchesOp::create(builder, loc("patch_drop"), type(shape), tokens, randomness, prefix, randomStreams++);
}

/// A part of the model that needs each patch in its place, null if there is none.
static const char *patchesInPlace(const ModelConfig &config) {
  if (config.relativePosition != RelativePosition::None)
    return "relative_position";
  if (config.rope != Rope::None)
    return "rope";
  if (config.windowSize)
    return "window_size";
  if (config.neckChannels)
    return "neck_channels";
  return nullptr;
}

Value Importer::dropPath(Location at, Value branch, int64_t index) {
  int64_t last = config.blocks() - 1;
  return dropout(at, branch, last > 0 ? config.dropPath * static_cast<double>(index) / static_cast<double>(last) : config.dropPath,
                 /*perImage=*/true);
}

Value Importer::attentionWithDropout(const BranchNames &names, Value input) {
  Location at = loc(names.body);
  int64_t all = config.attentionWidth(), tokens = shapeOf(input)[1];
  auto part = [&](const char *suffix) { return weight(at, names.body + suffix); };
  auto [matrix, bias] = projection(names, {".query", ".key", ".value"});
  Value qkv = linear(loc(names.body + ".qkv"), input, matrix, bias);
  if (Value gain = part(".q_norm.weight"))
    qkv = vit::HeadNormalizeOp::create(builder, loc(names.body + ".qk_norm"), qkv.getType(), qkv, gain, part(".q_norm.bias"),
                                       part(".k_norm.weight"), part(".k_norm.bias"), builder.getI64IntegerAttr(config.numHeads), normKind(),
                                       eps());
  if (auto [sin, cos] = rotary(loc(names.body + ".rope"), names.body + ".rope"); sin)
    qkv = vit::RotaryOp::create(builder, loc(names.body + ".rotary"), qkv, sin, cos, config.numHeads, config.prefixTokens(),
                                config.ropeRotateHalf ? vit::RotaryLayout::Halves : vit::RotaryLayout::Interleaved);
  Value relative = sharedBias;
  if (config.relativePosition == RelativePosition::Mlp || config.relativePosition == RelativePosition::Table)
    relative = relativeBias(loc(names.body + ".rel_pos"), names.body + ".rel_pos");
  Value shares = vit::AttentionProbabilitiesOp::create(builder, loc(names.body + ".probabilities"),
                                                       type({ShapedType::kDynamic, config.numHeads, tokens, tokens}), qkv, relative,
                                                       builder.getI64IntegerAttr(config.numHeads), number(config.scoreScale()));
  shares = dropout(loc(names.body + ".attn_drop"), shares, config.attentionDropout);
  Value heads = vit::WeighValuesOp::create(builder, loc(names.body + ".heads"), type({ShapedType::kDynamic, tokens, all}), shares, qkv);
  if (config.attentionNorm)
    heads = normalize(names.body + ".norm", heads);
  return linear(at, heads, reshape(at, part(".proj.weight"), {config.embedDim, all}), part(".proj.bias"));
}

Value Importer::mlpWithDropout(const BranchNames &names, Value input) {
  const std::string &body = names.body;
  auto activated = [&](Value value) -> Value {
    return vit::ActivationOp::create(builder, loc(body + ".act"), value.getType(), value, activation(config.activation));
  };
  Value hidden = linear(loc(body + ".fc1"), body + ".fc1", input);
  if (config.activation != Activation::Identity)
    hidden = activated(hidden);
  if (shapes.contains(body + ".gate.weight"))
    hidden = vit::MulOp::create(builder, loc(body + ".gated"), hidden, linear(loc(body + ".gate"), body + ".gate", input));
  hidden = dropout(loc(body + ".act_drop"), hidden, config.dropout);
  if (shapes.contains(body + ".norm.weight"))
    hidden = normalize(body + ".norm", hidden);
  return linear(loc(body), body + ".fc2", hidden);
}

Value Importer::classifierLoss(Value tokens, Value targets, Value teacher) {
  RankedTensorType losses = type({ShapedType::kDynamic, 1});
  auto loss = [&](Location at, Value logits, Value wanted) -> Value {
    return vit::CrossEntropyOp::create(builder, at, losses, logits, wanted);
  };
  if (!teacher)
    return loss(loc("loss"), head(tokens), targets);
  // The mean of the two, as of two tokens: a product by 1/2 would round both losses where products are of bf16.
  auto asToken = [&](StringRef name, Value logits, Value wanted) -> Value {
    return vit::ReshapeTokensOp::create(builder, loc(name + ".token"), type({ShapedType::kDynamic, 1, 1}), loss(loc(name), logits, wanted));
  };
  Value first = asToken("loss.class", halfAnswer("head", "pool", tokens, 0, 1), targets);
  Value second = asToken("loss.distillation", halfAnswer("head_dist", "pool_dist", tokens, 1, 1), teacher);
  Value both = vit::ConcatTokensOp::create(builder, loc("loss.both"), type({ShapedType::kDynamic, 2, 1}), ValueRange{first, second});
  return pool("loss", both, vit::Pool::Avg, 0);
}

OwningOpRef<ModuleOp> Importer::importTraining() {
  Location at = loc(config.name);
  OwningOpRef<ModuleOp> module = ModuleOp::create(at);
  // Without a transformer Flax's `token` is a row of the grid (head).
  if (!config.numClasses || config.pool == Pool::None || (config.pool == Pool::Token && !config.transformer)) {
    module->emitError() << "'" << config.name
                        << "' has no classifier of a whole image, so there is no loss to train it by; give it one with --set num_classes=N"
                        << " --set pool=avg";
    return {};
  }
  if (const char *part = patchesInPlace(config); part && config.patchDropout > 0) {
    module->emitError() << "'" << config.name << "' has " << part << ", which needs every patch in its place, so there is no patch_dropout "
                        << "to train it with; --set patch_dropout=0";
    return {};
  }
  builder.setInsertionPointToEnd(module->getBody());
  constexpr int64_t dynamic = ShapedType::kDynamic;
  RankedTensorType classes = type({dynamic, config.numClasses});
  SmallVector<Type> inputs{type({dynamic, config.inChannels, config.imageHeight, config.imageWidth}), classes};
  SmallVector<StringRef> names{"images", "targets"};
  if (config.headDistillation) {
    inputs.push_back(classes);
    names.push_back("teacher");
  }
  inputs.push_back(type({dynamic, 4}));
  names.push_back("randomness");
  auto function = func::FuncOp::create(builder, at, "train", builder.getFunctionType(inputs, {type({dynamic, 1})}));
  Block *body = function.addEntryBlock();
  builder.setInsertionPointToEnd(body);
  for (auto [index, name] : llvm::enumerate(names))
    function.setArgAttr(index, "vit.input", builder.getStringAttr(name));
  randomness = body->getArguments().back();
  Value teacher = config.headDistillation ? Value(body->getArgument(2)) : Value();
  Value loss = classifierLoss(encode(body->getArgument(0)), body->getArgument(1), teacher);
  func::ReturnOp::create(builder, at, loss);
  function.setResultAttr(0, "vit.output", builder.getStringAttr("loss"));
  return module;
}
