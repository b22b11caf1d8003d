//===- EmitKernel.cpp - which emitter makes which launch ----------------------*- C++ -*-===//
//
// Part of the vitc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===--------------------------------------------------------------------------------------===//

#include "compiler/codegen/cpu/Attention.h"
#include "compiler/codegen/cpu/AttentionGrad.h"
#include "compiler/codegen/cpu/ColumnSums.h"
#include "compiler/codegen/cpu/CpuCodegen.h"
#include "compiler/codegen/cpu/FeatureMaps.h"
#include "compiler/codegen/cpu/Gemm.h"
#include "compiler/codegen/cpu/Matmul.h"
#include "compiler/codegen/cpu/Normalize.h"
#include "compiler/codegen/cpu/NormalizeGrad.h"
#include "compiler/codegen/cpu/PatchEmbed.h"
#include "compiler/codegen/cpu/ReducePrecision.h"
#include "compiler/codegen/cpu/Reference.h"
#include "compiler/codegen/cpu/TrainingElementwise.h"
#include "dialects/kernel/KernelDialect.h"

#include "mlir/IR/TypeUtilities.h"
#include "llvm/ADT/TypeSwitch.h"

using namespace mlir;

namespace vitc::cpu {

FailureOr<KernelInfo> emitKernel(ModuleOp module, Operation *launch, StringRef symbol, const CpuTarget &target) {
  for (Type type : llvm::concat<const Type>(launch->getOperandTypes(), launch->getResultTypes()))
    if (Type element = getElementTypeOrSelf(type); element.isF16() || isa<FloatTF32Type>(element))
      return launch->emitOpError() << "computes with " << element << ", of which a CPU has no products; there are f32, bf16 and i8";
  return llvm::TypeSwitch<Operation *, FailureOr<KernelInfo>>(launch)
      .Case([&](kernel::ActivationGradOp op) { return emitActivationGrad(module, op, symbol); })
      .Case([&](kernel::ActivationOp op) { return emitActivation(module, op, symbol); })
      .Case([&](kernel::AddOp op) { return emitAdd(module, op, symbol); })
      .Case([&](kernel::AttentionOp op) { return emitAttention(module, op, symbol); })
      .Case([&](kernel::AttentionGradOp op) { return emitAttentionGrad(module, op, symbol); })
      .Case([&](kernel::ContractRowsOp op) { return emitContractRows(module, op, symbol, target); })
      .Case([&](kernel::ConvertOp op) { return emitConvert(module, op, symbol); })
      .Case([&](kernel::GemmOp op) { return emitGemm(module, op, symbol); })
      .Case([&](kernel::GroupNormOp op) { return emitGroupNorm(module, op, symbol); })
      .Case([&](kernel::MatmulOp op) { return emitMatmul(module, op, symbol, target); })
      .Case([&](kernel::NormalizeOp op) { return emitNormalize(module, op, symbol); })
      .Case([&](kernel::NormalizeGradOp op) { return emitNormalizeGrad(module, op, symbol); })
      .Case([&](kernel::NormalizeWeightGradOp op) { return emitNormalizeWeightGrad(module, op, symbol); })
      .Case([&](kernel::PadRowsOp op) { return emitPadRows(module, op, symbol); })
      .Case([&](kernel::PatchEmbedOp op) { return emitPatchEmbed(module, op, symbol); })
      .Case([&](kernel::PoolRowsOp op) { return emitPoolRows(module, op, symbol); })
      .Case([&](kernel::QuantizeOp op) { return emitQuantize(module, op, symbol); })
      .Case([&](kernel::ReferenceOp op) { return emitReference(module, op, symbol); })
      .Case([&](kernel::SumRowsOp op) { return emitSumRows(module, op, symbol); })
      .Default([](Operation *op) -> FailureOr<KernelInfo> { return op->emitOpError() << "is not a launch that the CPU has a kernel for"; });
}

} // namespace vitc::cpu
