//===- DeviceDialect.h - the device dialect: what the threads of a GPU do -----*- C++ -*-===//
//
// Part of the vitc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===--------------------------------------------------------------------------------------===//

#ifndef VITC_DIALECTS_DEVICE_DEVICEDIALECT_H
#define VITC_DIALECTS_DEVICE_DEVICEDIALECT_H

#include "mlir/Bytecode/BytecodeOpInterface.h"
#include "mlir/IR/Builders.h"
#include "mlir/IR/BuiltinTypes.h"
#include "mlir/IR/Dialect.h"
#include "mlir/IR/OpDefinition.h"
#include "mlir/IR/SymbolTable.h"
#include "mlir/Interfaces/ControlFlowInterfaces.h"
#include "mlir/Interfaces/FunctionInterfaces.h"
#include "mlir/Interfaces/SideEffectInterfaces.h"

#include "dialects/device/DeviceDialect.h.inc"
#include "dialects/device/DeviceEnums.h.inc"

#define GET_ATTRDEF_CLASSES
#include "dialects/device/DeviceAttributes.h.inc"

#define GET_TYPEDEF_CLASSES
#include "dialects/device/DeviceTypes.h.inc"

#define GET_OP_CLASSES
#include "dialects/device/DeviceOps.h.inc"

namespace vitc::device {

/// Threads that run in step.
constexpr int64_t kWarp = 32;

/// Threads that multiply together on a GPU of compute capability 9.0.
constexpr int64_t kWarpgroup = 128;

/// Bytes in memory of an element or of a vector of them; a tf32 takes those of an f32.
int64_t bytesOf(mlir::Type type);

/// What a register holds of an element in memory: an f32 of a tf32, otherwise the element.
mlir::Type registerType(mlir::Type element);

} // namespace vitc::device

#endif // VITC_DIALECTS_DEVICE_DEVICEDIALECT_H
