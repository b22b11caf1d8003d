//===- KernelDialect.cpp - the kernel dialect ---------------------------------------------===//
//
// Part of the vitc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===--------------------------------------------------------------------------------------===//

#include "dialects/kernel/KernelDialect.h"
#include "dialects/kernel/PixelEmbed.h"

#include "mlir/IR/DialectImplementation.h"
#include "llvm/ADT/TypeSwitch.h"

using namespace mlir;
using namespace vitc;
using namespace vitc::kernel;

#include "dialects/kernel/KernelDialect.cpp.inc"
#include "dialects/kernel/KernelEnums.cpp.inc"

#include "dialects/kernel/KernelInterfaces.cpp.inc"

#define GET_ATTRDEF_CLASSES
#include "dialects/kernel/KernelAttributes.cpp.inc"

void KernelDialect::initialize() {
  addAttributes<
#define GET_ATTRDEF_LIST
#include "dialects/kernel/KernelAttributes.cpp.inc"
      >();
  addOperations<
#define GET_OP_LIST
#include "dialects/kernel/KernelOps.cpp.inc"
      >();
  addOperations<
#define GET_OP_LIST
#include "dialects/kernel/PixelEmbed.cpp.inc"
      >();
}

LogicalResult WindowAttr::verify(function_ref<InFlightDiagnostic()> emitError, int64_t height, int64_t width, int64_t rows, int64_t columns,
                                 int64_t strideY, int64_t strideX) {
  if (rows <= 0 || columns <= 0 || strideY <= 0 || strideX <= 0)
    return emitError() << "a window's rows, columns and strides must be positive";
  if (rows > height || columns > width)
    return emitError() << "a window of " << rows << "x" << columns << " is larger than its grid of " << height << "x" << width;
  return success();
}

LogicalResult GemmScheduleAttr::verify(function_ref<InFlightDiagnostic()> emitError, int64_t rows, int64_t columns, int64_t kBlock,
                                       int64_t rowBlock, int64_t prefetch, int64_t vector) {
  if (rows <= 0 || columns <= 0 || kBlock <= 0 || rowBlock <= 0 || vector <= 0)
    return emitError() << "a gemm schedule's rows, columns, k_block, row_block and vector must be positive";
  if (columns % vector != 0)
    return emitError() << "a gemm schedule's columns (" << columns << ") must be a multiple of its vector (" << vector << ")";
  if (rowBlock % rows != 0)
    return emitError() << "a gemm schedule's row_block (" << rowBlock << ") must be a multiple of its rows (" << rows << ")";
  if (prefetch < 0)
    return emitError() << "a gemm schedule's prefetch (" << prefetch << ") must not be negative";
  return success();
}

bool vitc::kernel::isShortFloat(Type element) { return element.isBF16() || element.isF16() || isa<FloatTF32Type>(element); }

int64_t vitc::kernel::bytesOf(Type element) { return isa<FloatTF32Type>(element) ? 4 : element.getIntOrFloatBitWidth() / 8; }

int64_t vitc::kernel::elementsPerWord(Type element) { return 4 / bytesOf(element); }

SmallVector<int64_t> vitc::kernel::packedShape(int64_t outputs, int64_t depth, GemmScheduleAttr schedule, Type element) {
  int64_t perWord = elementsPerWord(element);
  SmallVector<int64_t> shape{llvm::divideCeilSigned(depth, schedule.getKBlock() * perWord),
                             llvm::divideCeilSigned(outputs, schedule.getColumns()), schedule.getKBlock(), schedule.getColumns()};
  if (perWord > 1)
    shape.push_back(perWord);
  return shape;
}
