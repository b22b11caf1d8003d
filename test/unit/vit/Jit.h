//===- Jit.h - functions on tensors as machine code --------------------- -*- C++ -*-===//
//
// Part of the vitc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===--------------------------------------------------------------------------------------===//

#ifndef VITC_TEST_UNIT_VIT_JIT_H
#define VITC_TEST_UNIT_VIT_JIT_H

#include "mlir/IR/BuiltinOps.h"
#include "mlir/IR/DialectRegistry.h"

#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

namespace mlir {
class ExecutionEngine;
} // namespace mlir

namespace vitc::test {

/// The vit dialect and what MLIR's own passes and translations want to know.
mlir::DialectRegistry makeRegistry();

/// A row-major tensor in memory, of the function's element type.
struct Array {
  std::vector<int64_t> shape;
  void *data;
};

/// Compiles functions of linalg, tensor, arith and math on tensors through MLIR's own passes. None of vitc's code generation takes part, and
/// erf, exp and tanh are those of libm. Throws std::runtime_error where anything fails.
class Jit {
public:
  explicit Jit(mlir::ModuleOp module);
  ~Jit();

  /// Calls a function and hands over its results in order; their memory lasts until `receive` returns.
  void call(const std::string &name, const std::vector<Array> &arguments, const std::function<void(const Array &)> &receive) const;

private:
  std::unique_ptr<mlir::ExecutionEngine> engine;
  std::map<std::string, std::vector<size_t>> resultRanks;
};

} // namespace vitc::test

#endif // VITC_TEST_UNIT_VIT_JIT_H
