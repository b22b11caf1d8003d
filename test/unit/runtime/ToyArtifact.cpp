//===- ToyArtifact.cpp - artifacts made by hand -------------------------------*- C++ -*-===//
//
// Part of the vitc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===--------------------------------------------------------------------------------------===//

#include "test/unit/runtime/ToyArtifact.h"

#include "runtime/artifact/FileFormat.h"
#include "runtime/device/cpu/CpuFeatures.h"

#include <cstring>
#include <fstream>
#include <iterator>

using namespace vitrt;
using namespace vitrt::test;

namespace {

std::unique_ptr<fb::FileTensorT> fileTensor(std::vector<std::string> names, std::vector<uint64_t> shape) {
  auto tensor = std::make_unique<fb::FileTensorT>();
  tensor->names = std::move(names);
  tensor->shape = std::move(shape);
  return tensor;
}

std::unique_ptr<fb::SourceViewT> view(uint32_t tensor, uint64_t offset, std::vector<int64_t> strides) {
  auto result = std::make_unique<fb::SourceViewT>();
  result->tensor = tensor;
  result->offset = offset;
  result->strides = std::move(strides);
  return result;
}

std::unique_ptr<fb::BufferT> buffer(const char *name, fb::BufferKind kind, std::vector<uint64_t> shape, uint64_t bytes, uint64_t offset,
                                    uint32_t weight) {
  auto result = std::make_unique<fb::BufferT>();
  result->name = name;
  result->kind = kind;
  result->shape = std::move(shape);
  result->bytes_per_image = bytes;
  result->offset_per_image = offset;
  result->weight = weight;
  return result;
}

std::unique_ptr<fb::KernelT> kernel(const std::string &symbol, uint64_t rows, uint64_t rowsPerTask, uint64_t columnTasks,
                                    uint64_t scratch) {
  auto result = std::make_unique<fb::KernelT>();
  result->symbol = symbol;
  result->kind = "toy";
  result->rows_per_image = rows;
  result->rows_per_task = rowsPerTask;
  result->column_tasks = columnTasks;
  result->scratch_bytes = scratch;
  return result;
}

std::unique_ptr<fb::LaunchT> launch(const char *name, uint32_t kernel, std::vector<uint32_t> operands) {
  auto result = std::make_unique<fb::LaunchT>();
  result->name = name;
  result->kernel = kernel;
  result->operands = std::move(operands);
  result->results = 1;
  return result;
}

std::unique_ptr<fb::TargetT> toyTarget(uint64_t width) {
  std::string prefix = "toy" + std::to_string(width);
  uint64_t rowBytes = width * sizeof(float), imageBytes = 3 * rowBytes, arenaBytes = alignTo(imageBytes, 64);
  auto target = std::make_unique<fb::TargetT>();
  target->name = "cpu";
  target->triple = std::string(hostArchitecture()) + "-unknown-linux-gnu";
  target->code = std::make_unique<fb::SectionT>();

  for (int i = 0; i < 2; ++i) {
    auto source = std::make_unique<fb::SourceT>();
    source->name = i == 0 ? "scale" : "bias";
    source->shape = i == 0 ? std::vector<uint64_t>{width} : std::vector<uint64_t>{3, width};
    source->views.push_back(i == 0 ? view(0, 0, {1}) : view(1, 0, {1, 3}));
    source->views.push_back(i == 0 ? view(0, 0, {1}) : view(1, 3 * width, {int64_t(width), 1}));
    target->sources.push_back(std::move(source));
    auto weight = std::make_unique<fb::PackedWeightT>();
    weight->name = i == 0 ? "packed.scale" : "packed.bias";
    weight->offset = i == 0 ? 0 : 64;
    weight->size = i == 0 ? rowBytes : imageBytes;
    weight->bind_symbol = prefix + (i == 0 ? "_bind_vector" : "_bind_matrix");
    weight->sources = {uint32_t(i)};
    weight->scratch_bytes = i == 0 ? 0 : rowBytes;
    target->weights.push_back(std::move(weight));
  }
  target->weights_bytes = alignTo(64 + imageBytes, 64);

  target->kernels.push_back(kernel(prefix + "_scale", 3, 2, 2, rowBytes));
  target->kernels.push_back(kernel(prefix + "_bias", 3, 1, 1, 0));
  target->kernels.push_back(kernel(prefix + "_sum", 1, 1, 1, 0));

  auto program = std::make_unique<fb::ProgramT>();
  program->name = "infer";
  program->buffers.push_back(buffer("images", fb::BufferKind::Input, {1, 3, width}, imageBytes, 0, 0));
  program->buffers.push_back(buffer("packed.scale", fb::BufferKind::Weight, {width}, 0, 0, 0));
  program->buffers.push_back(buffer("scaled", fb::BufferKind::Arena, {3, width}, imageBytes, 0, 0));
  program->buffers.push_back(buffer("packed.bias", fb::BufferKind::Weight, {3, width}, 0, 0, 1));
  program->buffers.push_back(buffer("biased", fb::BufferKind::Arena, {3, width}, imageBytes, arenaBytes, 0));
  program->buffers.push_back(buffer("sums", fb::BufferKind::Output, {width}, rowBytes, 0, 0));
  program->launches.push_back(launch("layer.scale", 0, {0, 1, 2}));
  program->launches.push_back(launch("layer.bias", 1, {2, 3, 4}));
  program->launches.push_back(launch("layer.sum", 2, {4, 5}));
  program->inputs = {0};
  program->outputs = {5};
  program->arena_bytes_per_image = 2 * arenaBytes;
  program->group_images = 4;
  target->programs.push_back(std::move(program));
  return target;
}

std::vector<uint8_t> pack(const fb::ManifestT &manifest) {
  flatbuffers::FlatBufferBuilder builder;
  // Fields of value 0 take their place too, so the size does not depend on offsets and hashes.
  builder.ForceDefaults(true);
  fb::FinishManifestBuffer(builder, fb::Manifest::Pack(builder, &manifest));
  return {builder.GetBufferPointer(), builder.GetBufferPointer() + builder.GetSize()};
}

} // namespace

