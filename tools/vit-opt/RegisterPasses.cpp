//===- RegisterPasses.cpp - what vit-opt knows --------------------------------------------===//
//
// Part of the vitc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===--------------------------------------------------------------------------------------===//

#include "tools/vit-opt/RegisterPasses.h"
#include "compiler/codegen/cpu/CpuPasses.h"
#include "compiler/codegen/gpu/GpuPasses.h"
#include "compiler/driver/Pipelines.h"

#include "mlir/Dialect/Bufferization/Transforms/Passes.h"
#include "mlir/Dialect/Linalg/Passes.h"
#include "mlir/Transforms/Passes.h"

void vitc::registerPasses() {
  cpu::registerCpuCodegenPasses();
  gpu::registerGpuCodegenPasses();
  registerPassesAndPipelines();

  mlir::registerTransformsPasses();
  mlir::registerLinalgPasses();
  mlir::bufferization::registerBufferizationPasses();
}
