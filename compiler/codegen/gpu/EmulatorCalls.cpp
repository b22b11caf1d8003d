//===- EmulatorCalls.cpp - how emulated kernels call the emulator -------------------------===//
//
// Part of the vitc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===--------------------------------------------------------------------------------------===//

#include "compiler/codegen/gpu/EmulatorCalls.h"

#include "mlir/Dialect/Func/IR/FuncOps.h"

#include "llvm/ADT/StringExtras.h"
#include "llvm/ADT/Twine.h"

using namespace mlir;
using vitrt::emulator::Call;

namespace vitc::gpu {

/// Fibers' stacks are not aligned to what long vectors would like.
static constexpr unsigned kSlotAlignment = 16;

Caller::Caller(Operation *op, PatternRewriter &rewriter)
    : b(op->getLoc(), rewriter), op(op), self(op->getParentOfType<func::FuncOp>().getArgument(0)) {}

Value Caller::at(int64_t offset, Type type) {
  Value address = LLVM::GEPOp::create(b, pointer(), b.getI8Type(), self, ArrayRef<LLVM::GEPArg>{static_cast<int32_t>(offset)});
  return LLVM::LoadOp::create(b, type, address);
}

Value Caller::call(Call which, Type result, ArrayRef<Value> arguments) {
  Value table = at(offsetof(vitrt::emulator::ThreadState, calls), pointer());
  Value entry = LLVM::GEPOp::create(b, pointer(), pointer(), table, ArrayRef<LLVM::GEPArg>{static_cast<int32_t>(which)});
  SmallVector<Value> operands{LLVM::LoadOp::create(b, pointer(), entry), self};
  llvm::append_range(operands, arguments);
  SmallVector<Type> types = llvm::map_to_vector(ArrayRef<Value>(operands).drop_front(), [](Value value) { return value.getType(); });
  auto type = LLVM::LLVMFunctionType::get(result ? result : LLVM::LLVMVoidType::get(b.getContext()), types);
  auto made = LLVM::CallOp::create(b, type, operands);
  return result ? made.getResult() : Value();
}

Value Caller::site() {
  auto number = op->getAttrOfType<IntegerAttr>("site");
  std::string text = (op->getName().stripDialect() + " " + Twine(number ? number.getInt() : 0)).str();
  auto module = op->getParentOfType<ModuleOp>();
  std::string symbol = "site_" + llvm::join(llvm::split(text, ' '), "_");
  auto global = module.lookupSymbol<LLVM::GlobalOp>(symbol);
  if (!global) {
    OpBuilder::InsertionGuard guard(b);
    b.setInsertionPointToStart(module.getBody());
    text.push_back('\0');
    auto type = LLVM::LLVMArrayType::get(b.getI8Type(), text.size());
    global = LLVM::GlobalOp::create(b, type, /*isConstant=*/true, LLVM::Linkage::Internal, symbol, b.getStringAttr(text));
  }
  return LLVM::AddressOfOp::create(b, global);
}

Value Caller::address(Value memory, Value index, Type element) {
  return LLVM::GEPOp::create(b, pointer(), device::registerType(element), memory, ArrayRef<LLVM::GEPArg>{index});
}

void Caller::access(Value address, int64_t bytes, bool write) {
  call(Call::Access, {}, {address, llvmConstant(b, bytes, 64), llvmConstant(b, write, 32), site()});
}

Value Caller::slot(Type type) {
  OpBuilder::InsertionGuard guard(b);
  b.setInsertionPointToStart(&op->getParentOfType<func::FuncOp>().getBody().front());
  return LLVM::AllocaOp::create(b, pointer(), type, llvmConstant(b, 1, 64), kSlotAlignment);
}

vitrt::emulator::Operands operandType(Type element) {
  using vitrt::emulator::Operands;
  return element.isBF16() ? Operands::Bf16 : element.isF16() ? Operands::F16 : Operands::Tf32;
}

Value Caller::stored(Value value) {
  Value memory = slot(value.getType());
  LLVM::StoreOp::create(b, value, memory, kSlotAlignment);
  return memory;
}

} // namespace vitc::gpu
