//===- Binder.cpp - from a framework's tensors to packed weights --------------*- C++ -*-===//
//
// Part of the vitc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===--------------------------------------------------------------------------------------===//

#include "runtime/weights/Binder.h"

#include "runtime/artifact/FileFormat.h"
#include "runtime/device/cpu/ThreadPool.h"
#include "runtime/weights/Readers.h"
#include "runtime/weights/SchemeMatch.h"

#include <algorithm>
#include <atomic>
#include <condition_variable>
#include <cstring>
#include <mutex>

using namespace vitrt;

namespace {

/// The exported conversion of a number type to f32 (docs/abi.md); null for f32 itself.
const char *conversionOf(ElementType type) {
  switch (type) {
  case ElementType::F16:
    return "vitc_convert_f16";
  case ElementType::BF16:
    return "vitc_convert_bf16";
  case ElementType::F64:
    return "vitc_convert_f64";
  default:
    return nullptr;
  }
}

uint64_t countNonFinite(const float *values, uint64_t count) {
  constexpr uint32_t kExponent = 0x7f800000;
  uint64_t bad = 0;
  for (uint64_t i = 0; i < count; ++i) {
    uint32_t bits;
    std::memcpy(&bits, values + i, sizeof(bits));
    bad += (bits & kExponent) == kExponent;
  }
  return bad;
}

/// The file's tensors as aligned f32, each from its first use to its last: never the whole file at once.
class TensorCache {
public:
  TensorCache(const Artifact &artifact, const TensorFile &file) : artifact(artifact), file(file), entries(file.tensors().size()) {}

  /// Announces a use of a tensor; before any `acquire`.
  void addUser(size_t index) { ++entries[index].users; }

  Expected<const float *> acquire(size_t index) {
    Entry &entry = entries[index];
    std::lock_guard lock(entry.mutex);
    if (!entry.values)
      if (Error error = load(index, entry))
        return error;
    return entry.values;
  }

  void release(size_t index) {
    Entry &entry = entries[index];
    if (--entry.users > 0)
      return;
    entry.data.owned.reset();
    entry.converted.reset();
    file.release(index);
  }

  uint64_t nonFinite(size_t index) const { return entries[index].bad; }

private:
  struct Entry {
    std::mutex mutex;
    std::atomic<uint32_t> users = 0;
    TensorData data;
    std::unique_ptr<std::byte[]> converted;
    const float *values = nullptr;
    uint64_t bad = 0;
  };

  Error load(size_t index, Entry &entry) {
    const TensorInfo &info = file.tensors()[index];
    Expected<TensorData> data = file.read(index);
    if (!data)
      return std::move(data.error());
    entry.data = std::move(*data);
    uint64_t count = info.bytes / bytesOf(info.type);
    const std::byte *bytes = entry.data.bytes.data();
    bool aligned = reinterpret_cast<uintptr_t>(bytes) % bytesOf(info.type) == 0;
    // Files need not align their tensors, generated code reads whole elements.
    if (!aligned || info.type != ElementType::F32) {
      std::unique_ptr<std::byte[]> copy;
      if (!aligned) {
        copy = allocateBytes(info.bytes);
        if (!copy)
          return noMemory(info);
        std::memcpy(copy.get(), bytes, info.bytes);
        bytes = copy.get();
      }
      if (const char *symbol = conversionOf(info.type)) {
        Expected<ConvertFunction> convert = artifact.code().get<ConvertFunction>(symbol);
        if (!convert)
          return std::move(convert.error());
        entry.converted = allocateBytes(count * sizeof(float));
        if (!entry.converted)
          return noMemory(info);
        (*convert)(bytes, reinterpret_cast<float *>(entry.converted.get()), int64_t(count));
      } else {
        entry.converted = std::move(copy);
      }
      bytes = entry.converted.get();
      entry.data.owned.reset();
    }
    entry.values = reinterpret_cast<const float *>(bytes);
    entry.bad = countNonFinite(entry.values, count);
    return Error::success();
  }

  static Error noMemory(const TensorInfo &info) {
    return makeError(VITRT_ERROR_MEMORY, "cannot allocate memory for the tensor '{}' {}", info.name, formatShape(info.shape));
  }

