//===- Evaluate.h - functions of vit operations, run by MLIR's own passes -----*- C++ -*-===//
//
// Part of the vitc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===--------------------------------------------------------------------------------------===//

#ifndef VITC_TEST_UNIT_VIT_EVALUATE_H
#define VITC_TEST_UNIT_VIT_EVALUATE_H

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

namespace mlir {
class OpPassManager;
} // namespace mlir

namespace vitc::test {

/// A row-major f32 tensor.
struct Tensor {
  std::vector<int64_t> shape;
  std::vector<float> data;

  explicit Tensor(std::vector<int64_t> shape = {});
  /// Values between -1 and 1 that depend on `seed` alone.
  static Tensor random(std::vector<int64_t> shape, uint32_t seed);

  double at(std::initializer_list<int64_t> position) const;
  /// "tensor<2x5x8xf32>", or "tensor<?x5x8xf32>" with a dynamic batch.
  std::string type(bool dynamicBatch = false) const;
};

/// Compiles `module`, which defines `@f` with one result, through convert-vit-to-linalg and MLIR's own passes to machine code and calls
/// it. None of vitc's code generation takes part, and erf, exp and tanh are those of libm. Throws std::runtime_error where anything fails.
/// `prepare` may add passes that the functions go through before.
Tensor evaluate(const std::string &module, const std::vector<Tensor> &arguments,
                const std::function<void(mlir::OpPassManager &)> &prepare = {});

/// Expects `actual` to have the shape `shape` and in every place the value `formula` gives for the position, within `tolerance` of max(1,
/// |value|).
void expectFormula(const Tensor &actual, const std::vector<int64_t> &shape,
                   const std::function<double(const std::vector<int64_t> &)> &formula, double tolerance = 2e-6);

} // namespace vitc::test

#endif // VITC_TEST_UNIT_VIT_EVALUATE_H
