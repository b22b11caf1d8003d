//===- Philox.h - random numbers by counter ---------------------------------*- C++ -*-===//
//
// Part of the vitc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===--------------------------------------------------------------------------------------===//
//
// Philox 4x32-10 (Salmon, Moraes, Dror, Shaw: Parallel random numbers, as easy as 1, 2, 3; SC 2011): a number is a function of a key and a
// counter, so what an image gets depends on (seed, epoch, index, place) and neither on threads nor on what was drawn before.
//
//===--------------------------------------------------------------------------------------===//

#ifndef VITC_RUNTIME_DATA_PHILOX_H
#define VITC_RUNTIME_DATA_PHILOX_H

#include <array>
#include <cmath>
#include <cstdint>
#include <numbers>

namespace vitrt {

/// The 128 random bits of a 128-bit counter under a 64-bit key, least significant words first.
inline std::array<uint32_t, 4> philox(std::array<uint32_t, 4> counter, std::array<uint32_t, 2> key) {
  constexpr int rounds = 10;
  for (int round = 0; round < rounds; ++round) {
    uint64_t low = uint64_t(0xD2511F53u) * counter[0], high = uint64_t(0xCD9E8D57u) * counter[2];
    counter = {uint32_t(high >> 32) ^ counter[1] ^ key[0], uint32_t(high), uint32_t(low >> 32) ^ counter[3] ^ key[1], uint32_t(low)};
    key[0] += 0x9E3779B9u;
    key[1] += 0xBB67AE85u;
  }
  return counter;
}

/// What numbers are drawn for; each has a stream of its own, so that switching one augmentation on changes no other.
enum class Place : uint32_t { Split, Order, Crop, Flip, Jitter, RandAugment, Erase, Mixing };

/// The numbers of one (seed, epoch, index, place): the key is the seed, the counter (draw / 4, index, epoch, place).
class RandomStream {
public:
  RandomStream(uint64_t seed, uint32_t epoch, uint32_t index, Place place)
      : key{uint32_t(seed), uint32_t(seed >> 32)}, counter{0, index, epoch, uint32_t(place)} {}

  uint32_t bits() {
    if (used == block.size()) {
      block = philox(counter, key);
      ++counter[0];
      used = 0;
    }
    return block[used++];
  }

  /// In the open interval (0, 1), the middle of one of 2^32 equal parts.
  double uniform() { return (bits() + 0.5) * 0x1p-32; }
  double uniform(double low, double high) { return low + (high - low) * uniform(); }
  bool chance(double probability) { return uniform() < probability; }

  /// A whole number in [0, count), all equally likely (Lemire, Fast random integer generation in an interval, 2019); count is at least 1.
  uint32_t below(uint32_t count) {
    uint64_t product = uint64_t(bits()) * count;
    if (uint32_t(product) < count)
      for (uint32_t unfair = -count % count; uint32_t(product) < unfair;)
        product = uint64_t(bits()) * count;
    return uint32_t(product >> 32);
  }

  /// Standard normal (Box and Muller 1958; the sine is not used).
  double normal() {
    double radius = std::sqrt(-2.0 * std::log(uniform()));
    return radius * std::cos(2.0 * std::numbers::pi * uniform());
  }

private:
  std::array<uint32_t, 2> key;
  std::array<uint32_t, 4> counter, block{};
  size_t used = 4;
};

} // namespace vitrt

#endif // VITC_RUNTIME_DATA_PHILOX_H