AlignedBytes AlignedBytes::clone() const {
  AlignedBytes copy(count);
  std::memcpy(copy.data.get(), data.get(), count);
  return copy;
}

std::vector<std::byte> vitrt::test::toyCode() {
  std::ifstream file(TOY_KERNELS, std::ios::binary);
  std::string text((std::istreambuf_iterator<char>(file)), std::istreambuf_iterator<char>());
  std::span<const std::byte> bytes = std::as_bytes(std::span(text));
  return {bytes.begin(), bytes.end()};
}

fb::ManifestT vitrt::test::toyManifest(int width) {
  uint64_t w = uint64_t(width);
  fb::ManifestT manifest;
  manifest.producer = "test";
  manifest.abi_version = kAbiVersion;
  manifest.model = std::make_unique<fb::ModelT>();
  manifest.model->name = "toy";
  manifest.model->channels = 1;
  manifest.model->height = 3;
  manifest.model->width = uint32_t(width);
  manifest.model->labels = {"ant", "bee"};
  auto home = std::make_unique<fb::SchemeT>(), other = std::make_unique<fb::SchemeT>();
  home->name = "home";
  home->tensors.push_back(fileTensor({"norm.weight"}, {w}));
  home->tensors.push_back(fileTensor({"bias.kernel"}, {w, 3}));
  other->name = "other";
  other->tensors.push_back(fileTensor({"gain", "gamma"}, {w}));
  other->tensors.push_back(fileTensor({"packed"}, {6, w}));
  other->ignored = {"stats.*"};
  manifest.schemes.push_back(std::move(home));
  manifest.schemes.push_back(std::move(other));
  manifest.targets.push_back(toyTarget(w));
  return manifest;
}

