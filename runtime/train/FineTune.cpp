//===- FineTune.cpp - begin a run with somebody else's weights ------------------*- C++ -*-===//
//
// Part of the vitc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===--------------------------------------------------------------------------------------===//

#include "runtime/train/FineTune.h"

#include "runtime/train/PositionTable.h"

#include <algorithm>
#include <bit>
#include <cmath>
#include <cstring>

namespace vitrt {
namespace {

/// By the names of timm, transformers, torchvision, Flax and the reference systems.
bool isHead(const std::string &name) {
  constexpr std::string_view heads[] = {"head",     "heads",         "head_dist", "classifier", "cls_classifier", "distillation_classifier",
                                        "mlp_head", "classification"};
  std::string_view first = std::string_view(name).substr(0, name.find_first_of("./"));
  return std::find(std::begin(heads), std::end(heads), first) != std::end(heads);
}

float fromHalf(uint16_t bits) {
  int exponent = bits >> 10 & 31, mantissa = bits & 1023;
  float magnitude = exponent == 0    ? std::ldexp(float(mantissa), -24)
                    : exponent == 31 ? (mantissa ? NAN : INFINITY)
                                     : std::ldexp(float(mantissa + 1024), exponent - 25);
  return bits >> 15 ? -magnitude : magnitude;
}

template <typename Element, typename Convert> void convert(std::span<const std::byte> bytes, std::vector<float> &to, Convert toFloat) {
  for (size_t i = 0; i < to.size(); ++i) {
    Element element; // of any alignment
    std::memcpy(&element, bytes.data() + i * sizeof(element), sizeof(element));
    to[i] = toFloat(element);
  }
}

Error readAsFloats(const TensorFile &file, size_t index, std::vector<float> &to) {
  const TensorInfo &info = file.tensors()[index];
  auto data = file.read(index);
  if (!data)
    return std::move(data.error());
  switch (info.type) {
  case ElementType::F32:
    convert<float>(data->bytes, to, [](float value) { return value; });
    break;
  case ElementType::F64:
    convert<double>(data->bytes, to, [](double value) { return float(value); });
    break;
  case ElementType::BF16:
    convert<uint16_t>(data->bytes, to, [](uint16_t bits) { return std::bit_cast<float>(uint32_t(bits) << 16); });
    break;
  case ElementType::F16:
    convert<uint16_t>(data->bytes, to, fromHalf);
    break;
  default:
    return makeError(VITRT_ERROR_WEIGHTS, "{}: tensor {} has elements of type {}, expected f16, bf16, f32 or f64", file.name(), info.name,
                     nameOf(info.type));
  }
  file.release(index);
  return Error::success();
}

/// A table of positions [1, T, D] for the model's T; nothing if it is no such table.
Expected<std::optional<std::vector<float>>> readPositions(const TensorFile &file, size_t index, const TrainedTensor &wanted) {
  std::span<const uint64_t> from = file.tensors()[index].shape, to = wanted.shape;
  if (from.size() != 3 || to.size() != 3 || from[0] != 1 || to[0] != 1 || from[2] != to[2])
    return std::optional<std::vector<float>>();
  std::vector<float> table(from[1] * from[2]);
  if (Error error = readAsFloats(file, index, table))
    return error;
  return resizePositions(table, to[1], to[2], *positionRule(wanted.name));
}

} // namespace

Expected<std::vector<std::string>> loadForFineTuning(TrainingState &state, const TensorFile &weights) {
  std::vector<std::string> notes;
  std::vector<std::vector<float>> values;
  for (const TrainedTensor &tensor : state.tensors()) {
    std::vector<float> &numbers = values.emplace_back(tensor.elements());
    ptrdiff_t index = weights.find(tensor.name);
    bool fits = index >= 0 && weights.tensors()[size_t(index)].shape == tensor.shape;
    if (fits) {
      if (Error error = readAsFloats(weights, size_t(index), numbers))
        return error;
      continue;
    }
    if (index >= 0 && positionRule(tensor.name)) {
      auto resized = readPositions(weights, size_t(index), tensor);
      if (!resized)
        return std::move(resized.error());
      if (*resized) {
        numbers = std::move(**resized);
        notes.push_back(fmt::format("{}: tensor {} was resized from {} to {}", weights.name(), tensor.name,
                                    formatShape(weights.tensors()[size_t(index)].shape), formatShape(tensor.shape)));
        continue;
      }
    }
    std::string found = index < 0 ? "is missing" : fmt::format("is {}", formatShape(weights.tensors()[size_t(index)].shape));
    if (!isHead(tensor.name))
      return makeError(VITRT_ERROR_WEIGHTS,
                       "{}: tensor {} {}, expected {}; `vitc --weights` also reads other frameworks' names and resolutions", weights.name(),
                       tensor.name, found, formatShape(tensor.shape));
    notes.push_back(
        fmt::format("{}: tensor {} {}, so the model's {} begins at 0", weights.name(), tensor.name, found, formatShape(tensor.shape)));
  }
  for (size_t i = 0; i < values.size(); ++i)
    if (Error error = state.write(TensorState::Parameter, i, values[i]))
      return error;
  return notes;
}

} // namespace vitrt
