//===- ImportTokens.cpp - from an image to tokens ------------------------------------------------===//
//
// Part of the vitc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===--------------------------------------------------------------------------------------===//

#include "compiler/frontend/Importer.h"

#include "compiler/frontend/PositionTables.h"

using namespace mlir;
using namespace vitc;

//===--------------------------------------------------------------------------------------===//
// Tables of another grid
//===--------------------------------------------------------------------------------------===//

PositionResize Importer::resizeKind() const {
  if (config.positionResize != PositionResize::Home)
    return config.positionResize;
  switch (config.family) {
  case Family::Timm:
  case Family::TimmEva:
  case Family::TimmBeit:
  case Family::TimmNaFlex:
  case Family::TimmSam:
  case Family::TimmCait:
    return PositionResize::BicubicAntialias;
  case Family::Torchvision:
    return PositionResize::BicubicAligned;
  case Family::Flax:
    return PositionResize::BilinearAligned;
  default:
    return PositionResize::Bicubic;
  }
}

/// The first `used` rows alone: a table of a square, of which the grid is the upper left part.
static Matrix cut(const Matrix &matrix, int64_t used) {
  Matrix result(used, matrix.columns);
  std::copy_n(matrix.elements.begin(), result.elements.size(), result.elements.begin());
  return result;
}

Value Importer::learnedPositions(Location at) {
  Value table = weight(at, "pos_embed");
  int64_t height = config.gridHeight(), width = config.gridWidth(), columns = config.embedDim;
  int64_t oldHeight = config.weightGridHeight(), oldWidth = config.weightGridWidth();
  if (height == oldHeight && width == oldWidth)
    return table;
  int64_t prefix = config.weightPositionRows() - oldHeight * oldWidth, side = std::max(height, width);
  Value grid = reshape(at, rows(at, table, prefix, oldHeight * oldWidth), {oldHeight, oldWidth, columns});
  auto matrix = [&](int64_t from, int64_t to) { return cut(resizeMatrix(resizeKind(), from, config.positionSquare ? side : to), to); };
  grid = resample(at, resample(at, grid, matrix(oldHeight, height), 0), matrix(oldWidth, width), 1);
  grid = reshape(at, grid, {height * width, columns});
  return prefix ? concat(at, {rows(at, table, 0, prefix), grid}) : grid;
}

/// value[y W + x] = rows[y] + columns[x], both resized.
Value Importer::factorizedPositions(Location at) {
  int64_t height = config.gridHeight(), width = config.gridWidth(), side = std::max(height, width);
  auto spread = [&](const char *name, int64_t from, int64_t to, bool isRow) {
    Matrix resize = resizeMatrix(PositionResize::Bilinear, from, config.positionSquare ? side : to);
    Matrix all(height * width, from);
    for (int64_t patch = 0; patch < all.rows; ++patch)
      for (int64_t i = 0; i < from; ++i)
        all.at(patch, i) = resize.at(isRow ? patch / width : patch % width, i);
    return resample(at, weight(at, name), all, 0);
  };
  Value y = spread("pos_embed_y", config.weightGridHeight(), height, true),
        x = spread("pos_embed_x", config.weightGridWidth(), width, false);
  return vit::AddOp::create(builder, at, y.getType(), y, x);
}

Value Importer::patchKernel(Location at) {
  Value kernel = weight(at, "patch_embed.weight");
  if (config.weightPatchHeight && config.weightPatchHeight != config.patchHeight)
    kernel = resample(at, kernel, patchResizeMatrix(config.weightPatchHeight, config.patchHeight), 2);
  if (config.weightPatchWidth && config.weightPatchWidth != config.patchWidth)
    kernel = resample(at, kernel, patchResizeMatrix(config.weightPatchWidth, config.patchWidth), 3);
  return kernel;
}

//===--------------------------------------------------------------------------------------===//
// Positions of attention
//===--------------------------------------------------------------------------------------===//

/// What is added to the scaled scores of patches by their distance, [h, T, T]; `name` is that of the weights.
Value Importer::relativeBias(Location at, const std::string &name) {
  int64_t height = config.gridHeight(), width = config.gridWidth(), heads = config.numHeads;
  int64_t distances = (2 * height - 1) * (2 * width - 1);
  Value table = weight(at, name + ".table");
  if (!table) {
    auto product = [&](Value input, const std::string &layer) { return linear(at, layer, input); };
    Value hidden = product(constant(at, {distances, 2}, logDistances(config)), name + ".fc1");
    hidden = vit::ActivationOp::create(builder, at, hidden.getType(), hidden, activation(Activation::Relu));
    table = product(hidden, name + ".fc2");
  } else if (config.weightGridHeight() != height || config.weightGridWidth() != width) {
    int64_t oldHeight = config.weightGridHeight(), oldWidth = config.weightGridWidth(), old = (2 * oldHeight - 1) * (2 * oldWidth - 1);
    // transformers' BEiT resizes absolute positions bicubically, but these not (modeling_beit.py).
    bool isHome = config.positionResize == PositionResize::Home && config.family == Family::HuggingFaceBeit;
    PositionResize kind = isHome ? PositionResize::Bilinear : resizeKind();
    bool geometric = config.positionResize == PositionResize::Home && kind == PositionResize::BicubicAntialias;
    auto matrix = [&](int64_t from, int64_t to) {
      return geometric ? distanceResizeMatrix(from, to) : resizeMatrix(kind, 2 * from - 1, 2 * to - 1);
    };
    Value grid = reshape(at, rows(at, table, 0, old), {2 * oldHeight - 1, 2 * oldWidth - 1, heads});
    grid = resample(at, resample(at, grid, matrix(oldHeight, height), 0), matrix(oldWidth, width), 1);
    grid = reshape(at, grid, {distances, heads});
    int64_t rest = shapeOf(table).front() - old;
    table = rest ? concat(at, {grid, rows(at, table, old, rest)}) : grid;
  }
  int64_t tokens = config.tokens();
  return vit::RelativeBiasOp::create(builder, at, type({heads, tokens, tokens}), table, builder.getDenseI64ArrayAttr({height, width}),
                                     builder.getI64IntegerAttr(config.prefixTokens()));
}

