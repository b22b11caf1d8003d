//===- WeightNaming.cpp - which tensor of which framework is which weight ----------------------===//
//
// Part of the vitc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===--------------------------------------------------------------------------------------===//

#include "compiler/frontend/WeightNaming.h"

#include "compiler/frontend/SchemeTables.h"
#include "compiler/frontend/Sources.h"
#include "compiler/model/StemLayout.h"

#include "llvm/ADT/STLExtras.h"

#include <map>
#include <numeric>
#include <optional>

using namespace vitc;

namespace {

/// Where a source lies in a tensor of a shape: what a layout says of a role.
struct Placement {
  std::vector<int64_t> shape;
  int64_t offset = 0;
  std::vector<int64_t> strides;
  bool sliceable = false;
};

/// Finds a place for each source in one scheme.
class SchemeBuilder {
public:
  SchemeBuilder(const ModelConfig &config, SchemeTable table, bool isHome) : config(config), table(std::move(table)), isHome(isHome) {
    scheme.name = this->table.name;
    scheme.ignored = this->table.ignored;
  }

  /// Empty if the scheme has no such tensor.
  std::optional<SourceView> place(const PlacedSource &source);
  /// A tensor with the source's own name and shape.
  SourceView placeAsItIs(const PlacedSource &source) { return add({source.name}, {source.shape, 0, rowMajor(source.shape)}); }

  Scheme scheme;

private:
  static std::vector<int64_t> rowMajor(const std::vector<int64_t> &shape);
  SourceView add(std::vector<std::string> names, Placement placement);
  const RoleNames *find(Role role) const;
  std::optional<std::vector<std::string>> namesOf(const PlacedSource &source) const;
  std::optional<std::vector<std::string>> stemNames(const PlacedSource &source) const;
  Placement stemPlacement(const PlacedSource &source) const;
  std::optional<Placement> placementOf(const PlacedSource &source) const;
  Placement qkvPlacement(const PlacedSource &source) const;
  Placement poolPlacement(const PlacedSource &source) const;
  Placement projPlacement() const;
  Placement fc2Placement(const PlacedSource &source) const;
  Placement patchPlacement(const PlacedSource &source) const;
  Placement tablePlacement() const;

  const ModelConfig &config;
  SchemeTable table;
  bool isHome;
  std::map<std::string, uint32_t> tensors; ///< by the scheme's own name
};

} // namespace

//===--------------------------------------------------------------------------------------===//
// Names
//===--------------------------------------------------------------------------------------===//

const RoleNames *SchemeBuilder::find(Role role) const {
  auto found = llvm::find_if(table.roles, [&](const RoleNames &names) { return names.role == role; });
  return found == table.roles.end() ? nullptr : &*found;
}

std::optional<std::vector<std::string>> SchemeBuilder::stemNames(const PlacedSource &source) const {
  if (table.stem == StemNames::None || (table.stem != StemNames::Timm && source.flaxName.empty()))
    return std::nullopt;
  std::vector<std::string> names;
  for (const std::string &prefix : table.prefixes)
    names.push_back(prefix + (table.stem == StemNames::Timm ? source.name : source.flaxName));
  return names;
}

std::optional<std::vector<std::string>> SchemeBuilder::namesOf(const PlacedSource &source) const {
  if (source.role == Role::Stem)
    return stemNames(source);
  const RoleNames *roleNames = find(source.role);
  if (!roleNames)
    return std::nullopt;
  const std::vector<std::string> &patterns = source.bias ? roleNames->bias : roleNames->weight;
  if (patterns.empty())
    return std::nullopt;
  bool inBlock = patterns.front().find('#') != std::string::npos, inBranch = patterns.front().find('@') != std::string::npos;
  if (inBlock && !inBranch && config.parallelBranches > 1)
    return std::nullopt;
  return tensorNames(table, source.role, source.bias, source.block, source.branch);
}

//===--------------------------------------------------------------------------------------===//
// Layouts
//===--------------------------------------------------------------------------------------===//

/// Canonical: kernels [out, in, P, Q], vectors [out].
Placement SchemeBuilder::stemPlacement(const PlacedSource &source) const {
  const std::vector<int64_t> &shape = source.shape;
  if (table.stem == StemNames::Timm)
    return {shape, 0, rowMajor(shape)};
  if (shape.size() == 4) {
    int64_t out = shape[0], in = shape[1], p = shape[2], q = shape[3];
    return {{p, q, in, out}, 0, {1, out, q * in * out, in * out}};
  }
  if (table.stem == StemNames::FlaxPublished)
    return {{1, 1, 1, shape[0]}, 0, {1}};
  return {shape, 0, {1}};
}

