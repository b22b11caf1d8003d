//===- Matmul.cpp - kernel.matmul and kernel.contract_rows ----------------------*- C++ -*-===//
//
// Part of the vitc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===--------------------------------------------------------------------------------------===//

#include "compiler/codegen/cpu/Matmul.h"
#include "compiler/codegen/cpu/TrainingProduct.h"

#include <functional>
#include <numeric>

using namespace mlir;

namespace vitc::cpu {

static ArrayRef<int64_t> shapeOf(Value value) { return cast<RankedTensorType>(value.getType()).getShape(); }

/// Rows of an image.
static int64_t rowsOf(Value value) {
  ArrayRef<int64_t> rows = shapeOf(value).drop_front().drop_back();
  return std::accumulate(rows.begin(), rows.end(), int64_t{1}, std::multiplies<>());
}

static LogicalResult check(Operation *op, kernel::GemmScheduleAttr schedule, bool bf16, const CpuTarget &target) {
  if (bf16 && !target.has("avx512bf16"))
    return op->emitOpError() << "has operands of bf16, which need a target with avx512bf16";
  if (!cast<RankedTensorType>(op->getOperand(0).getType()).getElementType().isF32())
    return op->emitOpError() << "has operands that are stored as bf16; on a cpu they are f32, and rounded as they are copied";
  if (!schedule)
    return op->emitOpError() << "has no schedule to generate code by";
  if (!llvm::isPowerOf2_64(schedule.getVector()) || schedule.getColumns() % schedule.getVector() != 0)
    return op->emitOpError() << "needs a schedule of a power of two lanes that divides its columns, not " << schedule;
  return success();
}

static KernelInfo infoOf(const TrainingProduct &product, StringRef symbol, StringRef kind) {
  KernelInfo info;
  info.symbol = symbol.str();
  info.kind = kind.str();
  llvm::raw_string_ostream(info.schedule) << product.schedule;
  info.scratchBytes = product.scratchBytes();
  return info;
}

FailureOr<KernelInfo> emitMatmul(ModuleOp module, kernel::MatmulOp op, StringRef symbol, const CpuTarget &target) {
  if (failed(check(op, op.getScheduleAttr(), op.getBf16(), target)))
    return failure();
  const int64_t depth = shapeOf(op.getInput()).back(), outputs = shapeOf(op.getValue()).back(), rowsPerImage = rowsOf(op.getInput());
  KernelFunction f(module, symbol, op.getLoc());
  TrainingProduct product;
  product.schedule = op.getScheduleAttr();
  product.bf16 = op.getBf16();
  product.outputs = outputs;
  product.fixedDepth = depth;
  product.depth = indexConstant(f.b, depth);
  product.rows = mul(f.b, f.images, rowsPerImage);
  product.bands = 2;
  unsigned operand = 0;
  product.left = f.activation(operand++, {});
  product.rightByColumns = !op.getTransposed();
  product.right = f.weight(operand++, shapeOf(op.getWeight()));
  if (op.getBias())
    product.bias = f.weight(operand++, {outputs});
  auto rows = [&](bool present) { return present ? f.rows(operand++, rowsPerImage, outputs) : Value(); };
  product.addend = rows(static_cast<bool>(op.getResidual()));
  product.factor = rows(static_cast<bool>(op.getFactor()));
  product.result = f.rows(operand++, rowsPerImage, outputs, cast<RankedTensorType>(op.getValue().getType()).getElementType());
  product.derivative = rows(static_cast<bool>(op.getDerivative()));
  product.activation = op.getActivation();
  emitTrainingProduct(f, product);

  KernelInfo info = infoOf(product, symbol, "matmul");
  info.rowsPerImage = rowsPerImage;
  info.rowsPerTask = product.rowsPerTask();
  info.columnTasks = product.panels();
  return info;
}

FailureOr<KernelInfo> emitContractRows(ModuleOp module, kernel::ContractRowsOp op, StringRef symbol, const CpuTarget &target) {
  if (failed(check(op, op.getScheduleAttr(), op.getBf16(), target)))
    return failure();
  const int64_t outputs = shapeOf(op.getLhs()).back(), width = shapeOf(op.getRhs()).back(), rowsPerImage = rowsOf(op.getLhs());
  KernelFunction f(module, symbol, op.getLoc());
  TrainingProduct product;
  product.schedule = op.getScheduleAttr();
  product.bf16 = op.getBf16();
  product.outputs = width;
  product.depth = mul(f.b, f.images, rowsPerImage);
  product.fixedRows = outputs;
  product.rows = indexConstant(f.b, outputs);
  product.left = f.activation(0, {});
  product.leftColumns = f.rows(0, rowsPerImage, outputs);
  product.right = f.rows(1, rowsPerImage, width);
  product.result = f.weight(2, {outputs, width});
  product.accumulate = true;
  emitTrainingProduct(f, product);

  KernelInfo info = infoOf(product, symbol, "contract_rows");
  info.rowsPerTask = std::numeric_limits<int32_t>::max();
  info.columnTasks = llvm::divideCeil(outputs, product.rowsPerTask()) * product.panels();
  return info;
}

} // namespace vitc::cpu
