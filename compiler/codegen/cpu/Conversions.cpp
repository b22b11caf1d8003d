//===- Conversions.cpp - other number types as f32 ----------------------------*- C++ -*-===//
//
// Part of the vitc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// The conversions that every code section exports (docs/abi.md). They are compiled for the baseline of an architecture, where a conversion operation
// from f16 or bf16 would become a call of compiler-rt; so the halves are taken apart as integers.
//
//===--------------------------------------------------------------------------------------===//

#include "compiler/codegen/cpu/CpuCodegen.h"
#include "compiler/codegen/cpu/KernelFunction.h"

#include "compiler/codegen/cpu/ShortFloats.h"

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/Dialect/LLVMIR/LLVMDialect.h"
#include "mlir/Dialect/MemRef/IR/MemRef.h"
#include "mlir/Dialect/SCF/IR/SCF.h"

using namespace mlir;

namespace vitc::cpu {

static Value i32Constant(ImplicitLocOpBuilder &b, int32_t value) { return arith::ConstantOp::create(b, b.getI32IntegerAttr(value)); }

static Value shiftLeft(ImplicitLocOpBuilder &b, Value bits, int32_t by) { return arith::ShLIOp::create(b, bits, i32Constant(b, by)); }

static Value asFloat(ImplicitLocOpBuilder &b, Value bits) { return arith::BitcastOp::create(b, b.getF32Type(), bits); }

/// bf16 is the upper half of f32.
static Value fromBF16(ImplicitLocOpBuilder &b, Value half) {
  return asFloat(b, shiftLeft(b, arith::ExtUIOp::create(b, b.getI32Type(), half), 16));
}

static Value fromF64(ImplicitLocOpBuilder &b, Value wide) { return arith::TruncFOp::create(b, b.getF32Type(), wide); }

/// `void symbol(const void *from, float *to, int64_t n)`.
static void emitConversion(ModuleOp module, StringRef symbol, Type from, function_ref<Value(ImplicitLocOpBuilder &, Value)> convert) {
  ImplicitLocOpBuilder b(module.getLoc(), module.getContext());
  Type pointer = LLVM::LLVMPointerType::get(b.getContext());
  b.setInsertionPointToEnd(module.getBody());
  auto function = func::FuncOp::create(b, symbol, b.getFunctionType({pointer, pointer, b.getI64Type()}, {}));
  Block *entry = function.addEntryBlock();
  b.setInsertionPointToStart(entry);
  Value n = arith::IndexCastOp::create(b, b.getIndexType(), entry->getArgument(2));
  Value source = memrefAt(b, entry->getArgument(0), MemRefType::get(ShapedType::kDynamic, from), n);
  Value target = memrefAt(b, entry->getArgument(1), MemRefType::get(ShapedType::kDynamic, b.getF32Type()), n);
  forLoop(b, indexConstant(b, 0), n, 1, [&](Value i) { store(b, convert(b, load(b, source, i)), target, i); });
  func::ReturnOp::create(b);
}

void emitConversions(ModuleOp module) {
  MLIRContext *context = module.getContext();
  context->loadDialect<arith::ArithDialect, func::FuncDialect, LLVM::LLVMDialect, memref::MemRefDialect, scf::SCFDialect>();
  Type half = IntegerType::get(context, 16);
  emitConversion(module, "vitc_convert_f16", half, fromF16Bits);
  emitConversion(module, "vitc_convert_bf16", half, fromBF16);
  emitConversion(module, "vitc_convert_f64", Float64Type::get(context), fromF64);
}

} // namespace vitc::cpu
