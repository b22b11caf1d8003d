//===- EmitKernel.cpp - which emitter makes which launch ----------------------------------===//
//
// Part of the vitc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===--------------------------------------------------------------------------------------===//

#include "compiler/codegen/gpu/GpuCodegen.h"
#include "dialects/device/DeviceDialect.h"

#include "llvm/ADT/StringSwitch.h"
#include "llvm/ADT/TypeSwitch.h"

#include <functional>
#include <numeric>

using namespace mlir;

namespace vitc::gpu {

RankedTensorType tensorOf(Value value) { return cast<RankedTensorType>(value.getType()); }

SmallVector<Type> elementsOf(Operation *launch) {
  SmallVector<Type> elements;
  for (Value value : launch->getOperands())
    elements.push_back(tensorOf(value).getElementType());
  for (Value value : launch->getResults())
    elements.push_back(tensorOf(value).getElementType());
  return elements;
}

int64_t rowsOfImage(Value value) {
  ArrayRef<int64_t> inner = tensorOf(value).getShape().drop_front().drop_back();
  return std::accumulate(inner.begin(), inner.end(), int64_t{1}, std::multiplies<>());
}

std::optional<DeviceTarget> parseArchitecture(StringRef name) {
  return llvm::StringSwitch<std::optional<DeviceTarget>>(name)
      .Case("sm_80", DeviceTarget{"sm_80", /*multiprocessors=*/108})
      .Case("sm_90a", DeviceTarget{"sm_90a", /*multiprocessors=*/132})
      .Default(std::nullopt);
}

static FailureOr<KernelInfo> emitAny(ModuleOp module, Operation *launch, StringRef symbol, const DeviceTarget &target) {
  module.getContext()->loadDialect<device::DeviceDialect>();
  return llvm::TypeSwitch<Operation *, FailureOr<KernelInfo>>(launch)
      .Case([&](kernel::ActivationGradOp op) { return emitActivationGrad(module, op, symbol); })
      .Case([&](kernel::ActivationOp op) { return emitActivation(module, op, symbol); })
      .Case([&](kernel::AddOp op) { return emitAdd(module, op, symbol); })
      .Case([&](kernel::AttentionGradOp op) { return emitAttentionGrad(module, op, symbol); })
      .Case([&](kernel::AttentionOp op) { return emitAttention(module, op, symbol, target); })
      .Case([&](kernel::ContractRowsOp op) { return emitContractRows(module, op, symbol, target); })
      .Case([&](kernel::ConvertOp op) { return emitConvert(module, op, symbol); })
      .Case([&](kernel::GemmOp op) { return emitGemm(module, op, symbol, target); })
      .Case([&](kernel::GroupNormOp op) { return emitGroupNorm(module, op, symbol); })
      .Case([&](kernel::MatmulOp op) { return emitMatmul(module, op, symbol, target); })
      .Case([&](kernel::NormalizeGradOp op) { return emitNormalizeGrad(module, op, symbol); })
      .Case([&](kernel::NormalizeOp op) { return emitNormalize(module, op, symbol); })
      .Case([&](kernel::NormalizeWeightGradOp op) { return emitNormalizeWeightGrad(module, op, symbol, target); })
      .Case([&](kernel::PadRowsOp op) { return emitPadRows(module, op, symbol); })
      .Case([&](kernel::PatchEmbedOp op) { return emitPatchEmbed(module, op, symbol, target); })
      .Case([&](kernel::PixelEmbedOp op) { return emitPixelEmbed(module, op, symbol, target); })
      .Case([&](kernel::PoolRowsOp op) { return emitPoolRows(module, op, symbol); })
      .Case([&](kernel::ReferenceOp op) { return emitReference(module, op, symbol); })
      .Case([&](kernel::SumRowsOp op) { return emitSumRows(module, op, symbol, target); })
      .Default([](Operation *op) -> FailureOr<KernelInfo> { return op->emitOpError() << "is not a launch that a GPU has a kernel for"; });
}

FailureOr<KernelInfo> emitKernel(ModuleOp module, Operation *launch, StringRef symbol, const DeviceTarget &target) {
  FailureOr<KernelInfo> info = emitAny(module, launch, symbol, target);
  if (failed(info) || !target.isHopper())
    return info;
  auto kernel = module.lookupSymbol<device::KernelOp>(symbol);
  OpBuilder builder(launch->getContext());
  builder.setInsertionPointToStart(&kernel.getBody().front());
  device::DependencyWaitOp::create(builder, launch->getLoc());
  info->dependent = true;
  return info;
}

} // namespace vitc::gpu
