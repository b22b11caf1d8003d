//===- RandomTensors.h - weights without a file -------------------------------*- C++ -*-===//
//
// Part of the vitc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===--------------------------------------------------------------------------------------===//
//
// So that any program can make the same network, a tensor is a function of a seed, its name and its shape. Element i of a tensor has the 64
// random bits
//   z = splitmix64(key + i),  key = FNV-1a-64(name) xor splitmix64(seed)
// and the unit value u = (z >> 40) * 2^-23 - 1 in [-1, 1), exact in f32. A weight's value is
//   1 + 0.25 u    at most one axis, the name ends in "weight", "scale" or "running_var"
//   0.125 u       at most one axis otherwise
//   c u           the name ends in "kernel" (Flax); fan-in all axes but the last; of a DenseGeneral kernel (D, h, d) D, unless "out/kernel"
//   0.5 u         the first axis is 1 (tokens, position tables)
//   c u           otherwise, fan-in: all axes but the first
// with c = f32(sqrt(3 / fan-in)).
//
//===--------------------------------------------------------------------------------------===//

#ifndef VITC_RUNTIME_WEIGHTS_RANDOMTENSORS_H
#define VITC_RUNTIME_WEIGHTS_RANDOMTENSORS_H

#include <cstdint>
#include <span>
#include <string_view>

namespace vitrt {

/// The 64 random bits of element `index`.
class RandomBits {
public:
  RandomBits(std::string_view name, uint64_t seed);
  uint64_t operator()(uint64_t index) const { return splitMix(key + index); }
  float unit(uint64_t index) const { return float((*this)(index) >> 40) * 0x1p-23f - 1.0f; }

private:
  static uint64_t splitMix(uint64_t value);
  uint64_t key;
};

/// The weight `name`; `values` has as many elements as `shape`.
void fillRandomWeight(std::string_view name, std::span<const uint64_t> shape, uint64_t seed, std::span<float> values);

/// A batch of normalized images: 2 u of the tensor "input".
void fillRandomInput(uint64_t seed, std::span<float> values);

} // namespace vitrt

#endif // VITC_RUNTIME_WEIGHTS_RANDOMTENSORS_H