  const Artifact &artifact;
  const TensorFile &file;
  std::vector<Entry> entries;
};

/// Memory aligned as bind functions ask.
struct Scratch {
  explicit Scratch(uint64_t bytes) : memory(bytes ? std::aligned_alloc(kBufferAlignment, alignTo(bytes, kBufferAlignment)) : nullptr) {}
  ~Scratch() { std::free(memory); }
  Scratch(const Scratch &) = delete;
  Scratch &operator=(const Scratch &) = delete;
  void *memory;
};

/// Keeps the workers' memory together below a limit, however many there are: a weight whose turn would exceed it waits until others are
/// done, and one that exceeds it alone goes alone.
class MemoryBudget {
public:
  void take(uint64_t bytes) {
    std::unique_lock lock(mutex);
    changed.wait(lock, [&] { return taken == 0 || bytes <= kLimit - std::min(taken, kLimit); });
    taken += bytes;
  }
  void giveBack(uint64_t bytes) {
    {
      std::lock_guard lock(mutex);
      taken -= bytes;
    }
    changed.notify_all();
  }

private:
  static constexpr uint64_t kLimit = uint64_t(192) << 20;
  std::mutex mutex;
  std::condition_variable changed;
  uint64_t taken = 0;
};

class Binder {
public:
  Binder(const Artifact &artifact, const TensorFile &file, const SchemeMatch &match, std::span<std::byte> destination)
      : artifact(artifact), target(artifact.target()), match(match), destination(destination), file(file), cache(artifact, file) {}

  Error run(const BindOptions &options);
  uint64_t nonFinite(size_t index) const { return cache.nonFinite(index); }

private:
  /// Tensors of the file that a packed weight is made from, each once.
  std::vector<size_t> tensorsOf(const fb::PackedWeight &weight) const;
  Error bind(const fb::PackedWeight &weight);
  /// Bytes of memory that packing the weight takes beside what is mapped, at most.
  uint64_t memoryFor(const fb::PackedWeight &weight) const;

  const fb::SourceView &viewOf(uint32_t source) const { return *target.sources()->Get(source)->views()->Get(match.scheme); }

  const Artifact &artifact;
  const fb::Target &target;
  const SchemeMatch &match;
  std::span<std::byte> destination;
  const TensorFile &file;
  TensorCache cache;
  MemoryBudget budget;
};

std::vector<size_t> Binder::tensorsOf(const fb::PackedWeight &weight) const {
  std::vector<size_t> tensors;
  if (weight.sources())
    for (uint32_t source : *weight.sources())
      tensors.push_back(size_t(match.files[viewOf(source).tensor()]));
  std::sort(tensors.begin(), tensors.end());
  tensors.erase(std::unique(tensors.begin(), tensors.end()), tensors.end());
  return tensors;
}

uint64_t Binder::memoryFor(const fb::PackedWeight &weight) const {
  uint64_t bytes = weight.scratch_bytes();
  for (size_t tensor : tensorsOf(weight)) {
    const TensorInfo &info = file.tensors()[tensor];
    bytes += file.readBytes(tensor) + (info.type == ElementType::F32 ? 0 : info.bytes / bytesOf(info.type) * sizeof(float));
  }
  return bytes;
}

Error Binder::bind(const fb::PackedWeight &weight) {
  Expected<BindFunction> function = artifact.code().get<BindFunction>(weight.bind_symbol()->c_str());
  if (!function)
    return std::move(function.error());
  std::vector<BindSource> sources;
  for (uint32_t i = 0; weight.sources() && i < weight.sources()->size(); ++i) {
    const fb::SourceView &view = viewOf(weight.sources()->Get(i));
    Expected<const float *> values = cache.acquire(size_t(match.files[view.tensor()]));
    if (!values)
      return std::move(values.error());
    BindSource source = {*values + view.offset(), {}};
    for (uint32_t axis = 0; view.strides() && axis < view.strides()->size(); ++axis)
      source.strides[axis] = view.strides()->Get(axis);
    sources.push_back(source);
  }
  Scratch scratch(weight.scratch_bytes());
  if (weight.scratch_bytes() > 0 && !scratch.memory)
    return makeError(VITRT_ERROR_MEMORY, "cannot allocate {} bytes to pack the weight '{}'", weight.scratch_bytes(), weight.name()->str());
  (*function)(destination.data() + weight.offset(), sources.data(), scratch.memory);
  for (size_t tensor : tensorsOf(weight))
    cache.release(tensor);
  return Error::success();
}

Error Binder::run(const BindOptions &options) {
  if (!target.weights())
    return Error::success();
  uint64_t total = 0;
  std::vector<uint32_t> wanted;
  for (uint32_t index = 0; index < target.weights()->size(); ++index) {
    if (options.wanted && !options.wanted(index))
      continue;
    wanted.push_back(index);
    const fb::PackedWeight &weight = *target.weights()->Get(index);
    total += weight.size();
    for (size_t tensor : tensorsOf(weight))
      cache.addUser(tensor);
  }
  Expected<std::unique_ptr<ThreadPool>> pool = ThreadPool::create(options.threads);
  if (!pool)
    return std::move(pool.error());

  std::mutex mutex;
  Error failure;
  uint64_t done = 0;
  std::atomic<bool> failed = false;
  (*pool)->parallelFor(int64_t(wanted.size()), 1, [&](unsigned, int64_t begin, int64_t end) {
    for (int64_t i = begin; i < end && !failed; ++i) {
      const fb::PackedWeight &weight = *target.weights()->Get(wanted[size_t(i)]);
      uint64_t memory = memoryFor(weight);
      budget.take(memory);
      Error error = bind(weight);
      budget.giveBack(memory);
      std::lock_guard lock(mutex);
      if (error && !failed) {
        failed = true;
        failure = std::move(error);
      }
      done += weight.size();
      if (options.progress && !failed)
        options.progress(done, total);
    }
  });
  return failure;
}

std::vector<BoundSource> describeSources(const fb::Manifest &manifest, const fb::Target &target, const SchemeMatch &match,
                                         const TensorFile &file) {
  std::vector<BoundSource> bound;
  std::vector<std::vector<std::string>> packed(target.sources() ? target.sources()->size() : 0);
  if (target.weights())
    for (const fb::PackedWeight *weight : *target.weights())
      for (uint32_t i = 0; weight->sources() && i < weight->sources()->size(); ++i)
        packed[weight->sources()->Get(i)].push_back(weight->name()->str());
  for (uint32_t s = 0; s < packed.size(); ++s) {
    if (packed[s].empty())
      continue;
    const fb::Source &source = *target.sources()->Get(s);
    const fb::SourceView &view = *source.views()->Get(match.scheme);
    const TensorInfo &info = file.tensors()[size_t(match.files[view.tensor()])];
    BoundSource entry = {source.name()->str(), {}, info.name, info.type, info.shape, view.offset(), {}, match.sliced[view.tensor()],
                         std::move(packed[s])};
    if (source.shape())
      entry.shape.assign(source.shape()->begin(), source.shape()->end());
    if (view.strides())
      entry.strides.assign(view.strides()->begin(), view.strides()->end());
    bound.push_back(std::move(entry));
  }
  return bound;
}

} // namespace

