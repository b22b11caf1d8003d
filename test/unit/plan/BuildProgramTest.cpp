//===- BuildProgramTest.cpp - from launches to a plan -------------------------------------===//
//
// Part of the vitc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===--------------------------------------------------------------------------------------===//

#include "compiler/plan/Plan.h"
#include "dialects/kernel/KernelDialect.h"
#include "dialects/vit/VitDialect.h"

#include "mlir/IR/Diagnostics.h"
#include "mlir/Parser/Parser.h"

#include <gmock/gmock.h>

using namespace mlir;
using namespace vitc;
using namespace vitc::plan;
using testing::ElementsAre;
using testing::HasSubstr;

namespace {

struct BuildProgram : testing::Test {
  BuildProgram() { context.loadDialect<func::FuncDialect, kernel::KernelDialect, vit::VitDialect>(); }

  /// The plan of `@infer(%x: INPUT) -> RESULT`; one kernel serves all launches of a kind. Without one, `error` is what was said.
  FailureOr<Program> build(const std::string &body, const std::string &input = "tensor<?x4x8xf32>",
                           const std::string &result = "tensor<?x4x8xf32>") {
    ScopedDiagnosticHandler handler(&context, [&](Diagnostic &diagnostic) { error += diagnostic.str(); });
    module = parseSourceString<ModuleOp>("func.func @infer(%x: " + input + ") -> " + result + " {\n" + body + "}\n", &context);
    if (!module)
      return failure();
    return buildProgram(*module->getOps<func::FuncOp>().begin(), [](Operation *launch) {
      Kernel kernel;
      kernel.kind = launch->getName().stripDialect().str();
      kernel.symbol = "k_" + kernel.kind;
      return kernel;
    });
  }

  MLIRContext context{MLIRContext::Threading::DISABLED};
  OwningOpRef<ModuleOp> module;
  std::string error;
};

std::vector<std::string> namesOf(const Program &program) {
  std::vector<std::string> names;
  for (const Buffer &buffer : program.buffers)
    names.push_back(buffer.name);
  return names;
}

TEST_F(BuildProgram, BuffersLivesAndKernels) {
  FailureOr<Program> program = build(R"(
    %w = kernel.weight @mix : tensor<8x8xf32>
    %0 = kernel.gemm %x, %w : tensor<?x4x8xf32>, tensor<8x8xf32> -> tensor<?x4x8xf32> loc("first")
    %1 = kernel.normalize %0 {eps = 0.0 : f32} : tensor<?x4x8xf32> -> tensor<?x4x8xf32> loc("norm")
    %2 = kernel.gemm %1, %w : tensor<?x4x8xf32>, tensor<8x8xf32> -> tensor<?x4x8xf32> loc("last")
    return %2 : tensor<?x4x8xf32>
  )");
  ASSERT_TRUE(succeeded(program)) << error;
  EXPECT_EQ(program->name, "infer");
  EXPECT_THAT(namesOf(*program), ElementsAre("input0", "mix", "first", "norm", "last"));
  EXPECT_THAT(program->inputs, ElementsAre(0));
  EXPECT_THAT(program->outputs, ElementsAre(4));
  ASSERT_EQ(program->launches.size(), 3u);
  EXPECT_THAT(program->launches[0].operands, ElementsAre(0, 1, 2));
  EXPECT_THAT(program->launches[1].operands, ElementsAre(2, 3));
  EXPECT_THAT(program->launches[2].operands, ElementsAre(3, 1, 4));
  ASSERT_EQ(program->kernels.size(), 2u); // both products share one
  EXPECT_EQ(program->launches[2].kernel, 0u);
  EXPECT_EQ(program->launches[1].kernel, 1u);
  EXPECT_EQ(program->launches[0].flopPerImage, 2 * 4 * 8 * 8);
  EXPECT_EQ(program->launches[1].flopPerImage, 0);

  const Buffer &weight = program->buffers[1], &first = program->buffers[2], &last = program->buffers[4];
  EXPECT_EQ(weight.kind, BufferKind::Weight);
  EXPECT_THAT(weight.shape, ElementsAre(8, 8));
  EXPECT_EQ(weight.bytesPerImage, 256);
  EXPECT_EQ(first.kind, BufferKind::Arena);
  EXPECT_THAT(first.shape, ElementsAre(4, 8));
  EXPECT_EQ(first.bytesPerImage, 128);
  EXPECT_EQ(first.firstLaunch, 0);
  EXPECT_EQ(first.lastLaunch, 1);
  EXPECT_EQ(last.kind, BufferKind::Output);
  EXPECT_EQ(last.lastLaunch, 3); // the caller's, after all launches
  EXPECT_EQ(program->arenaBytesPerImage, 256);
}

TEST_F(BuildProgram, UsesOfOneBindingShareABuffer) {
  FailureOr<Program> program = build(R"(
    %w = kernel.weight @mix : tensor<8x8xf32>
    %0 = kernel.gemm %x, %w : tensor<?x4x8xf32>, tensor<8x8xf32> -> tensor<?x4x8xf32> loc("first")
    %again = kernel.weight @mix : tensor<8x8xf32>
    %1 = kernel.gemm %0, %again : tensor<?x4x8xf32>, tensor<8x8xf32> -> tensor<?x4x8xf32> loc("last")
    return %1 : tensor<?x4x8xf32>
  )");
  ASSERT_TRUE(succeeded(program)) << error;
  EXPECT_THAT(namesOf(*program), ElementsAre("input0", "mix", "first", "last"));
  EXPECT_THAT(program->launches[1].operands, ElementsAre(2, 1, 3));
}

/// Buffers of a product with `residual`, the third launch of four; the last has `tail` too.
std::string residualBody(const std::string &input, const std::string &residual, const std::string &tail = "") {
  return R"(
    %w = kernel.weight @mix : tensor<8x8xf32>
    %0 = kernel.gemm %x, %w : tensor<?x4x8xf32>, tensor<8x8xf32> -> tensor<?x4x8xf32> loc("a")
    %1 = kernel.gemm %0, %w : tensor<?x4x8xf32>, tensor<8x8xf32> -> tensor<?x4x8xf32> loc("b")
    %2 = kernel.gemm )" +
         input + ", %w residual(" + residual + R"( : tensor<?x4x8xf32>) : tensor<?x4x8xf32>, tensor<8x8xf32> -> tensor<?x4x8xf32> loc("c")
    %3 = kernel.gemm %2, %w )" +
         tail + R"( : tensor<?x4x8xf32>, tensor<8x8xf32> -> tensor<?x4x8xf32> loc("d")
    return %3 : tensor<?x4x8xf32>
  )";
}

