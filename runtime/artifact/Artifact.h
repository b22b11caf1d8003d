//===- Artifact.h - an opened .vitx file --------------------------------------*- C++ -*-===//
//
// Part of the vitc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===--------------------------------------------------------------------------------------===//

#ifndef VITC_RUNTIME_ARTIFACT_ARTIFACT_H
#define VITC_RUNTIME_ARTIFACT_ARTIFACT_H

#include "runtime/artifact/CodeObject.h"
#include "runtime/artifact/GpuArchitecture.h"
#include "runtime/artifact/MappedFile.h"
#include "runtime/artifact/vitx_generated.h"

#include <memory>

namespace vitrt {

/// What an artifact is opened for, and so what is asked of this machine.
enum class Purpose {
  Run,    ///< the architecture, the CPU's features, and the code is loaded
  Bind,   ///< the architecture alone, because bind functions are baseline code; the code is loaded
  Inspect ///< nothing; the code is not loaded
};

struct ArtifactOptions {
  vitrt_verify verify = VITRT_VERIFY_ALL;
  std::string target; ///< "cpu", "reference", "cuda", "cuda:sm_80", ...; empty: the first of the file that this machine's CPU can use
  std::optional<Gpu> gpu =
      std::nullopt;     ///< of target "cuda": what it shall run on; none: the file's first one is taken, for its bind functions
  int gpuOrdinal = 0;   ///< of target "cuda": which one Model opens and puts into `gpu`
  unsigned threads = 0; ///< for verifying; 0: every available core
  Purpose purpose = Purpose::Run;
};

/// Whether code for `target` runs on this machine; the error says what is missing and what to do.
Error checkTarget(const fb::Target &target, Purpose purpose, const std::string &name);

/// A file that was checked as far as the options ask, with one of its targets chosen. Immutable: any number of threads may use it.
class Artifact {
public:
  static Expected<std::unique_ptr<Artifact>> open(const std::string &path, const ArtifactOptions &options = {});

  /// `bytes` must be 64-byte aligned, stay unchanged and outlive the artifact. `name` begins the messages.
  static Expected<std::unique_ptr<Artifact>> openMemory(std::span<const std::byte> bytes, const ArtifactOptions &options = {},
                                                        const std::string &name = "artifact in memory");

  const std::string &name() const { return displayName; }
  std::span<const std::byte> bytes() const { return contents; }
  const fb::Manifest &manifest() const { return *root; }
  const fb::Model &model() const { return *root->model(); }
  const fb::Target &target() const { return *chosen; }
  const CodeObject &code() const { return loadedCode; }

  /// The chosen target's packed weights, empty if they are external.
  std::span<const std::byte> weights() const;

private:
  Artifact() = default;
  Error initialize(const ArtifactOptions &options);
  Error chooseTarget(const ArtifactOptions &options);

  std::string displayName;
  MappedFile file;
  std::span<const std::byte> contents;
  const fb::Manifest *root = nullptr;
  const fb::Target *chosen = nullptr;
  CodeObject loadedCode;
};

} // namespace vitrt

#endif // VITC_RUNTIME_ARTIFACT_ARTIFACT_H
