//===- GpuCodegen.h - kernel operations as device kernels ---------------------*- C++ -*-===//
//
// Part of the vitc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===--------------------------------------------------------------------------------------===//

#ifndef VITC_COMPILER_CODEGEN_GPU_GPUCODEGEN_H
#define VITC_COMPILER_CODEGEN_GPU_GPUCODEGEN_H

#include "compiler/codegen/cpu/TrainingUpdate.h"
#include "compiler/plan/Plan.h"
#include "dialects/kernel/PixelEmbed.h"

#include "mlir/IR/BuiltinOps.h"

#include <optional>
#include <string>

namespace vitc::gpu {

/// What device code is made for.
struct DeviceTarget {
  std::string architecture = "sm_80"; ///< NVIDIA's name, which ptxas takes
  int64_t multiprocessors = 108;      ///< of its data center GPU: what tiles are chosen for
  int64_t images = 0;                 ///< of a group, likewise; 0: some and many

  /// Whether there are the copy engine, mbarriers and products of a warpgroup.
  bool isHopper() const { return architecture == "sm_90a"; }
};

/// "sm_80" and "sm_90a"; nothing for other names.
std::optional<DeviceTarget> parseArchitecture(llvm::StringRef name);

/// What the plan has to know of a device kernel; see `Kernel` in runtime/artifact/vitx.fbs. A task is a block of threads.
struct KernelInfo {
  std::string symbol;
  std::string kind;
  std::string schedule; ///< for people
  int64_t rowsPerImage = 1;
  int64_t rowsPerTask = 1;
  int64_t columnTasks = 1;
  int64_t threads = 32;
  int64_t sharedBytes = 0;
  int64_t scratchBytes = 0; ///< of a block
  bool persistent = false;
  bool dependent = false;                  ///< see the schema's Kernel
  bool choosesByImages = false;            ///< whether another number of images may give another schedule
  std::vector<plan::TensorMap> tensorMaps; ///< in the order of the kernel's arguments
  int64_t partCounters = 0, partBytes = 0; ///< of a task: see the schema's Kernel
};

/// Emits the device.kernel of a launch operation into `module`.
mlir::FailureOr<KernelInfo> emitKernel(mlir::ModuleOp module, mlir::Operation *launch, llvm::StringRef symbol, const DeviceTarget &target);

/// Turns the device kernels of `module` into functions of the host that call the emulator.
mlir::LogicalResult lowerToEmulator(mlir::ModuleOp module);

/// PTX text of the device kernels of `module`, which is lowered, for an architecture of NVIDIA's, "sm_80". A kernel's arguments are its
/// memories and the number of images; where it has scratch memory also that of all blocks, and the bytes of a block (i64). Its shared
/// memory is dynamic: the launch gives KernelInfo::sharedBytes.
mlir::FailureOr<std::string> compileToPtx(mlir::ModuleOp module, llvm::StringRef architecture);

// The kernels, one file each.
mlir::FailureOr<KernelInfo> emitConvert(mlir::ModuleOp module, kernel::ConvertOp op, llvm::StringRef symbol);
mlir::FailureOr<KernelInfo> emitNormalize(mlir::ModuleOp module, kernel::NormalizeOp op, llvm::StringRef symbol);
mlir::FailureOr<KernelInfo> emitGemm(mlir::ModuleOp module, kernel::GemmOp op, llvm::StringRef symbol, const DeviceTarget &target);
mlir::FailureOr<KernelInfo> emitPatchEmbed(mlir::ModuleOp module, kernel::PatchEmbedOp op, llvm::StringRef symbol,
                                           const DeviceTarget &target);
mlir::FailureOr<KernelInfo> emitPixelEmbed(mlir::ModuleOp module, kernel::PixelEmbedOp op, llvm::StringRef symbol,
                                           const DeviceTarget &target);
mlir::FailureOr<KernelInfo> emitAttention(mlir::ModuleOp module, kernel::AttentionOp op, llvm::StringRef symbol,
                                          const DeviceTarget &target);
mlir::FailureOr<KernelInfo> emitPadRows(mlir::ModuleOp module, kernel::PadRowsOp op, llvm::StringRef symbol);
mlir::FailureOr<KernelInfo> emitPoolRows(mlir::ModuleOp module, kernel::PoolRowsOp op, llvm::StringRef symbol);
mlir::FailureOr<KernelInfo> emitGroupNorm(mlir::ModuleOp module, kernel::GroupNormOp op, llvm::StringRef symbol);
mlir::FailureOr<KernelInfo> emitReference(mlir::ModuleOp module, kernel::ReferenceOp op, llvm::StringRef symbol);

// Of training programs.
mlir::FailureOr<KernelInfo> emitActivation(mlir::ModuleOp module, kernel::ActivationOp op, llvm::StringRef symbol);
mlir::FailureOr<KernelInfo> emitActivationGrad(mlir::ModuleOp module, kernel::ActivationGradOp op, llvm::StringRef symbol);
mlir::FailureOr<KernelInfo> emitAdd(mlir::ModuleOp module, kernel::AddOp op, llvm::StringRef symbol);
mlir::FailureOr<KernelInfo> emitAttentionGrad(mlir::ModuleOp module, kernel::AttentionGradOp op, llvm::StringRef symbol);
mlir::FailureOr<KernelInfo> emitContractRows(mlir::ModuleOp module, kernel::ContractRowsOp op, llvm::StringRef symbol,
                                             const DeviceTarget &target);
mlir::FailureOr<KernelInfo> emitMatmul(mlir::ModuleOp module, kernel::MatmulOp op, llvm::StringRef symbol, const DeviceTarget &target);
mlir::FailureOr<KernelInfo> emitNormalizeGrad(mlir::ModuleOp module, kernel::NormalizeGradOp op, llvm::StringRef symbol);
mlir::FailureOr<KernelInfo> emitNormalizeWeightGrad(mlir::ModuleOp module, kernel::NormalizeWeightGradOp op, llvm::StringRef symbol,
                                                    const DeviceTarget &target);
mlir::FailureOr<KernelInfo> emitSumRows(mlir::ModuleOp module, kernel::SumRowsOp op, llvm::StringRef symbol, const DeviceTarget &target);

/// Kernels that no launch of a program asks for: as cpu::emitUpdate and cpu::emitSquareSum, with the same operands and tasks.
mlir::FailureOr<KernelInfo> emitUpdate(mlir::ModuleOp module, const cpu::UpdateSpec &spec, llvm::StringRef symbol);
mlir::FailureOr<KernelInfo> emitSquareSum(mlir::ModuleOp module, llvm::StringRef symbol);

mlir::RankedTensorType tensorOf(mlir::Value value);

/// Element types of a launch's operands, then of its results.
llvm::SmallVector<mlir::Type> elementsOf(mlir::Operation *launch);

/// Rows of an image of a value [B, .., D].
int64_t rowsOfImage(mlir::Value value);

} // namespace vitc::gpu

#endif // VITC_COMPILER_CODEGEN_GPU_GPUCODEGEN_H
