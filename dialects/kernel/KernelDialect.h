//===- KernelDialect.h - the kernel dialect: one operation, one launch --------*- C++ -*-===//
//
// Part of the vitc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===--------------------------------------------------------------------------------------===//

#ifndef VITC_DIALECTS_KERNEL_KERNELDIALECT_H
#define VITC_DIALECTS_KERNEL_KERNELDIALECT_H

#include "dialects/kernel/Machine.h"
#include "dialects/vit/VitDialect.h"

#include "mlir/Bytecode/BytecodeOpInterface.h"
#include "mlir/IR/Builders.h"
#include "mlir/IR/BuiltinTypes.h"
#include "mlir/IR/Dialect.h"
#include "mlir/IR/OpDefinition.h"
#include "mlir/IR/SymbolTable.h"
#include "mlir/Interfaces/ControlFlowInterfaces.h"
#include "mlir/Interfaces/SideEffectInterfaces.h"

#include "dialects/kernel/KernelDialect.h.inc"
#include "dialects/kernel/KernelEnums.h.inc"

#include "dialects/kernel/KernelInterfaces.h.inc"

#define GET_ATTRDEF_CLASSES
#include "dialects/kernel/KernelAttributes.h.inc"

#define GET_OP_CLASSES
#include "dialects/kernel/KernelOps.h.inc"

namespace vitc::kernel {

/// Whether `element` is bf16, f16 or tf32: what f32 is rounded to for products, which add up in f32.
bool isShortFloat(mlir::Type element);

/// Bytes of an element in memory, where a tf32 takes those of an f32.
int64_t bytesOf(mlir::Type element);

/// Elements of a number type in a word of 32 bits, the step in which products walk K.
int64_t elementsPerWord(mlir::Type element);

/// The shape of a weight [outputs, depth] of `element` once it is packed for `schedule`: [k-blocks, panels, k_block, columns], and the elements of a
/// word unless a word is one.
llvm::SmallVector<int64_t> packedShape(int64_t outputs, int64_t depth, GemmScheduleAttr schedule, mlir::Type element);

} // namespace vitc::kernel

#endif // VITC_DIALECTS_KERNEL_KERNELDIALECT_H