/// Of relative_position=decomposed: a table [2 N - 1, d] of the file, by the query's place less the key's, as one [d, 2 M - 1] by the key's
/// place less the query's; M is `size`. timm's `get_rel_pos` interpolates linearly.
Value Importer::distanceTable(Location at, const std::string &name, int64_t size) {
  Value table = weight(at, name);
  int64_t from = shapeOf(table)[1], to = 2 * size - 1;
  Matrix resize = resizeMatrix(PositionResize::Bilinear, from, to), reversed(to, from);
  for (int64_t i = 0; i < to; ++i)
    for (int64_t j = 0; j < from; ++j)
      reversed.at(i, j) = resize.at(to - 1 - i, j);
  return resample(at, table, reversed, 1);
}

/// Sines and cosines, null without rotary positions; `name` is that of learned frequencies.
std::pair<Value, Value> Importer::rotary(Location at, const std::string &name) {
  int64_t patches = config.patches(), width = config.headWidth(), heads = config.numHeads;
  if (config.rope == Rope::None)
    return {};
  if (config.rope != Rope::Mixed) {
    if (!sharedRotary.first) {
      RotaryTables tables = rotaryTables(config);
      sharedRotary = {constant(at, {patches, width}, tables.sin), constant(at, {patches, width}, tables.cos)};
    }
    return sharedRotary;
  }
  Value frequencies = weight(at, name), coordinates = constant(at, {patches, 2}, mixedRotaryCoordinates(config));
  auto table = [&](UnitAttr cosine) {
    return vit::RotaryTableOp::create(builder, at, type({heads, patches, width}), frequencies, coordinates, cosine).getValue();
  };
  return {table(nullptr), table(builder.getUnitAttr())};
}

//===--------------------------------------------------------------------------------------===//
// Tokens
//===--------------------------------------------------------------------------------------===//

/// The table for the tokens that `vit.embed` adds it to; null if there is none.
Value Importer::positions(Location at) {
  if (config.position == Position::None)
    return {};
  if (config.position == Position::Factorized)
    return factorizedPositions(at);
  int64_t width = config.embedDim, patches = config.patches();
  if (config.position != Position::Learned)
    return constant(at, {patches, width}, sincosTable(config));
  Value table = learnedPositions(at);
  if (config.positionOn != PositionOn::ClassAndPatches || config.regTokens == 0)
    return table;
  // Registers stand between class token and patches and have no position.
  Value none = vit::ZerosOp::create(builder, at, type({config.regTokens, width}));
  return concat(at, {rows(at, table, 0, 1), none, rows(at, table, 1, patches)});
}

Value Importer::tokens(Value images) {
  Location at = loc("patch_embed");
  RankedTensorType patchesType = type({ShapedType::kDynamic, config.patches(), config.embedDim});
  Value kernel = patchKernel(at), bias = weight(at, "patch_embed.bias");
  Value patches = vit::PatchifyOp::create(builder, at, patchesType, stem(images), kernel, bias);
  if (config.patchNorm)
    patches = normalize("patch_embed.norm", patches);
  if (!config.transformer)
    return patches;

  at = loc("pos_embed");
  SmallVector<Value> prefix;
  // With class blocks the class token joins the patches there.
  if (!config.classBlocks)
    for (const char *name : {"cls_token", "dist_token", "reg_token"})
      if (Value token = weight(at, name))
        prefix.push_back(token);
  Value x = patches;
  if (Value position = positions(at); position || !prefix.empty()) {
    UnitAttr patchesOnly;
    if (position && (config.positionOn == PositionOn::Patches || config.position != Position::Learned))
      patchesOnly = builder.getUnitAttr();
    RankedTensorType tokensType = type({ShapedType::kDynamic, config.blockTokens(), config.embedDim});
    x = vit::EmbedOp::create(builder, at, tokensType, patches, prefix, position, patchesOnly);
  }
  if (config.relativePosition == RelativePosition::SharedMlp)
    sharedBias = relativeBias(loc("shared_rel_pos"), "shared_rel_pos");
  if (config.relativePosition == RelativePosition::SharedTable)
    sharedBias = relativeBias(loc("rel_pos_bias"), "rel_pos_bias");
  x = dropPatches(dropout(loc("pos_drop"), x, config.embeddingDropout));
  return config.normPre ? normalize("norm_pre", x) : x;
}
