//===- ProductChoice.h - which schedule a launch's product has ----------------*- C++ -*-===//
//
// Part of the vitc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===--------------------------------------------------------------------------------------===//

#ifndef VITC_COMPILER_CODEGEN_GPU_PRODUCTCHOICE_H
#define VITC_COMPILER_CODEGEN_GPU_PRODUCTCHOICE_H

#include "compiler/codegen/gpu/WarpgroupProduct.h"

#include <variant>

namespace vitc::gpu {

/// Of a launch: #device.warp_product or #device.warpgroup_product, for any number of images, or an array of as many as imageCounts has.
inline constexpr char kScheduleAttribute[] = "device.schedule";

/// By warps or by warpgroups.
using AnyProductSchedule = std::variant<ProductSchedule, WarpgroupSchedule>;

/// Null for multiply-adds of f32, of which there is one schedule.
mlir::Attribute attributeOf(mlir::MLIRContext *context, const AnyProductSchedule &schedule);

/// Schedules on tensor cores that a launch may be given; none where it is no product of theirs.
llvm::SmallVector<mlir::Attribute> allProductSchedules(mlir::Operation *launch, const DeviceTarget &target);

/// Those that are worth measuring for `target.images`: by the model of time the first of either kind and what takes at most twice as long.
llvm::SmallVector<mlir::Attribute> productCandidates(mlir::Operation *launch, const DeviceTarget &target);

/// What the launch was given, else what the model of time chooses for `target.images`. Fails with a diagnostic where it was given something that is
/// no candidate.
mlir::FailureOr<AnyProductSchedule> productScheduleOf(mlir::Operation *launch, const DeviceTarget &target);

/// Of products whose schedules can be chosen.
ProductShape gemmShape(kernel::GemmOp op);
ProductShape patchShape(kernel::PatchEmbedOp op);

} // namespace vitc::gpu

#endif // VITC_COMPILER_CODEGEN_GPU_PRODUCTCHOICE_H