Placement SchemeBuilder::patchPlacement(const PlacedSource &source) const {
  int64_t d = source.shape[0], c = source.shape[1], p = source.shape[2], q = source.shape[3];
  switch (table.patch) {
  case PatchLayout::Conv:
    return {{d, c, p, q}, 0, {c * p * q, p * q, q, 1}};
  case PatchLayout::ConvHwio:
    return {{p, q, c, d}, 0, {1, d, q * c * d, c * d}};
  case PatchLayout::Rows:
    return {{p * q * c, d}, 0, {1, d, q * c * d, c * d}};
  case PatchLayout::Linear:
    return {{d, p * q * c}, 0, {p * q * c, 1, q * c, c}};
  }
  return {};
}

Placement SchemeBuilder::tablePlacement() const {
  // A table longer than needed is a habit of the home's.
  int64_t rows = isHome && config.positionRows ? config.positionRows : config.weightPositionRows(), d = config.embedDim;
  switch (table.table) {
  case TableLayout::OneRows:
    return {{1, rows, d}, 0, {d, 1}};
  case TableLayout::Rows:
    return {{rows, d}, 0, {d, 1}};
  case TableLayout::RowsOne:
    return {{rows, 1, d}, 0, {d, 1}, /*sliceable=*/true};
  case TableLayout::Grid:
    return {{1, config.weightGridHeight(), config.weightGridWidth(), d}, 0, {d, 1}};
  }
  return {};
}

/// Canonical: weight [h, d, D], bias [h, d]; of a differential attention's query and key a half [h, d/2, ..] of each head.
Placement SchemeBuilder::qkvPlacement(const PlacedSource &source) const {
  int64_t width = config.embedDim, heads = config.numHeads, d = config.headWidth(), all = heads * d;
  int64_t part = source.role == Role::Query ? 0 : source.role == Role::Key ? 1 : 2;
  int64_t within = source.part * source.shape[1]; // rows of the head before the half
  switch (table.qkv) {
  case QkvLayout::Separate:
    if (source.bias)
      return {{all}, within, {d, 1}};
    if (table.linear == LinearLayout::InOut)
      return {{width, all}, within, {d, 1, all}};
    return {{all, width}, within * width, {d * width, width, 1}};
  case QkvLayout::Packed:
  case QkvLayout::InProjection: {
    if (source.bias && config.qkvBias == QkvBias::QueryValue && !table.packsUnusedBias)
      return {{all}, within, {d, 1}};
    int64_t before = table.qkv == QkvLayout::InProjection ? config.mlpWidth() : 0, row = before + part * all + within;
    if (source.bias)
      return {{before + 3 * all}, row, {d, 1}};
    return {{before + 3 * all, width}, row * width, {d * width, width, 1}};
  }
  case QkvLayout::PackedByConfig: {
    bool byHead = config.qkvPacking == QkvPacking::Heads;
    int64_t offset = byHead ? part * d : part * all, headStride = byHead ? 3 * d : d;
    if (source.bias)
      return {{3 * all}, offset, {headStride, 1}};
    return {{width, 3 * all}, offset, {headStride, 1, 3 * all}};
  }
  case QkvLayout::DenseGeneral:
    if (source.bias)
      return {{heads, d}, 0, {d, 1}};
    return {{width, heads, d}, 0, {d, 1, all}};
  }
  return {};
}

/// Canonical: [D, h, d].
Placement SchemeBuilder::projPlacement() const {
  int64_t width = config.embedDim, heads = config.numHeads, d = config.headWidth(), all = heads * d;
  if (table.qkv == QkvLayout::DenseGeneral)
    return {{heads, d, width}, 0, {1, d * width, width}};
  if (table.linear == LinearLayout::InOut)
    return {{all, width}, 0, {1, d * width, width}};
  int64_t columns = config.parallelFused ? all + config.mlpWidth() : all;
  return {{width, columns}, 0, {columns, d, 1}};
}

