//===- Operation.h - functions of one operation -------------------------------*- C++ -*-===//
//
// Part of the vitc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===--------------------------------------------------------------------------------------===//

#ifndef VITC_TEST_UNIT_VIT_OPERATION_H
#define VITC_TEST_UNIT_VIT_OPERATION_H

#include "Evaluate.h"

namespace vitc::test {

using Position = std::vector<int64_t>;

/// A function @f of one operation: %a0, %a1... are its arguments; the first `batched` of them and the result carry the batch.
class Operation {
public:
  Operation(bool dynamicBatch, std::vector<Tensor> arguments, size_t batched = 1)
      : dynamicBatch(dynamicBatch), arguments(std::move(arguments)), batched(batched) {}

  std::string type(size_t i) const { return arguments[i].type(dynamicBatch && i < batched); }
  std::string typed(size_t i) const { return "%a" + std::to_string(i) + " : " + type(i); }

  /// `text` is the operation up to its type; its first arguments' types and the result's follow.
  Tensor run(const std::string &text, const std::string &operandTypes, const Position &result, bool arrow = true) const {
    std::string resultType = Tensor(result).type(dynamicBatch), parameters;
    for (size_t i = 0; i < arguments.size(); ++i)
      parameters += (i ? ", %a" : "%a") + std::to_string(i) + ": " + type(i);
    return evaluate("func.func @f(" + parameters + ") -> " + resultType + " {\n  %y = " + text + " : " + operandTypes +
                        (arrow ? " -> " + resultType : "") + "\n  return %y : " + resultType + "\n}",
                    arguments);
  }

private:
  bool dynamicBatch;
  std::vector<Tensor> arguments;
  size_t batched;
};

} // namespace vitc::test

#endif // VITC_TEST_UNIT_VIT_OPERATION_H
