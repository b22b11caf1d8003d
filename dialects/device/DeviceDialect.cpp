//===- DeviceDialect.cpp - the device dialect ---------------------------------------------===//
//
// Part of the vitc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===--------------------------------------------------------------------------------------===//

#include "dialects/device/DeviceDialect.h"

#include "mlir/IR/DialectImplementation.h"
#include "mlir/Interfaces/FunctionImplementation.h"
#include "llvm/ADT/TypeSwitch.h"

using namespace mlir;
using namespace vitc;
using namespace vitc::device;

#include "dialects/device/DeviceDialect.cpp.inc"
#include "dialects/device/DeviceEnums.cpp.inc"

#define GET_ATTRDEF_CLASSES
#include "dialects/device/DeviceAttributes.cpp.inc"

#define GET_TYPEDEF_CLASSES
#include "dialects/device/DeviceTypes.cpp.inc"

#define GET_OP_CLASSES
#include "dialects/device/DeviceOps.cpp.inc"

void DeviceDialect::initialize() {
  addAttributes<
#define GET_ATTRDEF_LIST
#include "dialects/device/DeviceAttributes.cpp.inc"
      >();
  addTypes<
#define GET_TYPEDEF_LIST
#include "dialects/device/DeviceTypes.cpp.inc"
      >();
  addOperations<
#define GET_OP_LIST
#include "dialects/device/DeviceOps.cpp.inc"
      >();
}

int64_t vitc::device::bytesOf(Type type) {
  if (auto vector = dyn_cast<VectorType>(type))
    return vector.getNumElements() * bytesOf(vector.getElementType());
  return llvm::divideCeil(registerType(type).getIntOrFloatBitWidth(), 8);
}

Type vitc::device::registerType(Type element) {
  return isa<FloatTF32Type>(element) ? Type(Float32Type::get(element.getContext())) : element;
}

//===--------------------------------------------------------------------------------------===//
// Schedules
//===--------------------------------------------------------------------------------------===//

static LogicalResult verifyCounts(function_ref<InFlightDiagnostic()> emitError, ArrayRef<int64_t> counts) {
  for (int64_t count : counts)
    if (count < 1)
      return emitError() << "a schedule consists of positive numbers, " << count << " is none";
  return success();
}

LogicalResult WarpProductAttr::verify(function_ref<InFlightDiagnostic()> emitError, int64_t rows, int64_t columns, int64_t depth,
                                      int64_t warpsDown, int64_t warpsAcross, int64_t stages, int64_t parts) {
  return verifyCounts(emitError, {rows, columns, depth, warpsDown, warpsAcross, stages, parts});
}

LogicalResult WarpgroupProductAttr::verify(function_ref<InFlightDiagnostic()> emitError, int64_t consumers, int64_t columns, int64_t stages,
                                           int64_t parts) {
  return verifyCounts(emitError, {consumers, columns, stages, parts});
}

//===--------------------------------------------------------------------------------------===//
// Kernels
//===--------------------------------------------------------------------------------------===//

void KernelOp::build(OpBuilder &builder, OperationState &state, StringRef name, ArrayRef<Type> arguments, int64_t threads,
                     int64_t sharedBytes) {
  state.addAttribute(SymbolTable::getSymbolAttrName(), builder.getStringAttr(name));
  state.addAttribute(getFunctionTypeAttrName(state.name), TypeAttr::get(builder.getFunctionType(arguments, {})));
  state.addAttribute(getThreadsAttrName(state.name), builder.getI64IntegerAttr(threads));
  state.addAttribute(getSharedBytesAttrName(state.name), builder.getI64IntegerAttr(sharedBytes));
  state.addRegion();
}

ParseResult KernelOp::parse(OpAsmParser &parser, OperationState &result) {
  auto functionType = [](Builder &builder, ArrayRef<Type> inputs, ArrayRef<Type> results, function_interface_impl::VariadicFlag,
                         std::string &) { return builder.getFunctionType(inputs, results); };
  return function_interface_impl::parseFunctionOp(parser, result, /*allowVariadic=*/false, getFunctionTypeAttrName(result.name),
                                                  functionType, getArgAttrsAttrName(result.name), getResAttrsAttrName(result.name));
}

void KernelOp::print(OpAsmPrinter &printer) {
  function_interface_impl::printFunctionOp(printer, *this, /*isVariadic=*/false, getFunctionTypeAttrName(), getArgAttrsAttrName(),
                                           getResAttrsAttrName());
}

