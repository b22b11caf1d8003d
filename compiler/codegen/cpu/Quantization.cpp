//===- Quantization.cpp - numbers as bytes on a grid ------------------------------ -*- C++ -*-===//
//
// Part of the vitc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===--------------------------------------------------------------------------------------===//

#include "compiler/codegen/cpu/Quantization.h"

#include "mlir/Dialect/Arith/IR/Arith.h"

using namespace mlir;

namespace vitc::cpu {

std::optional<ByteGrid> byteGrid(std::optional<ArrayRef<float>> attribute) {
  return attribute ? std::optional(ByteGrid{(*attribute)[0], (*attribute)[1]}) : std::nullopt;
}

GridVectors vectorsOf(ImplicitLocOpBuilder &b, ByteGrid grid, int64_t lanes) {
  return {splat(b, 1 / double(grid.scale), lanes), splat(b, grid.zeroPoint, lanes)};
}

Value greater(ImplicitLocOpBuilder &b, Value x, Value y) {
  return arith::SelectOp::create(b, arith::CmpFOp::create(b, arith::CmpFPredicate::OGT, x, y), x, y);
}

Value smaller(ImplicitLocOpBuilder &b, Value x, Value y) {
  return arith::SelectOp::create(b, arith::CmpFOp::create(b, arith::CmpFPredicate::OLT, x, y), x, y);
}

Value quantize(ImplicitLocOpBuilder &b, Value x, const GridVectors &grid) {
  int64_t lanes = cast<VectorType>(x.getType()).getDimSize(0);
  x = fma(b, x, grid.inverse, grid.zeroPoint);
  x = smaller(b, greater(b, x, splat(b, 0, lanes)), splat(b, 255, lanes));
  Value bits = arith::BitcastOp::create(b, VectorType::get({lanes}, b.getI32Type()), addf(b, x, splat(b, roundingMagic, lanes)));
  return arith::TruncIOp::create(b, VectorType::get({lanes}, b.getI8Type()), bits);
}

} // namespace vitc::cpu
