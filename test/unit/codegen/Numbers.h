//===- Numbers.h - bf16 and bytes in the words of a kernel's buffers ------------*- C++ -*-===//
//
// Part of the vitc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// The harness's buffers are floats. Elements of smaller types lie in them as in memory: two or four to a float, the first lowest.
//
//===--------------------------------------------------------------------------------------===//

#ifndef VITC_TEST_UNIT_CODEGEN_NUMBERS_H
#define VITC_TEST_UNIT_CODEGEN_NUMBERS_H

#include <algorithm>
#include <bit>
#include <cmath>
#include <cstdint>
#include <cstring>
#include <stdexcept>
#include <vector>

namespace vitc::test {

/// The nearest bf16, ties to even (IEEE 754, section 4.3.1); not-a-numbers stay such.
inline uint16_t bf16Bits(float value) {
  uint32_t bits = std::bit_cast<uint32_t>(value);
  if (std::isnan(value))
    return static_cast<uint16_t>(bits >> 16 | 0x40);
  return static_cast<uint16_t>((bits + 0x7fff + (bits >> 16 & 1)) >> 16);
}

inline float fromBf16(uint16_t bits) { return std::bit_cast<float>(static_cast<uint32_t>(bits) << 16); }

inline float roundedToBf16(float value) { return fromBf16(bf16Bits(value)); }

inline std::vector<float> roundedToBf16(std::vector<float> values) {
  for (float &value : values)
    value = roundedToBf16(value);
  return values;
}

/// `elements` as words of 32 bits; their number must fill whole ones.
template <typename T> std::vector<float> toWords(const std::vector<T> &elements) {
  if (elements.size() * sizeof(T) % sizeof(float) != 0)
    throw std::invalid_argument("the elements do not fill whole words");
  std::vector<float> words(elements.size() * sizeof(T) / sizeof(float));
  std::memcpy(words.data(), elements.data(), words.size() * sizeof(float));
  return words;
}

template <typename T> std::vector<T> fromWords(const std::vector<float> &words) {
  std::vector<T> elements(words.size() * sizeof(float) / sizeof(T));
  std::memcpy(elements.data(), words.data(), words.size() * sizeof(float));
  return elements;
}

inline std::vector<float> bf16Words(const std::vector<float> &values) {
  std::vector<uint16_t> halves(values.size());
  std::ranges::transform(values, halves.begin(), bf16Bits);
  return toWords(halves);
}

inline std::vector<float> fromBf16Words(const std::vector<float> &words) {
  std::vector<uint16_t> halves = fromWords<uint16_t>(words);
  std::vector<float> values(halves.size());
  std::ranges::transform(halves, values.begin(), fromBf16);
  return values;
}

inline std::vector<float> fromByteWords(const std::vector<float> &words) {
  std::vector<uint8_t> bytes = fromWords<uint8_t>(words);
  return {bytes.begin(), bytes.end()};
}

} // namespace vitc::test

#endif // VITC_TEST_UNIT_CODEGEN_NUMBERS_H
