//===- Artifact.cpp - an opened .vitx file ------------------------------------*- C++ -*-===//
//
// Part of the vitc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===--------------------------------------------------------------------------------------===//

#include "runtime/artifact/Artifact.h"

#include "runtime/artifact/Verify.h"
#include "runtime/device/cpu/CpuFeatures.h"
#include "runtime/device/cpu/ThreadPool.h"

#include <algorithm>

using namespace vitrt;

namespace {

/// Below this, starting threads takes longer than hashing.
constexpr uint64_t kParallelVerifyBytes = 8 << 20;

/// The major compute capability that every kernel wants: asynchronous copies and products of bf16.
constexpr int kOldestGpu = 8;

std::string join(const std::vector<std::string> &parts, const char *last) {
  std::string text;
  for (size_t i = 0; i < parts.size(); ++i)
    text += (i == 0 ? "" : i + 1 == parts.size() ? last : ", ") + parts[i];
  return text;
}

} // namespace

Error vitrt::checkTarget(const fb::Target &target, Purpose purpose, const std::string &name) {
  if (purpose == Purpose::Inspect)
    return Error::success();
  std::string triple = target.triple()->str();
  if (triple.substr(0, triple.find('-')) != hostArchitecture())
    return makeError(VITRT_ERROR_TARGET,
                     "{}: target '{}' is compiled for '{}', but this machine is {}; recompile with --target-triple={}-linux-gnu", name,
                     target.name()->str(), triple, hostArchitecture(), hostArchitecture());
  if (purpose == Purpose::Bind || !target.features())
    return Error::success();
  std::vector<std::string> missing;
  for (const flatbuffers::String *feature : *target.features()) {
    std::string_view spelled = feature->string_view();
    spelled.remove_prefix(spelled.starts_with('+') ? 1 : 0);
    if (!hostHasFeature(spelled))
      missing.emplace_back(spelled);
  }
  if (missing.empty())
    return Error::success();
  std::string cpu = target.cpu() ? fmt::format(" ({})", target.cpu()->str()) : "";
  return makeError(VITRT_ERROR_TARGET,
                   "{}: target '{}'{} is compiled for {}, which this CPU lacks; recompile with --target-cpu=host on this machine, or {}",
                   name, target.name()->str(), cpu, join(missing, " and "),
                   hostHasFeature("avx2") && hostHasFeature("fma") ? "--target-cpu=x86-64-v3"
                                                                   : "without --target-cpu and with a baseline CPU");
}

/// Whether the GPU runs the code of a target "cuda".
static Error checkGpu(const fb::Target &target, const Gpu &gpu, const std::string &name) {
  GpuArchitecture architecture = *GpuArchitecture::parse(target.architecture()->string_view());
  if (architecture.runsOn(gpu))
    return Error::success();
  const bool tooOld = gpu.major < kOldestGpu;
  return makeError(VITRT_ERROR_TARGET,
                   "{}: its code for GPUs is compiled for {}, which needs compute capability {}.{}{}, but {} has {}.{}; {}", name,
                   target.architecture()->str(), architecture.major, architecture.minor,
                   architecture.exact ? " and no other" : " or higher", gpu.name, gpu.major, gpu.minor,
                   tooOld ? fmt::format("there are kernels for {}.0 and higher alone", kOldestGpu)
                          : fmt::format("recompile with --gpu-arch=sm_{}0, which newer GPUs run too", kOldestGpu));
}

Expected<std::unique_ptr<Artifact>> Artifact::open(const std::string &path, const ArtifactOptions &options) {
  Expected<MappedFile> file = MappedFile::open(path);
  if (!file)
    return std::move(file.error());
  std::unique_ptr<Artifact> artifact(new Artifact);
  artifact->displayName = path;
  artifact->file = std::move(*file);
  artifact->contents = artifact->file.bytes();
  if (Error error = artifact->initialize(options))
    return error;
  return artifact;
}

Expected<std::unique_ptr<Artifact>> Artifact::openMemory(std::span<const std::byte> bytes, const ArtifactOptions &options,
                                                         const std::string &name) {
  std::unique_ptr<Artifact> artifact(new Artifact);
  artifact->displayName = name;
  artifact->contents = bytes;
  if (Error error = artifact->initialize(options))
    return error;
  return artifact;
}

Error Artifact::initialize(const ArtifactOptions &options) {
  Expected<const fb::Manifest *> verified = verifyStructure(contents, displayName);
  if (!verified)
    return std::move(verified.error());
  root = *verified;
  // The machine is asked before gigabytes are read: the answer comes at once.
  if (Error error = chooseTarget(options))
    return error;
  if (Error error = verifyCode(contents, *root, displayName))
    return error;
  if (options.verify == VITRT_VERIFY_ALL) {
    Expected<std::unique_ptr<ThreadPool>> pool = ThreadPool::create(contents.size() < kParallelVerifyBytes ? 1 : options.threads);
    if (!pool)
      return std::move(pool.error());
    if (Error error = verifyWeights(contents, *root, displayName, **pool))
      return error;
  }
  if (options.purpose == Purpose::Inspect)
    return Error::success();
  const fb::Section &code = *chosen->code();
  Expected<CodeObject> loaded =
      CodeObject::load(contents.subspan(code.offset(), code.size()), fmt::format("vitx:{}", root->model()->name()->str()));
  if (!loaded)
    return makeError(loaded.error().status, "{}: {}", displayName, loaded.error().message);
  loadedCode = std::move(*loaded);
  return Error::success();
}

Error Artifact::chooseTarget(const ArtifactOptions &options) {
  std::vector<std::string> names;
  Error reason;
  // Devices are for who asks for them: the emulator is slow, and finds what is wrong with a kernel; a GPU may not be there.
  auto isMeant = [&](const fb::Target &target) {
    std::string name = target.name()->str();
    if (options.target.empty())
      return options.purpose == Purpose::Inspect || (name != "emulator" && name != kCudaTarget);
    return name == options.target || (target.architecture() && name + ":" + target.architecture()->str() == options.target);
  };
  auto isBetter = [](const fb::Target &a, const fb::Target &b) {
    return a.architecture() && GpuArchitecture::parse(a.architecture()->string_view())->number() >
                                   GpuArchitecture::parse(b.architecture()->string_view())->number();
  };
  for (const fb::Target *target : *root->targets()) {
    std::string name = "'" + target->name()->str() + "'";
    if (names.empty() || names.back() != name)
      names.push_back(std::move(name));
    if (!isMeant(*target))
      continue;
    Error error = checkTarget(*target, options.purpose, displayName);
    if (!error && options.gpu && target->architecture())
      error = checkGpu(*target, *options.gpu, displayName);
    if (error) {
      if (!reason)
        reason = std::move(error);
      continue;
    }
    if (!chosen || (options.gpu && isBetter(*target, *chosen)))
      chosen = target;
  }
  if (chosen)
    return Error::success();
  if (!reason && options.target.empty())
    return makeError(VITRT_ERROR_TARGET, "{}: the file has {} alone, which {} if asked for: --device={}", displayName, join(names, " and "),
                     names.size() > 1 ? "run" : "runs", root->targets()->Get(0)->name()->str());
  if (!reason)
    return makeError(VITRT_ERROR_TARGET, "{}: there is no target '{}', the file has {}", displayName, options.target, join(names, " and "));
  return reason;
}

std::span<const std::byte> Artifact::weights() const {
  const fb::Section *section = chosen->weight_data();
  return section ? contents.subspan(section->offset(), section->size()) : std::span<const std::byte>();
}
