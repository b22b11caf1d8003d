//===- ManifestVerifier.h - bounds checks of everything in a manifest ---------*- C++ -*-===//
//
// Part of the vitc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===--------------------------------------------------------------------------------------===//
//
// Private to verifyManifest: VerifyManifest.cpp checks the model, its weights and the targets, VerifyProgram.cpp their programs.
//
// FlatBuffers' verifier has shown that tables, vectors and strings lie in the manifest; here their values are checked against each other.
// FlatBuffers leaves out empty vectors, so a missing vector is an empty one.
//
//===--------------------------------------------------------------------------------------===//

#ifndef VITC_RUNTIME_ARTIFACT_MANIFESTVERIFIER_H
#define VITC_RUNTIME_ARTIFACT_MANIFESTVERIFIER_H

#include "runtime/artifact/FileFormat.h"
#include "runtime/artifact/Verify.h"

#include <string>
#include <vector>

namespace vitrt {

// Far above any network, low enough that sums and products of a few of them fit into 64 bits.
inline constexpr uint64_t kMaxBytes = uint64_t(1) << 46;
inline constexpr uint64_t kMaxCount = uint64_t(1) << 31;
/// Shared memory of a block; GPUs have up to 228 KiB.
inline constexpr uint64_t kMaxSharedBytes = uint64_t(1) << 20;
/// Of a task that has a part of a sum: more than all registers of a block.
inline constexpr uint64_t kMaxPartCounters = 32, kMaxPartBytes = uint64_t(1) << 18;
inline constexpr size_t kMaxRank = 8;

template <typename Vector> uint32_t sizeOf(const Vector *vector) { return vector ? vector->size() : 0; }

/// Elements of a shape; 0 if it has an empty axis, too many axes, or more elements than any tensor has.
inline uint64_t countElements(const flatbuffers::Vector<uint64_t> *shape) {
  if (sizeOf(shape) > kMaxRank)
    return 0;
  uint64_t count = 1;
  for (uint32_t i = 0; i < sizeOf(shape); ++i) {
    uint64_t extent = shape->Get(i);
    if (extent == 0 || extent > kMaxBytes / count)
      return 0;
    count *= extent;
  }
  return count;
}

/// The most scratch memory that one of the launch's kernels needs.
inline uint64_t scratchOf(const fb::Target &target, const fb::Launch &launch) {
  uint64_t most = target.kernels()->Get(launch.kernel())->scratch_bytes();
  for (uint32_t i = 0; i < sizeOf(launch.larger()); ++i)
    most = std::max(most, target.kernels()->Get(launch.larger()->Get(i)->kernel())->scratch_bytes());
  return most;
}

/// Checks one manifest. Every `check` returns false after `fail` has noted the first thing that is wrong and where.
class ManifestVerifier {
public:
  ManifestVerifier(const fb::Manifest &manifest, uint64_t fileSize, uint64_t manifestSize, const std::string &name)
      : manifest(manifest), fileSize(fileSize), firstSection(sizeof(FileHeader) + manifestSize), name(name) {}

  Error run() {
    if (checkModel() && checkSchemes() && checkTargets())
      checkSections();
    return std::move(error);
  }

private:
  struct PlacedSection {
    uint64_t begin, end;
    std::string where;
  };

  template <typename... Args> bool fail(fmt::format_string<Args...> format, Args &&...args) {
    error = makeError(VITRT_ERROR_FORMAT, "{}: the manifest is not valid: {}", name, fmt::format(format, std::forward<Args>(args)...));
    return false;
  }

  bool checkName(const flatbuffers::String *text, const std::string &where) {
    return sizeOf(text) > 0 || fail("{} is missing or empty", where);
  }

  bool checkIndex(uint64_t index, uint64_t count, const std::string &where, const char *what) {
    return index < count || fail("{} is {}, but there are {} {}", where, index, count, what);
  }

  bool checkModel();
  bool checkSchemes();
  bool checkTargets();
  bool checkTarget(const fb::Target &target, const std::string &where);
  bool checkSection(const fb::Section *section, const std::string &where);
  bool checkSections();
  bool checkSource(const fb::Source &source, const std::string &where);
  bool checkWeights(const fb::Target &target, const std::string &where);
  bool checkKernel(const fb::Kernel &kernel, const std::string &where);
  bool checkDeviceCode(const fb::Target &target, const std::string &where);
  bool checkTensorMap(const fb::TensorMap &map, const std::string &where);
  bool checkTensorMaps(const fb::Target &target, const fb::Program &program, const fb::Launch &launch, const std::string &where);
  bool checkTensorMaps(const fb::Target &target, const fb::Program &program, const fb::Launch &launch, const fb::Kernel &kernel,
                       const std::string &where);
  bool checkTraining(const fb::Target &target, const fb::Training &training, const std::string &where);
  bool checkTrainingPrograms(const fb::Target &target, const std::string &where);
  bool checkUpdates(const fb::Target &target, const fb::Training &training, const std::string &where);
  bool checkParameters(const fb::Target &target, const fb::Training &training, const std::string &where);
  bool checkProgram(const fb::Target &target, const fb::Program &program, const std::string &where);
  bool checkBuffer(const fb::Target &target, const fb::Program &program, uint32_t index, const std::string &where);
  bool checkLaunches(const fb::Target &target, const fb::Program &program, const std::string &where);
  bool checkScales(const fb::Program &program, const fb::Launch &launch, const std::string &where);
  bool checkMemory(const fb::Target &target, const fb::Program &program, const std::string &where);
  bool checkImages(const fb::Program &program, const std::string &where);
  bool checkSignature(const fb::Program &program, const flatbuffers::Vector<uint32_t> *list, fb::BufferKind kind, const std::string &where);

  const fb::Manifest &manifest;
  uint64_t fileSize;
  uint64_t firstSection;
  const std::string &name;
  std::vector<PlacedSection> sections;
  Error error;
};

} // namespace vitrt

#endif // VITC_RUNTIME_ARTIFACT_MANIFESTVERIFIER_H
