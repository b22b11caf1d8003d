//===- NvvmBuilder.h - what lowerings to NVVM share ---------------------------*- C++ -*-===//
//
// Part of the vitc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===--------------------------------------------------------------------------------------===//

#ifndef VITC_COMPILER_CODEGEN_GPU_NVVMBUILDER_H
#define VITC_COMPILER_CODEGEN_GPU_NVVMBUILDER_H

#include "compiler/codegen/gpu/DeviceConversion.h"
#include "dialects/device/DeviceDialect.h"

namespace vitc::gpu {

/// Builds where an operation stands.
struct NvvmBuilder : mlir::ImplicitLocOpBuilder {
  NvvmBuilder(mlir::Operation *op, mlir::OpBuilder &rewriter) : ImplicitLocOpBuilder(op->getLoc(), rewriter) {}

  /// The address of element `index` of memory whose type was `type`.
  mlir::Value element(device::MemoryType type, mlir::Value memory, mlir::Value index) {
    return mlir::LLVM::GEPOp::create(*this, memory.getType(), device::registerType(type.getElement()), memory,
                                     llvm::ArrayRef<mlir::LLVM::GEPArg>{index});
  }

  /// PTX text in whose place operands stand as $0, $1, ..: the results, then the arguments; `constraints` are LLVM's ("=r,l").
  llvm::SmallVector<mlir::Value> assembly(llvm::StringRef text, llvm::StringRef constraints, mlir::TypeRange results,
                                          mlir::ValueRange arguments);
};

/// Barriers in shared memory, the copy engine and products of a warpgroup.
void populateHopperToNvvm(mlir::RewritePatternSet &patterns, const mlir::TypeConverter &converter);

} // namespace vitc::gpu

#endif // VITC_COMPILER_CODEGEN_GPU_NVVMBUILDER_H
