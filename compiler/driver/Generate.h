//===- Generate.h - from launches to functions, a plan and a table of bindings ----*- C++ -*-===//
//
// Part of the vitc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===--------------------------------------------------------------------------------------===//

#ifndef VITC_COMPILER_DRIVER_GENERATE_H
#define VITC_COMPILER_DRIVER_GENERATE_H

#include "compiler/artifact/Artifact.h"
#include "compiler/codegen/gpu/GpuCodegen.h"

#include "mlir/IR/BuiltinOps.h"
#include "mlir/IR/OwningOpRef.h"

namespace vitc {

/// A module at Phase::Kernel after code was emitted for it.
struct Generated {
  mlir::OwningOpRef<mlir::ModuleOp> kernels;  ///< one function, or device kernel, for each distinct launch
  mlir::OwningOpRef<mlir::ModuleOp> bindings; ///< one for each distinct binding, and the number conversions; baseline code
  std::vector<plan::Program> programs;        ///< one for each function of the module
  std::vector<artifact::Binding> bindingTable;
};

/// What the plan has to know of a kernel.
plan::Kernel planKernel(const cpu::KernelInfo &info);
plan::Kernel planKernel(const gpu::KernelInfo &info);

/// Emits code for every launch and binding of `modules`; those that differ in names alone share a function. With a `device`, launches
/// become kernels of that.
mlir::FailureOr<Generated> generate(llvm::ArrayRef<mlir::ModuleOp> modules, const cpu::CpuTarget &target, const gpu::DeviceTarget *device = nullptr);

} // namespace vitc

#endif // VITC_COMPILER_DRIVER_GENERATE_H
