//===- Convert.cpp - kernel.convert on a GPU ----------------------------------------------===//
//
// Part of the vitc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===--------------------------------------------------------------------------------------===//

#include "compiler/codegen/gpu/DeviceFunction.h"
#include "compiler/codegen/gpu/GpuCodegen.h"

using namespace mlir;

namespace vitc::gpu {

static constexpr int64_t kThreads = 256;
/// Vectors of a thread, one behind the other.
static constexpr int64_t kVectors = 4;

/// Rows are of no interest: an image's elements are a row of vectors, of which a block has some. A weight is one image, of whose place among
/// the parameters only rows are known to be aligned.
FailureOr<KernelInfo> emitConvert(ModuleOp module, kernel::ConvertOp op, StringRef symbol) {
  RankedTensorType type = tensorOf(op.getInput());
  Type from = type.getElementType(), to = tensorOf(op.getValue()).getElementType();
  const int64_t width = type.getShape().back(),
                elements = type.hasStaticShape() ? type.getNumElements() : rowsOfImage(op.getInput()) * width;
  // Of a thread, where rows allow that many: 16 bytes of the narrower type.
  const int64_t most = 16 / std::min(device::bytesOf(from), device::bytesOf(to));
  const auto lanes = static_cast<int64_t>(llvm::MinAlign(type.hasStaticShape() ? width : elements, most));
  const int64_t ofLoad = std::min(lanes, 16 / device::bytesOf(from)), ofBlock = kThreads * kVectors;

  DeviceFunction f(module, symbol, op.getLoc(), elementsOf(op), kThreads);
  ImplicitLocOpBuilder &b = f.b;
  Value count = mul(b, f.images, elements / lanes), first = mul(b, f.block, ofBlock);
  Value input = rowOf(b, f.operand(0), first, lanes), result = rowOf(b, f.operand(1), first, lanes);
  for (int64_t i = 0; i < kVectors; ++i) {
    Value number = add(b, f.thread, i * kThreads), index = mul(b, number, lanes);
    ifThen(b, less(b, add(b, first, number), count), [&] {
      SmallVector<Value> values;
      for (int64_t j = 0; j < lanes; j += ofLoad) {
        Value vector = widened(b, load(b, input, add(b, index, j), ofLoad));
        for (int64_t k = 0; k < ofLoad; ++k)
          values.push_back(lane(b, vector, k));
      }
      store(b, narrowed(b, vectorOf(b, values), to), result, index);
    });
  }

  KernelInfo info;
  info.symbol = symbol.str();
  info.kind = "convert";
  info.rowsPerImage = elements / lanes;
  info.rowsPerTask = ofBlock;
  info.threads = f.threads();
  return info;
}

} // namespace vitc::gpu