LogicalResult KernelOp::verify() {
  if (getThreads() % kWarp != 0 || getThreads() > 1024)
    return emitOpError() << "has " << getThreads() << " threads; a block consists of 1 to 32 warps of 32 threads";
  if (!getResultTypes().empty())
    return emitOpError() << "returns values; a kernel writes its results to memory";
  for (Type type : getArgumentTypes())
    if (auto memory = dyn_cast<MemoryType>(type);
        memory ? memory.getSpace() != Space::Global : !type.isIntOrFloat() && !isa<TensorMapType>(type))
      return emitOpError() << "takes " << type << "; arguments are global memory, numbers and tensor maps";
  return success();
}

//===--------------------------------------------------------------------------------------===//
// Memory
//===--------------------------------------------------------------------------------------===//

/// Whether a value of `type` may be read from or written to `memory` at once.
static LogicalResult verifyAccess(Operation *op, MemoryType memory, Type type) {
  auto vector = dyn_cast<VectorType>(type);
  if (getElementTypeOrSelf(type) != registerType(memory.getElement()))
    return op->emitOpError() << "moves " << type << " to or from memory of " << memory.getElement();
  if (vector && (vector.getRank() != 1 || !llvm::isPowerOf2_64(vector.getNumElements()) || bytesOf(type) > 16))
    return op->emitOpError() << "moves " << type << "; a vector in memory has one axis, a power of two of elements and 16 bytes at most";
  return success();
}

/// Effects of touching `memory`: kernels' arguments may be the same memory, so nothing finer than the space is said.
template <typename Effect> static void touch(SmallVectorImpl<MemoryEffects::EffectInstance> &effects, OpOperand &memory) {
  effects.emplace_back(Effect::get(), &memory, SideEffects::DefaultResource::get());
}

LogicalResult LoadOp::verify() { return verifyAccess(*this, getMemory().getType(), getValue().getType()); }
LogicalResult StoreOp::verify() { return verifyAccess(*this, getMemory().getType(), getValue().getType()); }

void LoadOp::getEffects(SmallVectorImpl<MemoryEffects::EffectInstance> &effects) {
  touch<MemoryEffects::Read>(effects, getMemoryMutable());
}
void StoreOp::getEffects(SmallVectorImpl<MemoryEffects::EffectInstance> &effects) {
  touch<MemoryEffects::Write>(effects, getMemoryMutable());
}
void LoadMatrixOp::getEffects(SmallVectorImpl<MemoryEffects::EffectInstance> &effects) {
  touch<MemoryEffects::Read>(effects, getMemoryMutable());
}
void AtomicAddOp::getEffects(SmallVectorImpl<MemoryEffects::EffectInstance> &effects) {
  touch<MemoryEffects::Read>(effects, getMemoryMutable());
  touch<MemoryEffects::Write>(effects, getMemoryMutable());
}

LogicalResult ArriveOp::verify() {
  if (!getCounter().getType().getElement().isInteger(32))
    return emitOpError() << "counts in memory of " << getCounter().getType().getElement() << "; a counter is an i32";
  return success();
}

LogicalResult CopyAsyncOp::verify() {
  if (getBytes() != 4 && getBytes() != 8 && getBytes() != 16)
    return emitOpError() << "copies " << getBytes() << " bytes; a thread copies 4, 8 or 16";
  if (getFrom().getType().getElement() != getTo().getType().getElement())
    return emitOpError() << "copies " << getFrom().getType().getElement() << " to memory of " << getTo().getType().getElement();
  return success();
}

LogicalResult LoadMatrixOp::verify() {
  Type element = getMemory().getType().getElement(), value = getValue().getType().getElementType();
  if (registerType(element) != value || element.isF32())
    return emitOpError() << "reads " << getValue().getType() << " from memory of " << element << "; matrices are of bf16, f16 or tf32";
  if (getTransposed() && bytesOf(element) != 2)
    return emitOpError() << "transposes matrices of " << element << "; elements of 16 bits alone can be transposed";
  return success();
}

LogicalResult MmaOp::verify() {
  if (getA().getType().getElementType() != getB().getType().getElementType())
    return emitOpError() << "multiplies " << getA().getType().getElementType() << " by " << getB().getType().getElementType();
  return success();
}
