//===- EmulatorCalls.h - how emulated kernels call the emulator ---------------*- C++ -*-===//
//
// Part of the vitc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===--------------------------------------------------------------------------------------===//

#ifndef VITC_COMPILER_CODEGEN_GPU_EMULATORCALLS_H
#define VITC_COMPILER_CODEGEN_GPU_EMULATORCALLS_H

#include "compiler/codegen/gpu/DeviceConversion.h"
#include "dialects/device/DeviceDialect.h"
#include "runtime/device/emulator/EmulatorAbi.h"

namespace vitc::gpu {

/// What the operations of a kernel need to call the emulator.
class Caller {
public:
  Caller(mlir::Operation *op, mlir::PatternRewriter &rewriter);

  /// What lies at `offset` of the thread's state.
  mlir::Value at(int64_t offset, mlir::Type type);

  /// The result of a call, null if `result` is.
  mlir::Value call(vitrt::emulator::Call which, mlir::Type result, llvm::ArrayRef<mlir::Value> arguments);

  /// The name of the operation in the kernel, "load 12", as a string in the object.
  mlir::Value site();

  mlir::Value address(mlir::Value memory, mlir::Value index, mlir::Type element);
  void access(mlir::Value address, int64_t bytes, bool write);

  /// Memory of the thread's own for a value that a call reads or writes, in the function's first block: a loop must not use up the stack.
  mlir::Value slot(mlir::Type type);
  mlir::Value stored(mlir::Value value);

  mlir::Type pointer() { return mlir::LLVM::LLVMPointerType::get(b.getContext()); }
  mlir::Value number(int64_t value) { return llvmConstant(b, value, 32); }
  mlir::Value number(vitrt::emulator::Operands operands) { return number(static_cast<int64_t>(operands)); }

  mlir::ImplicitLocOpBuilder b;

private:
  mlir::Operation *op;
  mlir::Value self;
};

/// What a product's operands are to the emulator: elements in memory, or those of vectors, where tf32 are f32.
vitrt::emulator::Operands operandType(mlir::Type element);

/// Makes loads and stores of views (device.view) those of their memories, which the emulator checks.
void watchViews(mlir::Operation *module);

/// Barriers in shared memory, the copy engine and products of a warpgroup.
void populateHopperToEmulator(mlir::RewritePatternSet &patterns, const mlir::TypeConverter &converter);

} // namespace vitc::gpu

#endif // VITC_COMPILER_CODEGEN_GPU_EMULATORCALLS_H