/// The mlp's part of timm's `out_proj`: columns behind the heads'.
Placement SchemeBuilder::fc2Placement(const PlacedSource &source) const {
  int64_t heads = config.attentionWidth(), columns = heads + config.mlpWidth();
  return {{source.shape[0], columns}, heads, {columns, 1}};
}

/// Canonical: weights [D, D], biases [D].
Placement SchemeBuilder::poolPlacement(const PlacedSource &source) const {
  int64_t d = config.embedDim;
  int64_t part = source.role == Role::PoolQuery ? 0 : source.role == Role::PoolKey ? 1 : 2, parts = 3;
  if (table.pool == PoolLayout::Separate || (table.pool == PoolLayout::KeyValue && part == 0))
    part = 0, parts = 1;
  else if (table.pool == PoolLayout::KeyValue)
    part = part - 1, parts = 2;
  if (source.bias)
    return {{parts * d}, part * d, {1}};
  return {{parts * d, d}, part * d * d, {d, 1}};
}

static Placement linearPlacement(LinearLayout layout, const std::vector<int64_t> &shape) {
  if (layout == LinearLayout::InOut)
    return {{shape[1], shape[0]}, 0, {1, shape[0]}};
  return {shape, 0, {shape[1], 1}};
}

std::optional<Placement> SchemeBuilder::placementOf(const PlacedSource &source) const {
  switch (source.role) {
  case Role::Stem:
    return stemPlacement(source);
  case Role::Query:
  case Role::Key:
  case Role::Value:
    // Packed biases are of all three parts; packed rows of the other two schemes have no place for two of three.
    if (source.bias && config.qkvBias == QkvBias::QueryValue && table.qkv == QkvLayout::PackedByConfig)
      return std::nullopt;
    if (source.bias && config.qkvBias == QkvBias::QueryValue && !table.packsUnusedBias &&
        find(Role::Query)->bias == find(Role::Value)->bias)
      return std::nullopt;
    // Halves of heads are timm's alone.
    if (source.part && (table.qkv == QkvLayout::PackedByConfig || table.qkv == QkvLayout::DenseGeneral))
      return std::nullopt;
    return qkvPlacement(source);
  case Role::PoolQuery:
  case Role::PoolKey:
  case Role::PoolValue:
    return poolPlacement(source);
  case Role::PoolLatent:
    return Placement{{1, 1, config.embedDim}, 0, {1}};
  case Role::RelativeTable:
    return Placement{source.shape, 0, {config.numHeads, 1}};
  case Role::RelativeRows:
  case Role::RelativeColumns: // canonical: [d, 2N - 1]
    return Placement{{source.shape[1], source.shape[0]}, 0, {1, source.shape[0]}};
  case Role::NeckConv1:
    return Placement{{source.shape[0], source.shape[1], 1, 1}, 0, {source.shape[1], 1}};
  case Role::NeckConv2:
    return Placement{source.shape, 0, rowMajor(source.shape)};
  case Role::PositionRows:
  case Role::PositionColumns:
    return Placement{{1, source.shape[0], config.embedDim}, 0, {config.embedDim, 1}};
  case Role::RopeFrequencies: {
    int64_t heads = config.numHeads, pairs = source.shape[2];
    return Placement{{2, config.depth, heads, pairs}, source.block * heads * pairs, {config.depth * heads * pairs, pairs, 1}};
  }
  case Role::Proj:
    if (!source.bias)
      return projPlacement();
    break;
  case Role::Patch:
    if (!source.bias)
      return patchPlacement(source);
    break;
  case Role::Position:
    return tablePlacement();
  case Role::ClassToken:
    if (table.token == TokenLayout::D)
      return Placement{{config.embedDim}, 0, {config.embedDim, 1}};
    return Placement{{1, 1, config.embedDim}, 0, {config.embedDim, 1}};
  case Role::DistillationToken:
  case Role::RegisterTokens:
    return Placement{{1, source.shape[0], config.embedDim}, 0, {config.embedDim, 1}};
  case Role::Fc1:
  case Role::Gate:
    if (config.gatedMlp && table.gateInFc1) {
      if (config.mlpBias != config.gateBias)
        return std::nullopt;
      int64_t hidden = config.mlpWidth(), first = source.role == Role::Gate ? hidden : 0;
      if (source.bias)
        return Placement{{2 * hidden}, first, {1}};
      return Placement{{2 * hidden, config.embedDim}, first * config.embedDim, {config.embedDim, 1}};
    }
    // The rows of the mlp come first.
    if (table.qkv == QkvLayout::InProjection && !source.bias)
      return Placement{{config.mlpWidth() + 3 * config.attentionWidth(), config.embedDim}, 0, {config.embedDim, 1}};
    if (table.qkv == QkvLayout::InProjection && config.qkvBias != QkvBias::None)
      return Placement{{config.mlpWidth() + 3 * config.attentionWidth()}, 0, {1}};
    break;
  case Role::Fc2:
    if (config.parallelFused && !source.bias)
      return fc2Placement(source);
    break;
  case Role::Head:
    if (config.pool == Pool::TokenAvg && !config.headHidden && !source.bias) {
      int64_t d = config.embedDim;
      if (table.head == LinearLayout::InOut)
        return Placement{{2 * d, config.numClasses}, source.part * d * config.numClasses, {1, config.numClasses}};
      return Placement{{config.numClasses, 2 * d}, source.part * d, {2 * d, 1}};
    }
    break;
  default:
    break;
  }
  if (source.shape.size() == 1)
    return Placement{source.shape, 0, {1}};
  bool isHead = source.role == Role::Head || source.role == Role::HeadHidden || source.role == Role::HeadDistillation;
  return linearPlacement(isHead ? table.head : table.linear, source.shape);
}

