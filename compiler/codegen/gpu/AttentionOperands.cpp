//===- AttentionOperands.cpp - what attention reads and writes on a GPU -------------------===//
//
// Part of the vitc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===--------------------------------------------------------------------------------------===//

#include "compiler/codegen/gpu/AttentionOperands.h"

#include <limits>
#include <numeric>

using namespace mlir;

namespace vitc::gpu {

AttentionShape AttentionShape::of(kernel::AttentionOp op) {
  AttentionShape shape;
  RankedTensorType qkv = tensorOf(op.getQkv()), value = tensorOf(op.getValue());
  shape.windows = op.getWindows();
  shape.tokens = qkv.getDimSize(1) / shape.windows;
  shape.queries = value.getDimSize(1) / shape.windows;
  shape.heads = op.getHeads();
  shape.width = value.getDimSize(2) / shape.heads;
  shape.firstQuery = op.getFirstQuery();
  shape.separate = static_cast<bool>(op.getQuery());
  shape.scale = op.getScale().convertToDouble();
  shape.element = qkv.getElementType();
  shape.resultElement = value.getElementType();
  shape.hasBias = static_cast<bool>(op.getBias());
  if (op.getRowTable()) {
    auto side = [](Value table) { return (tensorOf(table).getDimSize(1) + 1) / 2; };
    shape.height = side(op.getRowTable());
    shape.across = side(op.getColumnTable());
  }
  return shape;
}

SmallVector<Type> AttentionShape::operandElements() const {
  SmallVector<Type> elements(separate ? 2 : 1, element);
  elements.append((hasBias ? 1 : 0) + (height ? 2 : 0), Float32Type::get(element.getContext()));
  elements.push_back(resultElement);
  return elements;
}

int64_t AttentionShape::segment() const { return vectorFor(std::gcd(width, queryStride()), element); }

AttentionOperands::AttentionOperands(DeviceFunction &f, const AttentionShape &s, Value window, Value head) {
  ImplicitLocOpBuilder &b = f.b;
  const int64_t inner = s.heads * s.width;
  unsigned operand = 0;
  Value qkv = rowOf(b, f.operand(operand++), mul(b, window, s.tokens), s.keyStride()), column = mul(b, head, s.width);
  Value from = s.separate ? rowOf(b, f.operand(operand++), mul(b, window, s.queries), inner)
                          : rowOf(b, qkv, constant(b, s.firstQuery), s.keyStride());
  query = advance(b, from, column);
  keys = advance(b, qkv, add(b, column, s.separate ? 0 : inner));
  values = advance(b, qkv, add(b, column, s.separate ? inner : 2 * inner));
  if (s.hasBias)
    bias = rowOf(b, f.operand(operand++), head, s.queries * s.tokens);
  if (s.height) {
    rowTable = f.operand(operand++);
    columnTable = f.operand(operand++);
  }
  result = advance(b, rowOf(b, f.operand(operand), mul(b, window, s.queries), inner), column);
}

Value negativeInfinity(ImplicitLocOpBuilder &b) { return number(b, -std::numeric_limits<double>::infinity()); }

SmallVector<Value> loadLeftOperands(ImplicitLocOpBuilder &b, const SumsLayout &layout, ValueRange rows, int64_t width, Type element) {
  // A thread's elements of half of K of a row: two, of tf32 one.
  const int64_t square = depthOf(element), half = square / 2, lanes = half / 4;
  Value first = lanes == 2 ? layout.column : div(b, layout.column, 2);
  auto has = [&](Value row) { return cast<device::MemoryType>(row.getType()).getElement() == element; };
  SmallVector<Value> operands;
  for (int64_t block = 0; block < width; block += square) {
    SmallVector<Value> parts;
    for (int64_t beyond = 0; beyond < square; beyond += half)
      for (Value row : rows) {
        Value column = add(b, first, block + beyond);
        Value part = block + beyond + half <= width ? load(b, row, column, lanes) : loadIf(b, less(b, column, width), row, column, lanes);
        parts.push_back(has(row) ? part : narrowed(b, part, element));
      }
    operands.push_back(lanes == 1 ? vectorOf(b, parts) : concatenated(b, parts));
  }
  return operands;
}

} // namespace vitc::gpu
