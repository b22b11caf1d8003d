//===- CpuCodegen.h - kernel operations as host machine code ------------------*- C++ -*-===//
//
// Part of the vitc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===--------------------------------------------------------------------------------------===//

#ifndef VITC_COMPILER_CODEGEN_CPU_CPUCODEGEN_H
#define VITC_COMPILER_CODEGEN_CPU_CPUCODEGEN_H

#include "dialects/kernel/Machine.h"

#include "mlir/IR/BuiltinOps.h"
#include "mlir/IR/OwningOpRef.h"

#include <string>
#include <vector>

namespace vitc::cpu {

/// The machine that code is made for; features are what the code may use, in LLVM's names.
struct CpuTarget {
  std::string triple;
  std::string cpu;
  std::vector<std::string> features;
  int64_t vectorLanes = 4;         ///< f32 lanes of the widest register that pays: 16 (AVX-512), 8 (AVX2), 4 (portable)
  int64_t vectorRegisters = 16;    ///< 32 with AVX-512 and on AArch64
  int64_t cacheBytes = 512 << 10;  ///< of a core's second-level cache: this machine's if it is the target, usual for the level if not
  std::vector<std::string> unused; ///< features that the machine has beyond those, which code may use once `require` has been called
  /// Whether code may use the feature, which is recorded with it from now on, because the machine has it.
  bool require(llvm::StringRef feature);
  bool has(llvm::StringRef feature) const;
  /// What schedules depend on.
  kernel::Machine scheduling() const { return {vectorLanes, vectorRegisters, cacheBytes}; }
};

/// `cpu` "host" is this machine. `featureFlags` as "+avx2,-avx512f". Fails with a sentence on `error`: unknown triple or cpu (nearest name).
llvm::LogicalResult resolveTarget(llvm::StringRef triple, llvm::StringRef cpu, llvm::StringRef featureFlags, CpuTarget &target,
                                  std::string &error);

/// What the plan has to know of a generated kernel; see `Kernel` in runtime/artifact/vitx.fbs.
struct KernelInfo {
  std::string symbol;
  std::string kind;
  std::string schedule;
  int64_t scratchBytes = 0;
  int64_t rowsPerImage = 1;
  int64_t rowsPerTask = 1;
  int64_t columnTasks = 1;
};

/// Emits the function of one launch operation (kernel.gemm, patch_embed, attention, group_norm, normalize, pad_rows, pool_rows, reference) into `module`, in func, scf, memref, vector,
/// arith and math, with the entry point of docs/abi.md. Operands in the order of the operation's operands, then its results.
mlir::FailureOr<KernelInfo> emitKernel(mlir::ModuleOp module, mlir::Operation *launch, llvm::StringRef symbol, const CpuTarget &target);

/// Emits the bind function of a kernel.binding into `module`; returns its scratch bytes.
mlir::FailureOr<int64_t> emitBinding(mlir::ModuleOp module, mlir::Operation *binding, llvm::StringRef symbol);

/// Emits vitc_convert_f16, _bf16 and _f64.
void emitConversions(mlir::ModuleOp module);

enum class Output { LLVMIR, Assembly, Object };

/// Lowers `module` to LLVM and compiles it. `optLevel` 0 to 3. Warnings and errors go to the module's context.
mlir::FailureOr<std::string> compileModule(mlir::ModuleOp module, const CpuTarget &target, unsigned optLevel, Output output);

/// A module of kernels or bind functions, and what it is compiled for.
struct CompileJob {
  mlir::ModuleOp module;
  CpuTarget target;
};

/// Objects of all jobs, to be linked together. The work is split by functions, always in the same way, so that the code does not depend on
/// how many cores share it.
mlir::FailureOr<std::vector<std::string>> compileObjects(mlir::MLIRContext &context, llvm::ArrayRef<CompileJob> jobs, unsigned optLevel);

/// Links objects into a shared object without undefined symbols, in this process; returns its bytes. One call at a time.
mlir::FailureOr<std::string> linkSharedObject(mlir::MLIRContext &context, llvm::ArrayRef<std::string> objects, const CpuTarget &target);

} // namespace vitc::cpu

#endif // VITC_COMPILER_CODEGEN_CPU_CPUCODEGEN_H
