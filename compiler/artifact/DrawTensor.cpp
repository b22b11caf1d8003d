//===- DrawTensor.cpp - random tensors as functions of a name -------------------------------===//
//
// Part of the vitc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===--------------------------------------------------------------------------------------===//

#include "compiler/artifact/DrawTensor.h"

#include "llvm/ADT/STLExtras.h"
#include "llvm/ADT/StringRef.h"

#include <cmath>
#include <limits>
#include <numbers>

using namespace vitc;
using namespace vitc::artifact;

double artifact::normalNumber(const vitrt::RandomBits &bits, uint64_t index, double cut) {
  for (uint64_t attempt = 0;; ++attempt) {
    uint64_t draw = (index << 20) + 2 * attempt;
    auto unit = [&](uint64_t at) { return (static_cast<double>(bits(at) >> 11) + 0.5) * 0x1p-53; };
    double value = std::sqrt(-2.0 * std::log(unit(draw))) * std::cos(2.0 * std::numbers::pi * unit(draw + 1));
    if (std::abs(value) <= cut)
      return value;
  }
}

void artifact::drawTensor(Draw draw, llvm::StringRef name, uint64_t seed, llvm::MutableArrayRef<float> values) {
  vitrt::RandomBits bits(name, seed);
  auto fill = [&](auto element) {
    for (auto [index, value] : llvm::enumerate(values))
      value = static_cast<float>(draw.value * element(index));
  };
  switch (draw.kind) {
  case Draw::Kind::Constant:
    return fill([](uint64_t) { return 1.0; });
  case Draw::Kind::Normal:
    return fill([&](uint64_t index) { return normalNumber(bits, index, std::numeric_limits<double>::infinity()); });
  case Draw::Kind::CutNormal:
    return fill([&](uint64_t index) { return normalNumber(bits, index, 2.0); });
  case Draw::Kind::Uniform:
    return fill([&](uint64_t index) { return static_cast<double>(bits.unit(index)); });
  }
}
