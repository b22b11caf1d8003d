//===- AdaptToWeights.cpp - a model for the weight file that there is -----------------------===//
//
// Part of the vitc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===--------------------------------------------------------------------------------------===//

#include "compiler/frontend/AdaptToWeights.h"

#include "compiler/frontend/SchemeTables.h"
#include "compiler/model/ModelConfig.h"

#include "fmt/format.h"
#include "llvm/ADT/STLExtras.h"
#include "llvm/ADT/StringMap.h"

#include <cmath>
#include <optional>

using namespace vitc;

namespace {

using Shape = std::vector<int64_t>;

class Adapter {
public:
  Adapter(ModelConfig &config, llvm::ArrayRef<FileShape> file, bool newClasses) : config(config), newClasses(newClasses) {
    for (const FileShape &tensor : file)
      shapes[tensor.name] = tensor.shape;
  }

  Adaptation adapt();

private:
  /// The tensor of that role in the file: its name and shape.
  std::optional<FileShape> find(Role role, bool bias = false) const;
  bool chooseScheme();

  void adaptPositions();
  void adaptDistances();
  void adaptPatches();
  void adaptClasses();
  void noteGrid(const std::string &name);
  void setGrid(int64_t height, int64_t width, const std::string &name);

  ModelConfig &config;
  bool newClasses;
  llvm::StringMap<Shape> shapes;
  std::optional<SchemeTable> scheme;
  Adaptation adaptation;
};

} // namespace

/// What block 0 calls it, all blocks do.
static std::vector<std::string> namesOf(const SchemeTable &table, Role role, bool bias = false) {
  return tensorNames(table, role, bias, /*block=*/0, /*branch=*/0);
}

std::optional<FileShape> Adapter::find(Role role, bool bias) const {
  for (const std::string &name : namesOf(*scheme, role, bias))
    if (auto found = shapes.find(name); found != shapes.end())
      return FileShape{name, found->second};
  return std::nullopt;
}

/// The scheme of which most names are in the file.
bool Adapter::chooseScheme() {
  size_t most = 0;
  for (SchemeTable &table : schemeTables(config)) {
    size_t count = llvm::count_if(table.roles, [&](const RoleNames &roleNames) {
      return llvm::any_of(namesOf(table, roleNames.role), [&](const std::string &name) { return shapes.contains(name); });
    });
    if (count > most) {
      most = count;
      scheme = std::move(table);
    }
  }
  return scheme.has_value();
}

static int64_t elements(const Shape &shape) {
  int64_t count = 1;
  for (int64_t size : shape)
    count *= size;
  return count;
}

/// The integer whose square is `value`, 0 if there is none.
static int64_t exactRoot(int64_t value) {
  auto root = static_cast<int64_t>(std::lround(std::sqrt(static_cast<double>(std::max<int64_t>(value, 0)))));
  return root * root == value ? root : 0;
}

void Adapter::noteGrid(const std::string &name) {
  adaptation.notes.push_back(fmt::format("{} is for a grid of {}x{} patches and is resized to {}x{}", name, config.weightGridHeight(),
                                         config.weightGridWidth(), config.gridHeight(), config.gridWidth()));
}

void Adapter::setGrid(int64_t height, int64_t width, const std::string &name) {
  if (height == config.weightGridHeight() && width == config.weightGridWidth())
    return;
  config.positionGridHeight = height;
  config.positionGridWidth = width;
  // timm's loader of the original .npz files has a rule of its own (timm/models/vision_transformer.py, _load_weights).
  bool ofTimm = config.family == Family::Timm, fromFlax = llvm::StringRef(scheme->name).starts_with("flax");
  if (ofTimm && fromFlax && config.positionResize == PositionResize::Home)
    config.positionResize = PositionResize::Bilinear;
  noteGrid(name);
}

void Adapter::adaptPositions() {
  if (config.position != Position::Learned || config.positionRows)
    return;
  std::optional<FileShape> table = find(Role::Position);
  // A Hugging Face folder's own config has said it; a NaFlex model's grid is never that of an image.
  bool known = config.positionGridHeight != 0;
  bool differs = config.weightGridHeight() != config.gridHeight() || config.weightGridWidth() != config.gridWidth();
  if (known && differs && table && config.family != Family::TimmNaFlex)
    noteGrid(table->name);
  if (known)
    return;
  if (!table || elements(table->shape) % config.embedDim != 0)
    return;
  if (table->shape.size() == 4)
    return setGrid(table->shape[1], table->shape[2], table->name);
  int64_t prefix = config.usedPositionRows() - config.patches();
  int64_t rows = elements(table->shape) / config.embedDim - prefix, side = exactRoot(rows);
  if (rows != config.patches() && side)
    setGrid(side, side, table->name);
}

