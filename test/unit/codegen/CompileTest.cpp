//===- CompileTest.cpp - targets, compilation and linking ---------------------*- C++ -*-===//
//
// Part of the vitc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===--------------------------------------------------------------------------------------===//

#include "KernelHarness.h"

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/LLVMIR/LLVMDialect.h"
#include "mlir/Dialect/Math/IR/Math.h"
#include "mlir/Dialect/MemRef/IR/MemRef.h"
#include "mlir/Dialect/SCF/IR/SCF.h"
#include "mlir/Dialect/Vector/IR/VectorOps.h"
#include "mlir/IR/Diagnostics.h"
#include "mlir/Parser/Parser.h"

#include <gmock/gmock.h>
#include <thread>

using namespace mlir;
using namespace vitc;
using namespace vitc::test;
using testing::HasSubstr;

namespace {

cpu::CpuTarget resolve(const std::string &triple, const std::string &cpu, const std::string &flags = "") {
  cpu::CpuTarget target;
  std::string error;
  EXPECT_TRUE(succeeded(cpu::resolveTarget(triple, cpu, flags, target, error))) << error;
  return target;
}

std::string errorOf(const std::string &triple, const std::string &cpu, const std::string &flags = "") {
  cpu::CpuTarget target;
  std::string error;
  EXPECT_TRUE(failed(cpu::resolveTarget(triple, cpu, flags, target, error)));
  return error;
}

TEST(Target, RecordsOnlyWhatCodeReliesOn) {
  const std::string linux64 = "x86_64-unknown-linux-gnu";
  EXPECT_THAT(resolve(linux64, "x86-64").features, testing::IsEmpty());
  EXPECT_EQ(resolve(linux64, "generic").vectorLanes, 4);
  EXPECT_THAT(resolve(linux64, "haswell").features, testing::ElementsAre("avx2", "fma"));
  EXPECT_EQ(resolve(linux64, "haswell").vectorLanes, 8);
  cpu::CpuTarget wide = resolve(linux64, "znver4");
  EXPECT_THAT(wide.features, testing::ElementsAre("avx2", "fma", "avx512f", "avx512bw", "avx512dq", "avx512vl"));
  EXPECT_EQ(wide.vectorLanes, 16);
  EXPECT_TRUE(wide.has("avx512vl"));
  EXPECT_FALSE(wide.has("avx512vnni"));
  EXPECT_EQ(resolve(linux64, "znver4", "-avx512f").vectorLanes, 8);
  EXPECT_EQ(resolve(linux64, "x86-64", "+avx2,+fma").vectorLanes, 8);
  EXPECT_EQ(resolve("aarch64-unknown-linux-gnu", "generic").vectorLanes, 4);
}

TEST(Target, NamesTheNearest) {
  EXPECT_THAT(errorOf("x86_64-unknown-linux-gnu", "haswel"), HasSubstr("'haswell'"));
  EXPECT_THAT(errorOf("x86_64-unknown-linux-gnu", "x86-64", "+avx2x"), HasSubstr("'avx2'"));
  EXPECT_THAT(errorOf("x86_64-unknown-linux-gnu", "x86-64", "avx2"), HasSubstr("neither + nor -"));
  EXPECT_THAT(errorOf("x86_65-unknown-linux-gnu", "generic"), HasSubstr("'x86_64-unknown-linux-gnu'"));
  EXPECT_THAT(errorOf("wasm32-unknown-unknown", "generic"), HasSubstr("not a 64-bit x86 or Arm ELF platform"));
#ifdef __x86_64__
  EXPECT_THAT(errorOf("aarch64-unknown-linux-gnu", "host"), HasSubstr("name a cpu of that architecture"));
#endif
}

/// Everything that kernels are made of, in one function.
constexpr const char *sample = R"(
func.func @sample(%a: !llvm.ptr, %n: i64, %b: i64, %e: i64, %s: !llvm.ptr) {
  %c0 = arith.constant 0 : index
  %c4 = arith.constant 4 : index
  %c1024 = arith.constant 1024 : index
  %d = llvm.mlir.poison : !llvm.struct<(ptr, ptr, i64, array<1 x i64>, array<1 x i64>)>
  %d0 = llvm.insertvalue %a, %d[0] : !llvm.struct<(ptr, ptr, i64, array<1 x i64>, array<1 x i64>)>
  %d1 = llvm.insertvalue %a, %d0[1] : !llvm.struct<(ptr, ptr, i64, array<1 x i64>, array<1 x i64>)>
  %zero = llvm.mlir.constant(0 : i64) : i64
  %d2 = llvm.insertvalue %zero, %d1[2] : !llvm.struct<(ptr, ptr, i64, array<1 x i64>, array<1 x i64>)>
  %m = builtin.unrealized_conversion_cast %d2 : !llvm.struct<(ptr, ptr, i64, array<1 x i64>, array<1 x i64>)> to memref<1024xf32>
  scf.for %i = %c0 to %c1024 step %c4 {
    %x = vector.load %m[%i] : memref<1024xf32>, vector<4xf32>
    %y = math.exp %x : vector<4xf32>
    %z = math.fma %y, %y, %x : vector<4xf32>
    %t = math.tanh %z : vector<4xf32>
    %u = math.erf %t : vector<4xf32>
    vector.store %u, %m[%i] : memref<1024xf32>, vector<4xf32>
  }
  %f0 = arith.constant 0.0 : f32
  %c1 = arith.constant 1 : index
  scf.for %i = %c0 to %c1024 step %c1 {
    memref.store %f0, %m[%i] : memref<1024xf32>
  }
  return
}
)";

