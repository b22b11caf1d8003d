//===- EmitKernelTest.cpp - what the emitters refuse --------------------------*- C++ -*-===//
//
// Part of the vitc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===--------------------------------------------------------------------------------------===//

#include "KernelHarness.h"

#include "dialects/kernel/KernelDialect.h"

#include "mlir/IR/Diagnostics.h"
#include "mlir/IR/MLIRContext.h"
#include "mlir/Parser/Parser.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

using namespace mlir;
using namespace vitc;
using namespace vitc::test;
using testing::HasSubstr;

namespace {

/// The error of emitting the first kernel operation of `text`; empty if there is code for it.
std::string emitError(const std::string &text) {
  std::unique_ptr<MLIRContext> context = makeContext();
  OwningOpRef<ModuleOp> source = parseSourceString<ModuleOp>(text, context.get());
  if (!source)
    throw std::runtime_error("the test's kernel does not parse: " + text);
  std::string message;
  ScopedDiagnosticHandler handler(context.get(), [&](Diagnostic &diagnostic) { message += diagnostic.str(); });
  Operation *first = nullptr;
  source->walk<WalkOrder::PreOrder>([&](Operation *op) { first = !first && isa<kernel::KernelDialect>(op->getDialect()) ? op : first; });
  OwningOpRef<ModuleOp> module = ModuleOp::create(source->getLoc());
  cpu::CpuTarget target = runnableLevels().back().target;
  bool emitted = isa<kernel::BindingOp>(first) ? succeeded(cpu::emitBinding(*module, first, "k"))
                                               : succeeded(cpu::emitKernel(*module, first, "k", target));
  EXPECT_EQ(emitted, message.empty()) << message;
  return message;
}

TEST(EmitKernel, WantsASchedule) {
  EXPECT_THAT(
      emitError(
          "func.func @f(%x: tensor<?x5x36xf32>) {\n  %y = kernel.attention %x {heads = 2 : i64, scale = 1.0 : f32} : tensor<?x5x36xf32> -> "
          "tensor<?x5x12xf32>\n  return\n}"),
      HasSubstr("'kernel.attention' op has no schedule to generate code by"));
  EXPECT_THAT(emitError("func.func @f(%x: tensor<?x5x36xf32>) {\n  %y = kernel.normalize %x {eps = 0.0 : f32} : tensor<?x5x36xf32> -> "
                        "tensor<?x5x36xf32>\n"
                        "  return\n}"),
              HasSubstr("'kernel.normalize' op has no schedule to generate code by"));
}

TEST(EmitKernel, RefusesNumbersOfGpus) {
  for (std::string type : {"f16", "tf32"})
    EXPECT_EQ(emitError("func.func @f(%x: tensor<?x5x36xf32>) {\n  %y = kernel.convert %x : tensor<?x5x36xf32> -> tensor<?x5x36x" + type +
                        ">\n  return\n}"),
              "'kernel.convert' op computes with '" + type + "', of which a CPU has no products; there are f32, bf16 and i8");
}

TEST(EmitKernel, RefusesSchedulesOfNothing) {
  EXPECT_THAT(
      emitError("func.func @f(%x: tensor<?x5x36xf32>) {\n  %y = kernel.attention %x {heads = 2 : i64, scale = 1.0 : f32, schedule = "
                "#kernel.attention_schedule<rows = 6, vector = 12>} : tensor<?x5x36xf32> -> tensor<?x5x12xf32>\n  return\n}"),
      HasSubstr("a power of two lanes"));
  EXPECT_THAT(emitError("func.func @f(%x: tensor<?x5x36xf32>) {\n  %y = kernel.normalize %x {eps = 0.0 : f32, schedule = "
                        "#kernel.row_schedule<rows_per_task = 0, vector = 4>} : tensor<?x5x36xf32> -> tensor<?x5x36xf32>\n  return\n}"),
              HasSubstr("one row a task"));
}

TEST(EmitKernel, RefusesTrainingProductsThatCannotBe) {
  auto product = [](const std::string &attributes) {
    return "func.func @f(%x: tensor<?x5x36xf32>) {\n  %y = kernel.contract_rows %x, %x " + attributes +
           " : tensor<?x5x36xf32>, tensor<?x5x36xf32> -> tensor<36x36xf32>\n  return\n}";
  };
  auto schedule = [](const std::string &lanes) {
    return "schedule = #kernel.gemm_schedule<rows = 4, columns = " + lanes +
           ", k_block = 8, row_block = 12, prefetch = 8, vector = " + lanes + ">";
  };
  EXPECT_THAT(emitError(product("")), HasSubstr("has no schedule to generate code by"));
  EXPECT_THAT(emitError(product("{" + schedule("12") + "}")), HasSubstr("a power of two lanes"));
  EXPECT_THAT(emitError(product("{bf16, " + schedule("8") + "}")), HasSubstr("need a target with avx512bf16"));
}

TEST(EmitKernel, NamesWhatHasNoKernel) {
  EXPECT_THAT(emitError("func.func @f() {\n  %w = kernel.weight @w : tensor<4xf32>\n  return\n}"),
              HasSubstr("'kernel.weight' op is not a launch that the CPU has a kernel for"));
  EXPECT_THAT(
      emitError(
          "kernel.binding @w [@a] {\n^bb0(%a: tensor<4xf32>):\n  %b = vit.weight @b : tensor<4xf32>\n  kernel.yield %b : tensor<4xf32>\n}"),
      HasSubstr("'vit.weight' op has no reference lowering"));
}

TEST(EmitKernel, LimitsASourcesAxes) {
  EXPECT_THAT(emitError("kernel.binding @w [@a] {\n^bb0(%a: tensor<1x1x1x1x1x1xf32>):\n  kernel.yield %a : tensor<1x1x1x1x1x1xf32>\n}"),
              HasSubstr("static shapes of at most 5 axes"));
}

/// Temporaries whose lives do not overlap share their memory: softmax needs its scores before and after exp, not all four stages of them.
TEST(EmitKernel, TemporariesShareScratch) {
  std::optional<Kernel> kernel = compileLaunch("func.func @f(%x: tensor<?x64x96xf32>) {\n  %y = kernel.reference %x : "
                                               "(tensor<?x64x96xf32>) -> tensor<?x64x32xf32> {\n  ^bb0(%a: tensor<1x64x96xf32>):\n"
                                               "    %s = vit.sdpa %a {heads = 2 : i64, scale = 1.0 : f32} : tensor<1x64x96xf32> -> "
                                               "tensor<1x64x32xf32>\n    kernel.yield %s : tensor<1x64x32xf32>\n  }\n"
                                               "  return\n}",
                                               runnableLevels().back().target);
  ASSERT_TRUE(kernel);
  const int64_t scores = 2 * 64 * 64 * sizeof(float);
  EXPECT_GE(kernel->info.scratchBytes, scores);
  EXPECT_LT(kernel->info.scratchBytes, 3 * scores);
}

} // namespace