void Adapter::adaptDistances() {
  std::optional<FileShape> table = find(Role::RelativeTable);
  if (!table || config.positionGridHeight || table->shape.size() != 2)
    return;
  int64_t extra = config.classToken ? 3 : 0, side = exactRoot(table->shape[0] - extra);
  int64_t own = (2 * config.gridHeight() - 1) * (2 * config.gridWidth() - 1);
  if (table->shape[0] - extra != own && side % 2 == 1)
    setGrid((side + 1) / 2, (side + 1) / 2, table->name);
}

void Adapter::adaptPatches() {
  std::optional<FileShape> kernel = find(Role::Patch);
  if (!kernel || config.weightPatchHeight || config.stem != Stem::None || scheme->patch != PatchLayout::Conv || kernel->shape.size() != 4)
    return;
  int64_t height = kernel->shape[2], width = kernel->shape[3];
  if (height == config.patchHeight && width == config.patchWidth)
    return;
  config.weightPatchHeight = height;
  config.weightPatchWidth = width;
  adaptation.notes.push_back(fmt::format("{} is for patches of {}x{} pixels and is resized to {}x{}", kernel->name, height, width,
                                         config.patchHeight, config.patchWidth));
}

/// How the framework starts a new classifier's weight. Its bias starts at zero, in torch.nn.Linear's stead too.
static Draw freshHead(Family family, int64_t width) {
  switch (family) {
  case Family::Flax:
  case Family::Torchvision:
  case Family::Slides:
    return Draw::constant(0.0);
  case Family::Labml:
  case Family::Csdn:
  case Family::Notebook:
    return Draw::torchDefault(width);
  default:
    return Draw::normal(0.02); // timm, transformers
  }
}

void Adapter::adaptClasses() {
  if (!config.numClasses)
    return;
  bool inOut = scheme->head == LinearLayout::InOut;
  std::optional<FileShape> head = find(Role::Head);
  if (head && head->shape.size() == 2 && head->shape[inOut ? 1 : 0] == config.numClasses)
    return;
  if (!newClasses) {
    if (head && head->shape.size() == 2)
      adaptation.notes.push_back(fmt::format("{} has {} classes: --set num_classes={} makes the model fit", head->name,
                                             head->shape[inOut ? 1 : 0], head->shape[inOut ? 1 : 0]));
    return;
  }
  int64_t width = config.headHidden ? config.headHidden : config.pooledWidth(), classes = config.numClasses;
  Draw draw = freshHead(config.family, width);
  for (Role role : {Role::Head, Role::HeadDistillation}) {
    if (role == Role::HeadDistillation && !config.headDistillation)
      continue;
    std::vector<std::string> weight = namesOf(*scheme, role), bias = namesOf(*scheme, role, /*bias=*/true);
    std::optional<FileShape> there = find(role), thereBias = find(role, /*bias=*/true);
    if (weight.empty())
      return;
    adaptation.fresh.push_back({there ? there->name : weight.front(), inOut ? Shape{width, classes} : Shape{classes, width}, draw});
    if (config.headBias && !bias.empty())
      adaptation.fresh.push_back({thereBias ? thereBias->name : bias.front(), {classes}, Draw::constant(0.0)});
  }
  std::string what = head ? fmt::format("{} has {} classes", head->name, head->shape.empty() ? 0 : head->shape[inOut ? 1 : 0])
                          : std::string("the weights have no classifier");
  adaptation.notes.push_back(fmt::format("{}: the model starts with a fresh one of {} classes, {}, which has to be trained", what, classes,
                                         draw.kind == Draw::Kind::Constant ? "all zeros"
                                         : draw.kind == Draw::Kind::Normal ? "normal with deviation 0.02"
                                                                           : "uniform within 1/sqrt(width)"));
}

Adaptation Adapter::adapt() {
  if (chooseScheme()) {
    adaptPositions();
    adaptDistances();
    adaptPatches();
    adaptClasses();
  }
  return std::move(adaptation);
}

Adaptation vitc::adaptToWeights(ModelConfig &config, llvm::ArrayRef<FileShape> file, bool newClasses) {
  return Adapter(config, file, newClasses).adapt();
}
