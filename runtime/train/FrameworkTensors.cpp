//===- FrameworkTensors.cpp - parameters as their framework has them -- -*- C++ -*-===//
//
// Part of the vitc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===--------------------------------------------------------------------------------------===//

#include "runtime/train/FrameworkTensors.h"

#include <bit>

using namespace vitrt;

FrameworkTensors::FrameworkTensors(const fb::Manifest &manifest, const fb::Target &target) {
  const fb::Scheme &home = *manifest.schemes()->Get(0);
  for (const fb::FileTensor *tensor : *home.tensors()) {
    TrainedTensor info{tensor->names()->Get(0)->str(), {}, false};
    if (tensor->shape())
      info.shape.assign(tensor->shape()->begin(), tensor->shape()->end());
    infos.push_back(std::move(info));
  }
  partsByTensor.resize(infos.size());
  for (const fb::Parameter *parameter : *target.training()->parameters()) {
    const fb::Source &source = *target.sources()->Get(parameter->source());
    Part part{source.views()->Get(0), {}, parameter->offset() / sizeof(float), 1, source.views()->Get(0)->tensor(), parameter->trained()};
    if (source.shape())
      part.shape.assign(source.shape()->begin(), source.shape()->end());
    for (int64_t size : part.shape)
      part.elements *= uint64_t(size);
    infos[part.tensor].trained |= part.trained;
    partsByTensor[part.tensor].push_back(allParts.size());
    allParts.push_back(std::move(part));
  }
}

/// Calls element(place in the part, place in the tensor) for all elements of a part.
template <typename Visit> static void visit(const FrameworkTensors::Part &part, Visit &&element) {
  size_t rank = part.shape.size();
  std::vector<int64_t> at(rank);
  int64_t inFile = int64_t(part.view->offset());
  const auto *strides = part.view->strides();
  for (uint64_t i = 0; i < part.elements; ++i) {
    element(i, uint64_t(inFile));
    for (size_t axis = rank; axis-- > 0;) {
      inFile += strides->Get(uint32_t(axis));
      if (++at[axis] < part.shape[axis])
        break;
      inFile -= strides->Get(uint32_t(axis)) * part.shape[axis];
      at[axis] = 0;
    }
  }
}

void FrameworkTensors::scatter(const Part &part, const float *flat, std::span<float> tensor) {
  visit(part, [&](uint64_t inPart, uint64_t inTensor) { tensor[inTensor] = flat[inPart]; });
}

void FrameworkTensors::gather(const Part &part, std::span<const float> tensor, float *flat) {
  visit(part, [&](uint64_t inPart, uint64_t inTensor) { flat[inPart] = tensor[inTensor]; });
}

void FrameworkTensors::scatter(const Part &part, const uint16_t *flat, std::span<float> tensor) {
  visit(part, [&](uint64_t inPart, uint64_t inTensor) { tensor[inTensor] = std::bit_cast<float>(uint32_t(flat[inPart]) << 16); });
}

void FrameworkTensors::gather(const Part &part, std::span<const float> tensor, uint16_t *flat) {
  visit(part, [&](uint64_t inPart, uint64_t inTensor) { flat[inPart] = uint16_t(std::bit_cast<uint32_t>(tensor[inTensor]) >> 16); });
}

StateFile::StateFile(const TrainingState &state) : state(state) {
  displayName = "the weights in training";
  for (const TrainedTensor &tensor : state.tensors())
    infos.push_back({tensor.name, ElementType::F32, tensor.shape, tensor.elements() * sizeof(float)});
  order = sortByName();
}

Expected<TensorData> StateFile::read(size_t index) const {
  TensorData data;
  uint64_t bytes = infos[index].bytes;
  data.owned = std::make_unique_for_overwrite<std::byte[]>(bytes);
  data.bytes = {data.owned.get(), bytes};
  if (Error error = state.read(TensorState::Parameter, order[index], {reinterpret_cast<float *>(data.owned.get()), bytes / sizeof(float)}))
    return error;
  return data;
}