struct Compiler {
  Compiler() {
    context->loadDialect<arith::ArithDialect, LLVM::LLVMDialect, math::MathDialect, memref::MemRefDialect, scf::SCFDialect,
                         vector::VectorDialect>();
  }
  FailureOr<std::string> compile(const char *text, const cpu::CpuTarget &target, cpu::Output output, unsigned level = 2) {
    OwningOpRef<ModuleOp> module = parseSourceString<ModuleOp>(text, context.get());
    return module ? cpu::compileModule(*module, target, level, output) : FailureOr<std::string>(failure());
  }
  std::unique_ptr<MLIRContext> context = makeContext();
};

TEST(Compile, EveryArchitectureAndLevel) {
  for (auto [triple, name] : {std::pair("x86_64-unknown-linux-gnu", "x86-64"), std::pair("x86_64-unknown-linux-gnu", "x86-64-v3"),
                              std::pair("x86_64-unknown-linux-gnu", "x86-64-v4"), std::pair("aarch64-unknown-linux-gnu", "generic")})
    for (unsigned level : {0u, 2u, 3u}) {
      SCOPED_TRACE(std::string(triple) + " " + name + " -O" + std::to_string(level));
      Compiler compiler;
      cpu::CpuTarget target = resolve(triple, name);
      FailureOr<std::string> object = compiler.compile(sample, target, cpu::Output::Object, level);
      ASSERT_TRUE(succeeded(object));
      FailureOr<std::string> shared = cpu::linkSharedObject(*compiler.context, *object, target);
      ASSERT_TRUE(succeeded(shared));
      EXPECT_EQ(shared->substr(0, 4), "\x7f"
                                      "ELF");
    }
}

TEST(Compile, TextForms) {
  cpu::CpuTarget target = resolve("x86_64-unknown-linux-gnu", "x86-64-v3");
  FailureOr<std::string> ir = Compiler().compile(sample, target, cpu::Output::LLVMIR);
  ASSERT_TRUE(succeeded(ir));
  EXPECT_THAT(*ir, HasSubstr("define void @sample"));
  // Leaf code: the loop that stores zeros must not become a call.
  EXPECT_THAT(*ir, testing::Not(HasSubstr("memset")));
  EXPECT_THAT(*ir, HasSubstr("nounwind"));
  FailureOr<std::string> assembly = Compiler().compile(sample, target, cpu::Output::Assembly);
  ASSERT_TRUE(succeeded(assembly));
  EXPECT_THAT(*assembly, HasSubstr("sample:"));
  EXPECT_THAT(*assembly, HasSubstr("vfmadd"));
  FailureOr<std::string> portable = Compiler().compile(sample, resolve("x86_64-unknown-linux-gnu", "x86-64"), cpu::Output::Assembly);
  ASSERT_TRUE(succeeded(portable));
  EXPECT_THAT(*portable, testing::Not(HasSubstr("ymm")));
  EXPECT_THAT(*portable, testing::Not(HasSubstr("call")));
}

TEST(Link, RefusesUndefinedSymbols) {
  Compiler compiler;
  cpu::CpuTarget target = resolve("x86_64-unknown-linux-gnu", "x86-64");
  FailureOr<std::string> object = compiler.compile(
      "func.func private @libm(f32) -> f32\nfunc.func @f(%x: f32) -> f32 { %y = call @libm(%x) : (f32) -> f32 return %y : f32 }", target,
      cpu::Output::Object);
  ASSERT_TRUE(succeeded(object));
  std::string message;
  ScopedDiagnosticHandler handler(compiler.context.get(), [&](Diagnostic &diagnostic) { message += diagnostic.str(); });
  EXPECT_TRUE(failed(cpu::linkSharedObject(*compiler.context, *object, target)));
  EXPECT_THAT(message, HasSubstr("undefined symbol: libm"));
  // And can be used again.
  FailureOr<std::string> good = compiler.compile(sample, target, cpu::Output::Object);
  EXPECT_TRUE(succeeded(cpu::linkSharedObject(*compiler.context, *good, target)));
}

TEST(Link, IsReproducibleAndSafeFromSeveralThreads) {
  cpu::CpuTarget target = resolve("x86_64-unknown-linux-gnu", "x86-64");
  std::vector<std::string> results(4);
  std::vector<std::thread> threads;
  for (std::string &result : results)
    threads.emplace_back([&] {
      Compiler compiler;
      FailureOr<std::string> object = compiler.compile(sample, target, cpu::Output::Object);
      if (FailureOr<std::string> shared = cpu::linkSharedObject(*compiler.context, *object, target); succeeded(shared))
        result = *shared;
    });
  for (std::thread &thread : threads)
    thread.join();
  EXPECT_FALSE(results[0].empty());
  for (const std::string &result : results)
    EXPECT_EQ(result, results[0]);
}

} // namespace