std::vector<std::byte> vitrt::test::packToyWeights(int width, std::span<const float> scale, std::span<const float> bias) {
  std::vector<std::byte> packed(alignTo(64 + 3 * size_t(width) * sizeof(float), 64));
  std::memcpy(packed.data(), scale.data(), scale.size_bytes());
  std::memcpy(packed.data() + 64, bias.data(), bias.size_bytes());
  return packed;
}

AlignedBytes vitrt::test::seal(fb::ManifestT &manifest, std::span<const std::byte> code, std::span<const std::byte> weights) {
  for (auto &target : manifest.targets) {
    target->code->size = code.size();
    target->code->hash = hashBytes(code.data(), code.size());
    if (weights.empty())
      continue;
    target->weight_data = std::make_unique<fb::SectionT>();
    target->weight_data->size = weights.size();
    target->weight_data->hash = hashBytes(weights.data(), weights.size());
    for (auto &weight : target->weights)
      weight->hash = hashBytes(weights.data() + weight->offset, weight->size);
  }
  uint64_t codeAt = alignTo(sizeof(FileHeader) + pack(manifest).size(), kSectionAlignment),
           weightsAt = alignTo(codeAt + code.size(), kSectionAlignment);
  for (auto &target : manifest.targets) {
    target->code->offset = codeAt;
    if (target->weight_data)
      target->weight_data->offset = weightsAt;
  }
  std::vector<uint8_t> bytes = pack(manifest);
  uint64_t fileSize = weights.empty() ? codeAt + code.size() : weightsAt + weights.size();
  FileHeader header = makeFileHeader(fileSize, bytes.data(), bytes.size());
  AlignedBytes file(fileSize);
  std::byte *to = file.bytes().data();
  std::memset(to, 0, fileSize);
  std::memcpy(to, &header, sizeof(header));
  std::memcpy(to + sizeof(header), bytes.data(), bytes.size());
  std::memcpy(to + codeAt, code.data(), code.size());
  if (!weights.empty())
    std::memcpy(to + weightsAt, weights.data(), weights.size());
  return file;
}

AlignedBytes vitrt::test::reseal(fb::ManifestT &manifest, const AlignedBytes &file) {
  uint64_t codeAt = fb::GetManifest(file.bytes().data() + sizeof(FileHeader))->targets()->Get(0)->code()->offset();
  std::vector<uint8_t> bytes = pack(manifest);
  if (sizeof(FileHeader) + bytes.size() > codeAt)
    std::abort();
  AlignedBytes changed = file.clone();
  FileHeader header = makeFileHeader(file.bytes().size(), bytes.data(), bytes.size());
  std::byte *to = changed.bytes().data();
  std::memset(to, 0, codeAt);
  std::memcpy(to, &header, sizeof(header));
  std::memcpy(to + sizeof(header), bytes.data(), bytes.size());
  return changed;
}

std::vector<float> vitrt::test::someValues(size_t count, unsigned salt) {
  std::vector<float> values;
  for (size_t i = 0; i < count; ++i)
    values.push_back(float(int((i * 37 + salt * 101 + 11) % 61) - 30) / 8);
  return values;
}

AlignedBytes vitrt::test::toyArtifact(int width) {
  fb::ManifestT manifest = toyManifest(width);
  return seal(manifest, toyCode(), packToyWeights(width, someValues(size_t(width), 1), someValues(3 * size_t(width), 2)));
}

std::vector<float> vitrt::test::toyResult(int width, std::span<const float> images) {
  return toyResult(width, images, someValues(size_t(width), 1), someValues(3 * size_t(width), 2));
}

std::vector<float> vitrt::test::toyResult(int width, std::span<const float> images, std::span<const float> scale,
                                          std::span<const float> bias) {
  size_t w = size_t(width), count = images.size() / (3 * w);
  std::vector<float> sums(count * w);
  for (size_t image = 0; image < count; ++image)
    for (size_t i = 0; i < 3; ++i)
      for (size_t j = 0; j < w; ++j)
        sums[image * w + j] += images[(image * 3 + i) * w + j] * scale[j] + bias[i * w + j];
  return sums;
}
