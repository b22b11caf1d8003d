//===- Verify.h - expectations on shapes and numbers --------------------------*- C++ -*-===//
//
// Part of the vitc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===--------------------------------------------------------------------------------------===//

#ifndef VITC_DIALECTS_VIT_VERIFY_H
#define VITC_DIALECTS_VIT_VERIFY_H

#include "mlir/IR/BuiltinTypes.h"
#include "mlir/IR/Operation.h"

namespace vitc::vit {

/// The size of an axis that may have any.
constexpr int64_t kAny = -1;
static_assert(kAny != mlir::ShapedType::kDynamic);

/// One axis of an expected shape: by name, and by size unless any will do.
struct Axis {
  llvm::StringRef name;
  int64_t size = kAny;
};

inline llvm::ArrayRef<int64_t> shapeOf(mlir::Value value) { return llvm::cast<mlir::RankedTensorType>(value.getType()).getShape(); }

/// Fails with "weight is [10, 191], expected [N, K = 192]", unless `value` is absent or fits.
mlir::LogicalResult expectShape(mlir::Operation *op, llvm::StringRef what, mlir::Value value, llvm::ArrayRef<Axis> expected);

/// The same, for a value that is `rows` but for its last axis.
mlir::LogicalResult expectRows(mlir::Operation *op, llvm::StringRef what, mlir::Value value, llvm::ArrayRef<int64_t> rows, Axis last);

/// Fails unless `eps` is finite and not negative.
mlir::LogicalResult expectEps(mlir::Operation *op, const llvm::APFloat &eps);

/// Fails unless `numbers` are `count` numbers of at least `least`.
mlir::LogicalResult expectNumbers(mlir::Operation *op, llvm::StringRef what, llvm::ArrayRef<int64_t> numbers, size_t count, int64_t least);

} // namespace vitc::vit

#endif // VITC_DIALECTS_VIT_VERIFY_H
