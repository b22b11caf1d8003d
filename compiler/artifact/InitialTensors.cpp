//===- InitialTensors.cpp - weights before the first step -----------------------------------===//
//
// Part of the vitc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===--------------------------------------------------------------------------------------===//

#include "compiler/artifact/InitialTensors.h"

#include "compiler/artifact/DrawTensor.h"
#include "compiler/artifact/Mimetic.h"
#include "compiler/frontend/Sources.h"

#include "fmt/format.h"
#include "llvm/ADT/STLExtras.h"
#include "llvm/Support/Parallel.h"

#include <cmath>
#include <map>
#include <numbers>

using namespace vitc;
using namespace vitc::artifact;

namespace {

using Values = std::vector<float>;

class InitialFile final : public vitrt::TensorFile {
public:
  InitialFile(const ModelConfig &config, const WeightNaming &naming, InitialWeights initial);

  uint64_t readBytes(size_t index) const override { return infos[index].bytes; }
  vitrt::Expected<vitrt::TensorData> read(size_t index) const override;

private:
  Values drawn(size_t source) const;
  Values valuesOf(size_t source) const;
  Values frequencies(size_t source) const;
  void makeAttentions();

  ModelConfig config;
  InitialWeights initial;
  std::vector<PlacedSource> sources;
  std::vector<SourceView> views; ///< of the sources in the home scheme
  std::vector<Draw> draws;
  std::vector<uint32_t> homeTensors;  ///< of each of `infos`
  std::map<size_t, Values> attention; ///< by source: what mimetic initialization makes, which takes long, once for all targets
};

} // namespace

InitialFile::InitialFile(const ModelConfig &config, const WeightNaming &naming, InitialWeights initial)
    : config(config), initial(initial), sources(describeSources(config)), draws(initialDraws(config, sources)) {
  displayName = fmt::format("initial weights of seed {}", initial.seed);
  // Weights that only training keeps (parts of tensors that nothing computes with) come after the model's own.
  for (const Source &source : llvm::ArrayRef(naming.sources).take_front(sources.size()))
    views.push_back(source.views.front());
  for (const FileTensor &tensor : naming.schemes.front().tensors) {
    uint64_t bytes = sizeof(float) * static_cast<uint64_t>(llvm::product_of(tensor.shape));
    infos.push_back({tensor.names.front(), vitrt::ElementType::F32, {tensor.shape.begin(), tensor.shape.end()}, bytes});
  }
  for (size_t tensor : sortByName())
    homeTensors.push_back(static_cast<uint32_t>(tensor));
  if (initial.kind == Initialization::Mimetic)
    makeAttentions();
}

Values InitialFile::drawn(size_t source) const {
  Values values(static_cast<size_t>(llvm::product_of(sources[source].shape)));
  drawTensor(draws[source], sources[source].name, initial.seed, values);
  return values;
}

/// Learned rotary frequencies [2, h, d/2], of x and y: magnitudes theta^(-4k/d), each head's grid turned by an angle of its own
/// (timm's init_random_2d_freqs; Heo et al. 2024, section 3.2).
Values InitialFile::frequencies(size_t source) const {
  int64_t heads = sources[source].shape[1], pairs = sources[source].shape[2], waves = pairs / 2;
  Values values(static_cast<size_t>(2 * heads * pairs));
  vitrt::RandomBits bits(sources[source].name, initial.seed);
  for (int64_t head = 0; head < heads; ++head)
    for (int64_t pair = 0; pair < pairs; ++pair) {
      int64_t wave = pair % waves;
      double angle = std::numbers::pi * (static_cast<double>(bits.unit(head)) + 1.0) + (pair < waves ? 0.0 : std::numbers::pi / 2.0);
      double magnitude = std::pow(config.ropeTheta, -static_cast<double>(wave) / static_cast<double>(waves));
      values[head * pairs + pair] = static_cast<float>(magnitude * std::cos(angle));
      values[(heads + head) * pairs + pair] = static_cast<float>(magnitude * std::sin(angle));
    }
  return values;
}

void InitialFile::makeAttentions() {
  // By block and branch: the weights of query, key, value and projection.
  std::map<std::pair<int64_t, int64_t>, std::map<Role, size_t>> groups;
  for (auto [index, source] : llvm::enumerate(sources))
    if (!source.bias && llvm::is_contained({Role::Query, Role::Key, Role::Value, Role::Proj}, source.role))
      groups[{source.block, source.branch}][source.role] = index;
  std::vector<std::map<Role, size_t>> found;
  for (auto &[place, group] : groups)
    found.push_back(group);
  std::vector<MimeticAttention> made(found.size());
  llvm::parallelFor(0, found.size(), [&](size_t i) {
    const std::map<Role, size_t> &group = found[i];
    size_t query = group.at(Role::Query), value = group.at(Role::Value);
    made[i] = {drawn(query), drawn(group.at(Role::Key)), drawn(value), drawn(group.at(Role::Proj))};
    makeMimetic(config, vitrt::RandomBits(sources[query].name, initial.seed), vitrt::RandomBits(sources[value].name, initial.seed),
                made[i]);
  });
  for (auto [group, weights] : llvm::zip_equal(found, made)) {
    attention[group.at(Role::Query)] = std::move(weights.query);
    attention[group.at(Role::Key)] = std::move(weights.key);
    attention[group.at(Role::Value)] = std::move(weights.value);
    attention[group.at(Role::Proj)] = std::move(weights.proj);
  }
}

Values InitialFile::valuesOf(size_t source) const {
  if (sources[source].role == Role::RopeFrequencies)
    return frequencies(source);
  if (initial.kind == Initialization::Mimetic) {
    if (sources[source].role == Role::Position)
      return sineTable(config, sources[source].shape[0]);
    if (auto made = attention.find(source); made != attention.end())
      return made->second;
  }
  return drawn(source);
}

/// Puts row-major values where a view has them.
static void scatter(llvm::ArrayRef<float> values, llvm::ArrayRef<int64_t> shape, const SourceView &view, float *tensor) {
  for (auto [index, value] : llvm::enumerate(values)) {
    int64_t at = view.offset, rest = static_cast<int64_t>(index);
    for (size_t axis = shape.size(); axis-- > 0; rest /= shape[axis])
      at += rest % shape[axis] * view.strides[axis];
    tensor[at] = value;
  }
}

vitrt::Expected<vitrt::TensorData> InitialFile::read(size_t index) const {
  vitrt::TensorData data;
  data.owned = std::make_unique<std::byte[]>(infos[index].bytes); // zeroed
  for (auto [source, view] : llvm::enumerate(views))
    if (view.tensor == homeTensors[index])
      scatter(valuesOf(source), sources[source].shape, view, reinterpret_cast<float *>(data.owned.get()));
  data.bytes = {data.owned.get(), static_cast<size_t>(infos[index].bytes)};
  return data;
}

std::unique_ptr<vitrt::TensorFile> artifact::initialTensors(const ModelConfig &config, const WeightNaming &naming, InitialWeights initial) {
  return std::make_unique<InitialFile>(config, naming, initial);
}
