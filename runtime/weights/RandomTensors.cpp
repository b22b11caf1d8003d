//===- RandomTensors.cpp - weights without a file -----------------------------*- C++ -*-===//
//
// Part of the vitc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===--------------------------------------------------------------------------------------===//

#include "runtime/weights/RandomTensors.h"

#include "runtime/weights/Binder.h"
#include "runtime/weights/Readers.h"

#include <cmath>

using namespace vitrt;

namespace {

class RandomTensorFile final : public TensorFile {
public:
  RandomTensorFile(const fb::Scheme &scheme, uint64_t seed) : seed(seed) {
    displayName = fmt::format("random weights of seed {}", seed);
    if (!scheme.tensors())
      return;
    for (const fb::FileTensor *tensor : *scheme.tensors()) {
      std::vector<uint64_t> shape;
      uint64_t elements = 1;
      if (tensor->shape())
        shape.assign(tensor->shape()->begin(), tensor->shape()->end());
      for (uint64_t extent : shape)
        elements *= extent;
      infos.push_back({tensor->names()->Get(0)->str(), ElementType::F32, std::move(shape), elements * sizeof(float)});
    }
    sortByName();
  }

  uint64_t readBytes(size_t index) const override { return infos[index].bytes; }
  Expected<TensorData> read(size_t index) const override {
    const TensorInfo &info = infos[index];
    TensorData data = {{}, allocateBytes(info.bytes)};
    if (!data.owned)
      return makeError(VITRT_ERROR_MEMORY, "cannot allocate {} bytes for the tensor '{}'", info.bytes, info.name);
    data.bytes = {data.owned.get(), info.bytes};
    fillRandomWeight(info.name, info.shape, seed, {reinterpret_cast<float *>(data.owned.get()), info.bytes / sizeof(float)});
    return data;
  }

private:
  uint64_t seed;
};

/// A weight's value is base + factor * u.
struct Affine {
  float base;
  float factor;
};

Affine distributionOf(std::string_view name, std::span<const uint64_t> shape) {
  if (shape.size() <= 1) {
    bool gain = name.ends_with("weight") || name.ends_with("scale") || name.ends_with("running_var");
    return gain ? Affine{1.0f, 0.25f} : Affine{0.0f, 0.125f};
  }
  bool flax = name.ends_with("kernel");
  if (!flax && shape[0] == 1)
    return {0.0f, 0.5f};
  if (flax && shape.size() == 3 && !name.ends_with("out/kernel"))
    shape = shape.subspan(0, 1);
  else
    shape = flax ? shape.subspan(0, shape.size() - 1) : shape.subspan(1);
  double fanIn = 1;
  for (uint64_t extent : shape)
    fanIn *= double(extent);
  return {0.0f, float(std::sqrt(3.0 / fanIn))};
}

} // namespace

uint64_t RandomBits::splitMix(uint64_t value) {
  value += 0x9e3779b97f4a7c15;
  value = (value ^ value >> 30) * 0xbf58476d1ce4e5b9;
  value = (value ^ value >> 27) * 0x94d049bb133111eb;
  return value ^ value >> 31;
}

RandomBits::RandomBits(std::string_view name, uint64_t seed) : key(0xcbf29ce484222325) {
  for (char c : name)
    key = (key ^ uint8_t(c)) * 0x100000001b3;
  key ^= splitMix(seed);
}

void vitrt::fillRandomWeight(std::string_view name, std::span<const uint64_t> shape, uint64_t seed, std::span<float> values) {
  RandomBits bits(name, seed);
  auto [base, factor] = distributionOf(name, shape);
  // Adding a base of zero would turn -0 into 0.
  if (base == 0)
    for (size_t i = 0; i < values.size(); ++i)
      values[i] = factor * bits.unit(i);
  else
    for (size_t i = 0; i < values.size(); ++i)
      values[i] = base + factor * bits.unit(i);
}

void vitrt::fillRandomInput(uint64_t seed, std::span<float> values) {
  RandomBits bits("input", seed);
  for (size_t i = 0; i < values.size(); ++i)
    values[i] = 2.0f * bits.unit(i);
}

Expected<std::unique_ptr<TensorFile>> vitrt::randomTensors(const fb::Manifest &manifest, uint64_t seed) {
  if (!manifest.schemes() || manifest.schemes()->size() == 0)
    return makeError(VITRT_ERROR_WEIGHTS, "the artifact says nothing of its weights' names, so there are no random weights for it");
  return std::unique_ptr<TensorFile>(new RandomTensorFile(*manifest.schemes()->Get(0), seed));
}
