//===- CentralDifferences.h - gradients against what they are limits of -------*- C++ -*-===//
//
// Part of the vitc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===--------------------------------------------------------------------------------------===//

#ifndef VITC_TEST_UNIT_VIT_CENTRALDIFFERENCES_H
#define VITC_TEST_UNIT_VIT_CENTRALDIFFERENCES_H

#include <cstdint>
#include <map>
#include <string>
#include <vector>

namespace vitc::test {

/// Axis 0 of an activation: the images of the batch.
inline constexpr int64_t batch = -1;
using Shape = std::vector<int64_t>;

/// An operation with its operands' shapes and its result's, and how its gradient is tested.
struct Differentiated {
  /// In which %a, %b, %c... are the operands and $a, $b... their types, $y is the result's: "vit.mul %a, %b : $a".
  std::string op;
  std::vector<Shape> operands;
  Shape result;
  /// Values of operands that are data, which have no gradient. All others are random.
  std::map<size_t, std::vector<double>> data = {};
  /// Whether the random operands are positive, between 0.5 and 1.5, not between -1 and 1.
  bool positive = false;
  /// Operands on which the result does not depend, though the operation adds them up.
  std::vector<size_t> indifferent = {};
  /// Whether its lowering reads where numbers tell it to, which no pullback follows: the rule alone is tested.
  bool readsByNumbers = false;
};

/// Expects of the sum of results times a random upstream that its gradient, by the operation's rule and by its pullback, is what central
/// differences of the reference lowering give, all in double precision: within 1e-6 of the operand's largest. Expects the rule to give an
/// operand its gradient also where it is the only one that is needed.
void expectGradient(const Differentiated &c);

} // namespace vitc::test

#endif // VITC_TEST_UNIT_VIT_CENTRALDIFFERENCES_H
