//===- ReferenceBody.h - a region of vit operations as loops ------------------*- C++ -*-===//
//
// Part of the vitc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===--------------------------------------------------------------------------------------===//

#ifndef VITC_COMPILER_CODEGEN_CPU_REFERENCEBODY_H
#define VITC_COMPILER_CODEGEN_CPU_REFERENCEBODY_H

#include "compiler/codegen/cpu/ReferenceLoops.h"

#include "mlir/IR/BuiltinOps.h"
#include "mlir/IR/BuiltinTypes.h"
#include "mlir/IR/ImplicitLocOpBuilder.h"
#include "mlir/IR/OwningOpRef.h"

namespace vitc::cpu {

/// A region of `vit` operations on tensors of static shape, lowered by their reference lowerings to scalar loops over memrefs. Temporaries have been given
/// places in one piece of scratch memory; those whose lives do not overlap share it.
class ReferenceBody {
public:
  /// `arguments` are the memref types that stand for the region's arguments (read only), then `results` those that its yielded values are written to.
  /// `walk` and `team` say who computes which elements. Errors name the operation that has no reference lowering.
  static mlir::FailureOr<ReferenceBody> lower(mlir::Region &region, llvm::ArrayRef<mlir::MemRefType> arguments,
                                              llvm::ArrayRef<mlir::MemRefType> results, const ParallelWalk &walk = walkInOrder,
                                              const ReductionTeam *team = nullptr);

  int64_t scratchBytes() const { return bytes; }

  /// See cpu::elementsAreIndependent.
  bool hasIndependentElements() const { return independent; }

  /// Copies the loops to where `b` stands. `operands`: memrefs of `arguments`, then of `results`; `scratch` gives the memory of a temporary by its
  /// byte offset, a multiple of 64.
  void inlineInto(mlir::ImplicitLocOpBuilder &b, mlir::ValueRange operands,
                  llvm::function_ref<mlir::Value(int64_t offset, mlir::MemRefType type)> scratch) const;

private:
  llvm::LogicalResult layOutTemporaries();

  mlir::OwningOpRef<mlir::ModuleOp> module; ///< holds one function
  llvm::DenseMap<mlir::Operation *, int64_t> offsets;
  int64_t bytes = 0;
  bool independent = false;
};

} // namespace vitc::cpu

#endif // VITC_COMPILER_CODEGEN_CPU_REFERENCEBODY_H