std::vector<int64_t> SchemeBuilder::rowMajor(const std::vector<int64_t> &shape) {
  std::vector<int64_t> strides(shape.size(), 1);
  for (size_t axis = shape.size() - 1; axis > 0; --axis)
    strides[axis - 1] = strides[axis] * shape[axis];
  return strides;
}

SourceView SchemeBuilder::add(std::vector<std::string> names, Placement placement) {
  auto [entry, isNew] = tensors.try_emplace(names.front(), static_cast<uint32_t>(scheme.tensors.size()));
  if (isNew)
    scheme.tensors.push_back({std::move(names), std::move(placement.shape), placement.sliceable, /*statistic=*/false});
  return {entry->second, placement.offset, std::move(placement.strides)};
}

std::optional<SourceView> SchemeBuilder::place(const PlacedSource &source) {
  std::optional<std::vector<std::string>> names = namesOf(source);
  std::optional<Placement> placement = placementOf(source);
  if (!names || !placement)
    return std::nullopt;
  SourceView view = add(std::move(*names), std::move(*placement));
  scheme.tensors[view.tensor].statistic = source.statistic;
  return view;
}

//===--------------------------------------------------------------------------------------===//
// All schemes
//===--------------------------------------------------------------------------------------===//

/// Frameworks drop the head of a file when a model without one is made from it.
static void ignoreUnusedHead(const ModelConfig &config, Scheme &scheme) {
  if (config.numClasses == 0)
    for (const char *pattern : {"head.*", "head/*", "heads.*", "classifier.*", "*.head.*"})
      scheme.ignored.emplace_back(pattern);
}

WeightNaming vitc::describeWeights(const ModelConfig &config) {
  WeightNaming naming;
  std::vector<PlacedSource> placed = describeSources(config);
  for (const PlacedSource &source : placed)
    naming.sources.push_back({source.name, source.shape, {}});
  for (SchemeTable &table : schemeTables(config)) {
    bool isHome = naming.schemes.empty();
    SchemeBuilder builder(config, std::move(table), isHome);
    std::vector<SourceView> views;
    for (const PlacedSource &source : placed) {
      std::optional<SourceView> view = builder.place(source);
      if (!view && isHome) // a switch that the framework does not have
        view = builder.placeAsItIs(source);
      if (!view)
        break;
      views.push_back(std::move(*view));
    }
    if (views.size() != placed.size())
      continue;
    ignoreUnusedHead(config, builder.scheme);
    naming.schemes.push_back(std::move(builder.scheme));
    for (auto [source, view] : llvm::zip_equal(naming.sources, views))
      source.views.push_back(std::move(view));
  }
  return naming;
}

uint64_t vitc::parameterCount(const WeightNaming &naming) {
  uint64_t count = 0;
  for (const FileTensor &tensor : naming.schemes.front().tensors)
    if (!tensor.statistic)
      count += std::accumulate(tensor.shape.begin(), tensor.shape.end(), uint64_t(1), std::multiplies<>());
  return count;
}
