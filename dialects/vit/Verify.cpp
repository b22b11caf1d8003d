//===- Verify.cpp - expectations on shapes and numbers ------------------------------------===//
//
// Part of the vitc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===--------------------------------------------------------------------------------------===//

#include "dialects/vit/Verify.h"

#include "mlir/IR/Diagnostics.h"

using namespace mlir;
using namespace vitc::vit;

static void printSize(InFlightDiagnostic &diagnostic, int64_t size) {
  ShapedType::isDynamic(size) ? diagnostic << "?" : diagnostic << size;
}

LogicalResult vitc::vit::expectShape(Operation *op, StringRef what, Value value, ArrayRef<Axis> expected) {
  if (!value)
    return success();
  ArrayRef<int64_t> shape = shapeOf(value);
  bool fits = shape.size() == expected.size();
  for (size_t i = 0; fits && i < expected.size(); ++i)
    fits = expected[i].size == kAny || expected[i].size == shape[i];
  if (fits)
    return success();
  InFlightDiagnostic diagnostic = op->emitOpError() << what << " is [";
  llvm::interleaveComma(shape, diagnostic, [&](int64_t size) { printSize(diagnostic, size); });
  diagnostic << "], expected [";
  llvm::interleaveComma(expected, diagnostic, [&](const Axis &axis) {
    diagnostic << axis.name;
    if (axis.size == kAny)
      return;
    if (!axis.name.empty())
      diagnostic << " = ";
    printSize(diagnostic, axis.size);
  });
  return diagnostic << "]";
}

LogicalResult vitc::vit::expectRows(Operation *op, StringRef what, Value value, ArrayRef<int64_t> rows, Axis last) {
  SmallVector<Axis> expected;
  for (int64_t size : rows)
    expected.push_back({"", size});
  expected.push_back(last);
  return expectShape(op, what, value, expected);
}

LogicalResult vitc::vit::expectEps(Operation *op, const APFloat &eps) {
  if (eps.isFinite() && !(eps.isNegative() && !eps.isZero()))
    return success();
  return op->emitOpError() << "eps is " << eps.convertToFloat() << ", expected a finite number that is not negative";
}

LogicalResult vitc::vit::expectNumbers(Operation *op, StringRef what, ArrayRef<int64_t> numbers, size_t count, int64_t least) {
  if (numbers.size() == count && llvm::all_of(numbers, [&](int64_t number) { return number >= least; }))
    return success();
  InFlightDiagnostic diagnostic = op->emitOpError() << what << " is [";
  llvm::interleaveComma(numbers, diagnostic);
  return diagnostic << "], expected " << count << " numbers of at least " << least;
}