TEST_F(BuildProgram, AProductWritesOverItsResidual) {
  FailureOr<Program> program = build(residualBody("%1", "%0"));
  ASSERT_TRUE(succeeded(program)) << error;
  EXPECT_THAT(namesOf(*program), ElementsAre("input0", "mix", "a", "b", "d"));
  EXPECT_THAT(program->launches[2].operands, ElementsAre(3, 1, 2, 2));
  EXPECT_THAT(program->launches[3].operands, ElementsAre(2, 1, 4));
  EXPECT_EQ(program->buffers[2].lastLaunch, 3);
}

TEST_F(BuildProgram, AResidualThatIsStillNeededIsKept) {
  // Read by the next launch, too.
  FailureOr<Program> program = build(residualBody("%1", "%0", "residual(%0 : tensor<?x4x8xf32>)"));
  ASSERT_TRUE(succeeded(program)) << error;
  EXPECT_THAT(namesOf(*program), ElementsAre("input0", "mix", "a", "b", "c", "d"));
  EXPECT_THAT(program->launches[2].operands, ElementsAre(3, 1, 2, 4));
  EXPECT_THAT(program->launches[3].operands, ElementsAre(4, 1, 2, 5)); // d is the caller's memory, never that of a residual
  // The caller's.
  program = build(residualBody("%1", "%x"));
  ASSERT_TRUE(succeeded(program)) << error;
  EXPECT_THAT(program->launches[2].operands, ElementsAre(3, 1, 0, 4));
  // The product's own input, of which other tiles read rows that this one has written.
  program = build(residualBody("%0", "%0"));
  ASSERT_TRUE(succeeded(program)) << error;
  EXPECT_THAT(program->launches[2].operands, ElementsAre(2, 1, 2, 4));
}

TEST_F(BuildProgram, AGroupHasAboutTheTokensOfAnImageOf224Pixels) {
  // {tokens of an image, images of a group}
  for (auto [tokens, images] : {std::pair{1, 16}, {5, 16}, {17, 12}, {50, 4}, {65, 3}, {131, 2}, {197, 1}, {785, 1}}) {
    std::string type = "tensor<?x" + std::to_string(tokens) + "x8xf32>";
    FailureOr<Program> program = build("%0 = kernel.normalize %x {eps = 0.0 : f32} : " + type + " -> " + type +
                                           " loc(\"a\")\n%1 = kernel.normalize %0 {eps = 0.0 : f32} : " + type + " -> " + type +
                                           " loc(\"b\")\nreturn %1 : " + type + "\n",
                                       type, type);
    ASSERT_TRUE(succeeded(program)) << error;
    EXPECT_EQ(program->groupImages, images) << tokens << " tokens";
  }
}

TEST_F(BuildProgram, WhatIsNoLaunchIsRefused) {
  EXPECT_TRUE(failed(build(R"(
    %w = kernel.weight @mix : tensor<8x8xf32>
    %p = kernel.pack %w : tensor<8x8xf32> -> tensor<1x1x8x64xf32>
    %0 = kernel.normalize %x {eps = 0.0 : f32} : tensor<?x4x8xf32> -> tensor<?x4x8xf32>
    return %0 : tensor<?x4x8xf32>
  )")));
  EXPECT_EQ(error, "'kernel.pack' cannot be planned: it is neither a launch nor a weight");
}

TEST_F(BuildProgram, AResultThatNoLaunchComputesIsRefused) {
  EXPECT_TRUE(failed(build("return %x : tensor<?x4x8xf32>\n")));
  EXPECT_THAT(error, HasSubstr("returns a value that no launch computes"));
}

} // namespace
