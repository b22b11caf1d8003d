//===- ReferenceBuilder.h - formulas as linalg on tensors ---------------------*- C++ -*-===//
//
// Part of the vitc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// What reference lowerings are written with, so that they read as the formulas they are.
//
//===--------------------------------------------------------------------------------------===//

#ifndef VITC_DIALECTS_VIT_REFERENCEBUILDER_H
#define VITC_DIALECTS_VIT_REFERENCEBUILDER_H

#include "dialects/vit/Verify.h"

#include "mlir/IR/AffineExpr.h"
#include "mlir/IR/BuiltinTypes.h"
#include "mlir/IR/ImplicitLocOpBuilder.h"

namespace vitc::vit {

/// An f32 within the body of a `linalg.generic`; operators and functions on it create arith and math operations.
struct Scalar {
  mlir::ImplicitLocOpBuilder *builder;
  mlir::Value value;

  Scalar constant(double number) const;
};

Scalar operator+(Scalar a, Scalar b);
Scalar operator-(Scalar a, Scalar b);
Scalar operator*(Scalar a, Scalar b);
Scalar operator/(Scalar a, Scalar b);
Scalar operator-(Scalar a);
inline Scalar operator+(Scalar a, double b) { return a + a.constant(b); }
inline Scalar operator*(Scalar a, double b) { return a * a.constant(b); }
inline Scalar operator/(Scalar a, double b) { return a / a.constant(b); }
inline Scalar operator/(double a, Scalar b) { return b.constant(a) / b; }
Scalar max(Scalar a, Scalar b);
Scalar exp(Scalar x);
Scalar log(Scalar x);
Scalar erf(Scalar x);
Scalar sin(Scalar x);
Scalar cos(Scalar x);
Scalar sqrt(Scalar x);
Scalar tanh(Scalar x);

enum class Activation : uint32_t;
/// A point-wise function, by the formulas of `vit.activation`.
Scalar activate(Activation kind, Scalar x);

/// An operand and the element of it that a formula reads, by the loops' axes.
struct Read {
  mlir::Value tensor;
  llvm::SmallVector<mlir::AffineExpr> at;
};

class ReferenceBuilder : public mlir::ImplicitLocOpBuilder {
public:
  using Body = llvm::function_ref<Scalar(llvm::ArrayRef<Scalar>)>;

  /// Builds at `builder`'s insertion point. Axis 0 of `batched` is the batch of all results whose shape begins with a dynamic size.
  ReferenceBuilder(mlir::OpBuilder &builder, mlir::Location loc, mlir::Value batched = {})
      : ImplicitLocOpBuilder(loc, builder), batched(batched) {}

  mlir::AffineExpr axis(unsigned index) { return getAffineDimExpr(index); }
  mlir::AffineExpr constant(int64_t value) { return getAffineConstantExpr(value); }
  /// Axes [first, first + count) in order.
  llvm::SmallVector<mlir::AffineExpr> axes(unsigned count, unsigned first = 0);

  mlir::Value empty(llvm::ArrayRef<int64_t> shape);
  mlir::Value fill(llvm::ArrayRef<int64_t> shape, double value);

  /// result[i0, i1, ...] = body(reads...), one loop axis for each axis of `shape`.
  mlir::Value compute(llvm::ArrayRef<int64_t> shape, llvm::ArrayRef<Read> reads, Body body);

  /// result[i0, i1, ...] = body(reads..., the value so far) over all of the `reduced` further axes, starting from `init`. Each of these
  /// must be the whole index of some read's axis, from which its length is known.
  mlir::Value reduce(llvm::ArrayRef<int64_t> shape, unsigned reduced, double init, llvm::ArrayRef<Read> reads, Body body);

  /// The same elements in row-major order; a view where shapes allow it.
  mlir::Value reshape(mlir::Value tensor, llvm::ArrayRef<int64_t> shape);

  /// tensor[offsets[0] .. offsets[0] + shape[0], ...], and `part` written there. Axis 0 is taken whole where its size is dynamic.
  mlir::Value slice(mlir::Value tensor, llvm::ArrayRef<int64_t> offsets, llvm::ArrayRef<int64_t> shape);
  mlir::Value insert(mlir::Value part, mlir::Value into, llvm::ArrayRef<int64_t> offsets);

private:
  mlir::Value generic(mlir::Value init, unsigned reduced, llvm::ArrayRef<Read> reads, Body body);
  llvm::SmallVector<mlir::OpFoldResult> sizes(llvm::ArrayRef<int64_t> shape);

  mlir::Value batched;
};

/// Each row (last axis) of `input` divided by its deviation, or if it is not `centred` by the root of its mean square; `eps` is added
/// before the root. In two passes, because E[x^2] - E[x]^2 loses the digits of a small variance. Gain and shift may be absent.
mlir::Value normalizeRows(ReferenceBuilder &b, mlir::Value input, mlir::Value gain, mlir::Value shift, bool centred, double eps);

/// Softmax over the last axis, the row's maximum subtracted first.
mlir::Value softmaxRows(ReferenceBuilder &b, mlir::Value scores);

} // namespace vitc::vit

#endif // VITC_DIALECTS_VIT_REFERENCEBUILDER_H
