//===- DeviceFunction.h - the kernel of a launch on a GPU ---------------------*- C++ -*-===//
//
// Part of the vitc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// What every emitter starts with: a device.kernel with its operands, and short spellings of what kernels consist of. Integers are of 32 bits.
//
//===--------------------------------------------------------------------------------------===//

#ifndef VITC_COMPILER_CODEGEN_GPU_DEVICEFUNCTION_H
#define VITC_COMPILER_CODEGEN_GPU_DEVICEFUNCTION_H

#include "compiler/codegen/cpu/KernelFunction.h"
#include "dialects/device/DeviceDialect.h"

#include "mlir/IR/ImplicitLocOpBuilder.h"

namespace vitc::gpu {

using mlir::ImplicitLocOpBuilder;
using mlir::Type;
using mlir::Value;
using mlir::ValueRange;

// Arithmetic of any type of numbers is spelled as for the CPU.
using cpu::addf;
using cpu::divf;
using cpu::fma;
using cpu::mulf;
using cpu::subf;

/// The kernel `symbol` of a launch whose operands have elements of the types `elements`, complete with its return; `b` inserts before that. A
/// block is a task of the plan: rows_per_task rows by columns / column_tasks columns.
class DeviceFunction {
public:
  DeviceFunction(mlir::ModuleOp module, llvm::StringRef symbol, mlir::Location loc, llvm::ArrayRef<Type> elements, int64_t threads);

  ImplicitLocOpBuilder b;
  Value images, block, thread; ///< i32

  /// The launch's operand.
  Value operand(unsigned number) const { return kernel.getArgument(number); }

  /// Shared memory for `elements`, aligned to 128 bytes or what is asked for; what was taken before stays.
  Value takeShared(int64_t elements, Type element, int64_t alignment = 128);
  /// One more argument; see KernelInfo::tensorMaps.
  Value takeTensorMap(Type element, int64_t rank);
  int64_t sharedBytes() const { return kernel.getSharedBytes(); }
  int64_t threads() const { return kernel.getThreads(); }

  /// Has the registers of a thread limited so that a multiprocessor takes that many blocks at a time.
  void limitRegisters(int64_t blocks);

private:
  mutable device::KernelOp kernel;
};

//===--------------------------------------------------------------------------------------===//
// Integers of 32 bits
//===--------------------------------------------------------------------------------------===//

Value constant(ImplicitLocOpBuilder &b, int64_t value);
Value add(ImplicitLocOpBuilder &b, Value lhs, Value rhs);
Value add(ImplicitLocOpBuilder &b, Value lhs, int64_t rhs);
Value sub(ImplicitLocOpBuilder &b, Value lhs, Value rhs);
Value mul(ImplicitLocOpBuilder &b, Value lhs, Value rhs);
Value mul(ImplicitLocOpBuilder &b, Value lhs, int64_t rhs);
/// Quotients of non-negative numbers by a positive constant.
Value div(ImplicitLocOpBuilder &b, Value lhs, int64_t rhs);
Value rem(ImplicitLocOpBuilder &b, Value lhs, int64_t rhs);
Value min(ImplicitLocOpBuilder &b, Value lhs, Value rhs);
Value less(ImplicitLocOpBuilder &b, Value lhs, Value rhs);
Value less(ImplicitLocOpBuilder &b, Value lhs, int64_t rhs);
Value both(ImplicitLocOpBuilder &b, Value lhs, Value rhs);
Value select(ImplicitLocOpBuilder &b, Value condition, Value then, Value otherwise);

//===--------------------------------------------------------------------------------------===//
// f32
//===--------------------------------------------------------------------------------------===//

Value number(ImplicitLocOpBuilder &b, double value);
Value maximum(ImplicitLocOpBuilder &b, Value lhs, Value rhs);
/// f32 from f32, bf16 or f16, scalars and vectors; and back, rounded to the nearest. A tf32 is an f32 with zeros behind its 10 bits of significand.
Value widened(ImplicitLocOpBuilder &b, Value value);
Value narrowed(ImplicitLocOpBuilder &b, Value value, Type element);

/// What `combine`, associative and commutative, makes of the values of `lanes` neighbouring threads, a power of two up to 32; all of them get it.
Value meetingOfLanes(ImplicitLocOpBuilder &b, Value value, int64_t lanes, llvm::function_ref<Value(Value, Value)> combine);
Value sumOfLanes(ImplicitLocOpBuilder &b, Value value, int64_t lanes);
Value maximumOfLanes(ImplicitLocOpBuilder &b, Value value, int64_t lanes);

//===--------------------------------------------------------------------------------------===//
// Memory and control flow
//===--------------------------------------------------------------------------------------===//

/// The element at `index`, or a vector of `lanes` > 1 from there on.
Value load(ImplicitLocOpBuilder &b, Value memory, Value index, int64_t lanes = 1);
/// The same, or zero unless `condition`.
Value loadIf(ImplicitLocOpBuilder &b, Value condition, Value memory, Value index, int64_t lanes = 1);
void store(ImplicitLocOpBuilder &b, Value value, Value memory, Value index);
/// The memory from `index` on.
Value advance(ImplicitLocOpBuilder &b, Value memory, Value index);
/// The memory from element `row` times `stride` on, counted in 64 bits.
Value rowOf(ImplicitLocOpBuilder &b, Value memory, Value row, int64_t stride);
Value lane(ImplicitLocOpBuilder &b, Value vector, int64_t number);
Value vectorOf(ImplicitLocOpBuilder &b, ValueRange lanes);
/// Vectors of equal types, one behind the other.
Value concatenated(ImplicitLocOpBuilder &b, ValueRange vectors);
void barrier(ImplicitLocOpBuilder &b);

/// for (i = lower; i < upper; i += step), with loop-carried values as cpu::forLoop.
llvm::SmallVector<Value> forLoop(ImplicitLocOpBuilder &b, Value lower, Value upper, int64_t step, ValueRange carried,
                                 llvm::function_ref<llvm::SmallVector<Value>(Value, ValueRange)> body);
void ifThen(ImplicitLocOpBuilder &b, Value condition, llvm::function_ref<void()> then);
/// Values of the types `types`: those of `then` where the condition holds, of `otherwise` where not.
llvm::SmallVector<Value> ifElse(ImplicitLocOpBuilder &b, Value condition, mlir::TypeRange types,
                                llvm::function_ref<llvm::SmallVector<Value>()> then,
                                llvm::function_ref<llvm::SmallVector<Value>()> otherwise);

/// The most elements, up to 16 bytes of `element`, in which rows of `width` elements can be walked.
int64_t vectorFor(int64_t width, Type element);

} // namespace vitc::gpu

#endif // VITC_COMPILER_CODEGEN_GPU_DEVICEFUNCTION_H
