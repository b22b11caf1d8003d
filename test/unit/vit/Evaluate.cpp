//===- Evaluate.cpp - functions of vit operations, run by MLIR's own passes ---------------===//
//
// Part of the vitc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===--------------------------------------------------------------------------------------===//

#include "Evaluate.h"
#include "Jit.h"
#include "compiler/conversion/Passes.h"

#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/Parser/Parser.h"
#include "mlir/Pass/PassManager.h"

#include <gtest/gtest.h>

#include <cmath>
#include <numeric>
#include <random>
#include <stdexcept>

using namespace mlir;

namespace vitc::test {

static int64_t product(const std::vector<int64_t> &shape) {
  return std::accumulate(shape.begin(), shape.end(), int64_t(1), std::multiplies<>());
}

Tensor::Tensor(std::vector<int64_t> shape) : shape(std::move(shape)), data(product(this->shape)) {}

Tensor Tensor::random(std::vector<int64_t> shape, uint32_t seed) {
  Tensor tensor(std::move(shape));
  std::mt19937 generator(seed);
  for (float &value : tensor.data)
    value = static_cast<float>(generator()) / 2147483648.0f - 1.0f;
  return tensor;
}

double Tensor::at(std::initializer_list<int64_t> position) const {
  int64_t index = 0;
  size_t axis = 0;
  for (int64_t i : position)
    index = index * shape[axis++] + i;
  return data[index];
}

std::string Tensor::type(bool dynamicBatch) const {
  std::string text = "tensor<";
  for (size_t i = 0; i < shape.size(); ++i)
    text += (i == 0 && dynamicBatch ? "?" : std::to_string(shape[i])) + "x";
  return text + "f32>";
}

Tensor evaluate(const std::string &text, const std::vector<Tensor> &arguments, const std::function<void(OpPassManager &)> &prepare) {
  MLIRContext context(makeRegistry(), MLIRContext::Threading::DISABLED);
  OwningOpRef<ModuleOp> module = parseSourceString<ModuleOp>(text, &context);
  if (!module)
    throw std::runtime_error("cannot parse:\n" + text);
  PassManager passes(&context);
  if (prepare)
    prepare(passes.nest<func::FuncOp>());
  passes.addPass(createConvertVitToLinalg());
  if (failed(passes.run(*module)))
    throw std::runtime_error("cannot lower:\n" + text);

  std::vector<Array> arrays;
  for (const Tensor &argument : arguments)
    arrays.push_back({argument.shape, const_cast<float *>(argument.data.data())});
  Tensor result;
  Jit(*module).call("f", arrays, [&](const Array &array) {
    result = Tensor(array.shape);
    const float *elements = static_cast<const float *>(array.data);
    result.data.assign(elements, elements + result.data.size());
  });
  return result;
}

void expectFormula(const Tensor &actual, const std::vector<int64_t> &shape,
                   const std::function<double(const std::vector<int64_t> &)> &formula, double tolerance) {
  ASSERT_EQ(actual.shape, shape);
  std::vector<int64_t> position(shape.size());
  for (size_t i = 0; i < actual.data.size(); ++i) {
    size_t rest = i;
    for (size_t axis = shape.size(); axis-- > 0; rest /= shape[axis])
      position[axis] = rest % shape[axis];
    double expected = formula(position);
    ASSERT_NEAR(actual.data[i], expected, tolerance * std::max(1.0, std::abs(expected))) << "at " << ::testing::PrintToString(position);
  }
}

} // namespace vitc::test
