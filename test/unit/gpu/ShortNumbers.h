//===- ShortNumbers.h - what products on tensor cores multiply ---------------*- C++ -*-===//
//
// Part of the vitc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===--------------------------------------------------------------------------------------===//

#ifndef VITC_TEST_UNIT_GPU_SHORTNUMBERS_H
#define VITC_TEST_UNIT_GPU_SHORTNUMBERS_H

#include "test/unit/codegen/Numbers.h"

#include "mlir/IR/BuiltinTypes.h"

#include <algorithm>
#include <bit>
#include <functional>

namespace vitc::test {

/// bf16, f16 or tf32, and how such numbers lie in an operand's words.
struct ShortNumber {
  const char *name;
  int64_t bytes;
  std::function<mlir::Type(mlir::MLIRContext *)> type;
  std::function<uint32_t(float)> bits;
  std::function<float(uint32_t)> number;
  double rounding;    ///< relative
  double ofAttention; ///< what rounding may do to a mean of numbers of size 1, absolute; a wrong index changes that by a tenth or more

  float round(float value) const { return number(bits(value)); }

  std::vector<float> words(const std::vector<float> &values) const {
    const size_t each = 4 / static_cast<size_t>(bytes);
    std::vector<float> result;
    for (size_t i = 0; i < values.size(); i += each) {
      uint32_t word = bits(values[i]);
      if (each == 2 && i + 1 < values.size())
        word |= bits(values[i + 1]) << 16;
      result.push_back(std::bit_cast<float>(word));
    }
    return result;
  }

  std::vector<float> numbers(const std::vector<float> &words) const {
    std::vector<float> result;
    for (float word : words) {
      const auto all = std::bit_cast<uint32_t>(word);
      if (bytes == 4) {
        result.push_back(number(all));
        continue;
      }
      result.push_back(number(all & 0xffff));
      result.push_back(number(all >> 16));
    }
    return result;
  }

  /// Words that hold so many.
  size_t wordsOf(size_t count) const { return (count * static_cast<size_t>(bytes) + 3) / 4; }
};

inline const ShortNumber kBf16 = {"bf16",
                                  2,
                                  [](mlir::MLIRContext *context) { return mlir::BFloat16Type::get(context); },
                                  bf16Bits,
                                  [](uint32_t bits) { return fromBf16(static_cast<uint16_t>(bits)); },
                                  0x1p-8,
                                  4e-3};
inline const ShortNumber kF16 = {"f16",
                                 2,
                                 [](mlir::MLIRContext *context) { return mlir::Float16Type::get(context); },
                                 [](float value) { return uint32_t(std::bit_cast<uint16_t>(static_cast<_Float16>(value))); },
                                 [](uint32_t bits) { return static_cast<float>(std::bit_cast<_Float16>(static_cast<uint16_t>(bits))); },
                                 0x1p-11,
                                 5e-4};
inline const ShortNumber kTf32 = {"tf32",
                                  4,
                                  [](mlir::MLIRContext *context) { return mlir::FloatTF32Type::get(context); },
                                  [](float value) {
                                    auto bits = std::bit_cast<uint32_t>(value);
                                    return (bits & 0x7f800000) == 0x7f800000 ? bits : (bits + 0x1000) & ~uint32_t(0x1fff);
                                  },
                                  [](uint32_t bits) { return std::bit_cast<float>(bits); },
                                  0x1p-11,
                                  5e-4};

} // namespace vitc::test

#endif // VITC_TEST_UNIT_GPU_SHORTNUMBERS_H
