//===- DeviceConversion.h - what both lowerings of the device dialect share ---*- C++ -*-===//
//
// Part of the vitc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===--------------------------------------------------------------------------------------===//

#ifndef VITC_COMPILER_CODEGEN_GPU_DEVICECONVERSION_H
#define VITC_COMPILER_CODEGEN_GPU_DEVICECONVERSION_H

#include "mlir/Dialect/LLVMIR/LLVMDialect.h"
#include "mlir/IR/ImplicitLocOpBuilder.h"
#include "mlir/Transforms/DialectConversion.h"

namespace vitc::gpu {

/// Of a device.kernel: how many blocks a multiprocessor is to have registers for (i64); 1 where it is not said.
inline constexpr llvm::StringLiteral residentBlocks = "device.resident_blocks";

/// An integer of `bits` bits.
mlir::Value llvmConstant(mlir::ImplicitLocOpBuilder &b, int64_t value, unsigned bits);

/// Replaces an operation by the values that `body` builds.
template <typename Op, typename Builder> struct ValuesConversion : mlir::OpConversionPattern<Op> {
  using Body = llvm::unique_function<llvm::SmallVector<mlir::Value>(Op, typename Op::Adaptor, Builder &) const>;
  ValuesConversion(const mlir::TypeConverter &converter, mlir::MLIRContext *context, Body body)
      : mlir::OpConversionPattern<Op>(converter, context), body(std::move(body)) {}
  llvm::LogicalResult matchAndRewrite(Op op, typename Op::Adaptor adaptor, mlir::ConversionPatternRewriter &rewriter) const override {
    Builder builder(op, rewriter);
    rewriter.replaceOp(op, body(op, adaptor, builder));
    return llvm::success();
  }
  Body body;
};

/// Replaces an operation by the value that `body` builds, or erases it where that is null. `Builder` is made of the operation and the rewriter.
template <typename Op, typename Builder> struct ValueConversion : mlir::OpConversionPattern<Op> {
  using Body = llvm::unique_function<mlir::Value(Op, typename Op::Adaptor, Builder &) const>;
  ValueConversion(const mlir::TypeConverter &converter, mlir::MLIRContext *context, Body body)
      : mlir::OpConversionPattern<Op>(converter, context), body(std::move(body)) {}
  llvm::LogicalResult matchAndRewrite(Op op, typename Op::Adaptor adaptor, mlir::ConversionPatternRewriter &rewriter) const override {
    Builder builder(op, rewriter);
    if (mlir::Value value = body(op, adaptor, builder))
      rewriter.replaceOp(op, value);
    else
      rewriter.eraseOp(op);
    return llvm::success();
  }
  Body body;
};

/// The types of a GPU: memories become pointers into their address spaces, sums a structure of f32; or, for the emulator, pointers into the host's
/// only space, and handles.
class DeviceTypeConverter : public mlir::TypeConverter {
public:
  explicit DeviceTypeConverter(bool emulated);
};

/// Converts the device operations below `root`, and what `target` makes illegal besides. Kernels go first, so that every operation finds the function
/// that it lies in.
llvm::LogicalResult convertDevice(mlir::Operation *root, const mlir::TypeConverter &converter, mlir::ConversionTarget &target,
                                  mlir::RewritePatternSet kernels, mlir::RewritePatternSet operations);

} // namespace vitc::gpu

#endif // VITC_COMPILER_CODEGEN_GPU_DEVICECONVERSION_H