Expected<BindReport> vitrt::bindWeights(const Artifact &artifact, const TensorFile &tensors, std::span<std::byte> destination,
                                        const BindOptions &options) {
  const fb::Manifest &manifest = artifact.manifest();
  const fb::Target &target = artifact.target();
  if (destination.size() != target.weights_bytes() || reinterpret_cast<uintptr_t>(destination.data()) % kBufferAlignment != 0)
    return makeError(VITRT_ERROR_ARGUMENT, "{}: packed weights go to {} bytes of memory aligned to {}, but {} bytes at {} were given",
                     artifact.name(), target.weights_bytes(), kBufferAlignment, destination.size(),
                     static_cast<const void *>(destination.data()));
  if (!manifest.schemes() || manifest.schemes()->size() == 0)
    return makeError(VITRT_ERROR_WEIGHTS, "{}: the artifact says nothing of its weights' names, so '{}' cannot be bound", artifact.name(),
                     tensors.name());
  SchemeMatch match = matchSchemes(manifest, target, tensors);
  if (!match.fits())
    return describeMismatch(manifest, match, tensors);

  Binder binder(artifact, tensors, match, destination);
  if (Error error = binder.run(options))
    return error;

  BindReport report;
  report.scheme = manifest.schemes()->Get(match.scheme)->name()->str();
  for (const std::string &note : tensors.notes())
    report.notes.push_back(fmt::format("'{}': {}", tensors.name(), note));
  report.sources = describeSources(manifest, target, match, tensors);
  listUnused(manifest, match, tensors, report.ignored, report.extra);
  for (const std::string &extra : report.extra)
    report.warnings.push_back(
        fmt::format("'{}' has the tensor {}, which {} does not use", tensors.name(), extra, manifest.model()->name()->str()));
  for (size_t i = 0; i < tensors.tensors().size(); ++i)
    if (uint64_t bad = binder.nonFinite(i))
      report.warnings.push_back(
          fmt::format("tensor '{}' of '{}' has {} values that are NaN or infinite", tensors.tensors()[i].name, tensors.name(), bad));
  return report;
}
