//===- ToyArtifact.h - artifacts made by hand ---------------------------------*- C++ -*-===//
//
// Part of the vitc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===--------------------------------------------------------------------------------------===//
//
// out[j] = sum over 3 rows i of (in[i][j] * scale[j] + bias[i][j]), in three launches: "layer.scale" (blocks of two rows times two halves
// of the columns, with scratch), "layer.bias" (one row a task), "layer.sum" (one image a task). Groups of 4 images.
//
//===--------------------------------------------------------------------------------------===//

#ifndef VITC_TEST_UNIT_RUNTIME_TOYARTIFACT_H
#define VITC_TEST_UNIT_RUNTIME_TOYARTIFACT_H

#include "runtime/artifact/vitx_generated.h"

#include <cstddef>
#include <cstdlib>
#include <memory>
#include <span>
#include <string>
#include <vector>

namespace vitrt::test {

namespace fb = vitrt::fb;

/// Bytes at an address that is a multiple of 64. Exactly as many as asked for, so that a sanitizer sees a read past them.
class AlignedBytes {
public:
  explicit AlignedBytes(size_t size) : count(size), data(allocate(size), &std::free) {}
  std::span<std::byte> bytes() { return {data.get(), count}; }
  AlignedBytes clone() const;
  std::span<const std::byte> bytes() const { return {data.get(), count}; }

private:
  static std::byte *allocate(size_t size) {
    void *memory = nullptr;
    return posix_memalign(&memory, 64, size) == 0 ? static_cast<std::byte *>(memory) : nullptr;
  }

  size_t count;
  std::unique_ptr<std::byte, decltype(&std::free)> data;
};

/// The bytes of the code section.
std::vector<std::byte> toyCode();

/// A manifest for images of 3 x `width` (5 or 16) numbers; sections are placed by `seal`. Two naming schemes:
///   home   "norm.weight" [W], "bias.kernel" [W, 3] (transposed)
///   other  "gain" or "gamma" [W], "packed" [6, W] (the second half), ignores "stats.*"
fb::ManifestT toyManifest(int width);

/// The packed weights for given values: scale [W], then at the next multiple of 64 bias [3, W].
std::vector<std::byte> packToyWeights(int width, std::span<const float> scale, std::span<const float> bias);

/// Places the sections, takes all hashes and puts the file together; without `weights` they are external. Every target gets the same code
/// and weights.
AlignedBytes seal(fb::ManifestT &manifest, std::span<const std::byte> code, std::span<const std::byte> weights = {});

/// `file` with its manifest replaced, all sections as they were, and a header and checksums that fit.
AlignedBytes reseal(fb::ManifestT &manifest, const AlignedBytes &file);

/// Some values that depend on `salt` and are exact in all arithmetic of the toy kernels: small multiples of 1/8.
std::vector<float> someValues(size_t count, unsigned salt);

/// An artifact with embedded weights: scale is someValues(width, 1), bias someValues(3 * width, 2).
AlignedBytes toyArtifact(int width);
/// What that artifact computes.
std::vector<float> toyResult(int width, std::span<const float> images);
std::vector<float> toyResult(int width, std::span<const float> images, std::span<const float> scale, std::span<const float> bias);

} // namespace vitrt::test

#endif // VITC_TEST_UNIT_RUNTIME_TOYARTIFACT_H
