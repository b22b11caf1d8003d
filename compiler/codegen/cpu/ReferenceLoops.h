//===- ReferenceLoops.h - linalg on buffers as scalar loops -------------------*- C++ -*-===//
//
// Part of the vitc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===--------------------------------------------------------------------------------------===//

#ifndef VITC_COMPILER_CODEGEN_CPU_REFERENCELOOPS_H
#define VITC_COMPILER_CODEGEN_CPU_REFERENCELOOPS_H

#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/Dialect/Linalg/IR/Linalg.h"
#include "mlir/IR/ImplicitLocOpBuilder.h"

#include <functional>

namespace vitc::cpu {

/// How positions that do not depend on each other are walked: calls `body` once with the position in a space of `sizes`, in loops that reach
/// all of them.
using ParallelWalk =
    std::function<void(mlir::ImplicitLocOpBuilder &b, llvm::ArrayRef<int64_t> sizes, llvm::function_ref<void(mlir::ValueRange)> body)>;

/// Threads that have the positions of a reduction together, each some of the numbers that meet in an element.
class ReductionTeam {
public:
  virtual ~ReductionTeam() = default;
  /// How many threads are to have a position, 1 if one alone.
  virtual int64_t lanes(int64_t positions, int64_t length) const = 0;
  /// As ParallelWalk for `lanes` threads a position, of whose numbers, from 0 on, `body` gets the thread's.
  virtual void walk(mlir::ImplicitLocOpBuilder &b, llvm::ArrayRef<int64_t> sizes, int64_t lanes,
                    llvm::function_ref<void(mlir::ValueRange position, mlir::Value lane)> body) const = 0;
  /// What the threads of a position have, f32, in all of them, by `combine`, which is associative.
  virtual mlir::Value meet(mlir::ImplicitLocOpBuilder &b, mlir::Value own, int64_t lanes,
                           llvm::function_ref<mlir::Value(mlir::Value, mlir::Value)> combine) const = 0;
  virtual void byFirst(mlir::ImplicitLocOpBuilder &b, mlir::Value lane, llvm::function_ref<void()> body) const = 0;
};

/// How many of the team's threads have a position of the operation together; 1 without a team.
int64_t lanesOf(mlir::linalg::LinalgOp op, const ReductionTeam *team);

/// Takes the number that a reduction's result is filled with into the reduction, so that its elements are written once.
void foldFills(mlir::func::FuncOp function);

/// Nested loops, the last axis innermost.
void walkInOrder(mlir::ImplicitLocOpBuilder &b, llvm::ArrayRef<int64_t> sizes, llvm::function_ref<void(mlir::ValueRange)> body);

/// Replaces every linalg operation and memref.copy of `function`, all of static shapes, by scf loops.
///
/// Unlike upstream's convert-linalg-to-loops a reduction runs in the innermost loops and carries its accumulator as a value: a result element
/// is read and written once, and because no store lies in the loop, LLVM may vectorize it. Sums carry `reassoc` for the same reason (several
/// partial sums are also the more accurate way to add).
///
/// `walk` makes the loops over the elements of a result or a copy; it alone decides who computes which of them, as none needs another. The
/// loops of a reduction lie within its body, so that each element is summed in one place and in one order: that of `team`, if there is one and
/// it wants to.
///
/// Fails with an error on the operation that has no such form.
llvm::LogicalResult lowerLinalgToLoops(mlir::func::FuncOp function, const ParallelWalk &walk, const ReductionTeam *team = nullptr);

} // namespace vitc::cpu

#endif // VITC_COMPILER_CODEGEN_CPU_REFERENCELOOPS_H
