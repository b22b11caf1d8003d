//===- AArch64Test.cpp - kernels for AArch64, run by an emulator ----------------------------===//
//
// Part of the vitc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===--------------------------------------------------------------------------------------===//
//
// Every distinct launch of a few small models is compiled for AArch64 and for this machine, by the same schedule, and gets the same random
// operands. The AArch64 code runs under qemu-aarch64 in a program of its own, without any library.
//
//===--------------------------------------------------------------------------------------===//

#include "compiler/driver/Compile.h"
#include "dialects/kernel/KernelDialect.h"
#include "dialects/kernel/Structure.h"
#include "runtime/artifact/CodeObject.h"

#include "mlir/IR/MLIRContext.h"

#include "llvm/ADT/StringSet.h"
#include "llvm/Support/FileSystem.h"
#include "llvm/Support/FormatVariadic.h"
#include "llvm/Support/MemoryBuffer.h"
#include "llvm/Support/Program.h"

#include <cmath>
#include <gtest/gtest.h>
#include <random>

using namespace mlir;
using namespace vitc;

namespace {

constexpr int64_t images = 2;

/// Reads operands from stdin and writes results to stdout by the system calls of AArch64 Linux.
constexpr llvm::StringLiteral prologue = R"(
typedef void Kernel(void *const *, long, long, long, void *);
static long call(long number, long a, const void *b, long c) {
  register long x8 __asm__("x8") = number, x0 __asm__("x0") = a, x2 __asm__("x2") = c;
  register const void *x1 __asm__("x1") = b;
  __asm__ volatile("svc 0" : "+r"(x0) : "r"(x8), "r"(x1), "r"(x2) : "memory");
  return x0;
}
static void all(long number, long file, char *memory, long bytes) {
  while (bytes > 0) {
    long done = call(number, file, memory, bytes);
    if (done <= 0)
      call(93, 1, 0, 0);
    memory += done;
    bytes -= done;
  }
}
static char scratch[1 << 22] __attribute__((aligned(64)));
)";

/// A launch, its operands, and what this machine makes of them.
struct Case {
  std::string symbol;
  cpu::KernelInfo info;
  std::vector<std::vector<char>> operands, results;
  std::vector<unsigned> resultBits;

  int64_t tasks() const { return (images * info.rowsPerImage + info.rowsPerTask - 1) / info.rowsPerTask * info.columnTasks; }
};

std::vector<char> randomBytes(RankedTensorType type, std::mt19937 &random) {
  int64_t elements = 1;
  for (int64_t size : type.getShape())
    elements *= ShapedType::isDynamic(size) ? images : size;
  std::vector<char> bytes(elements * type.getElementTypeBitWidth() / 8);
  std::normal_distribution<float> normal;
  for (int64_t i = 0; i < elements; ++i) {
    float value = normal(random);
    if (type.getElementType().isF32())
      memcpy(&bytes[4 * i], &value, 4);
    else if (type.getElementType().isBF16())
      memcpy(&bytes[2 * i], reinterpret_cast<char *>(&value) + 2, 2);
    else
      bytes[i] = char(random());
  }
  return bytes;
}

class AArch64 : public testing::TestWithParam<std::pair<const char *, Precision>> {
protected:
  void SetUp() override {
    auto found = llvm::sys::findProgramByName("qemu-aarch64");
    if (!found)
      GTEST_SKIP() << "qemu-aarch64 (package qemu-user) is not installed";
    emulator = *found;
    ASSERT_FALSE(llvm::sys::fs::createUniqueDirectory("vitc-aarch64", folder));
  }
  void TearDown() override {
    if (!folder.empty())
      llvm::sys::fs::remove_directories(folder);
  }

  std::string path(const char *name) const { return (folder + "/" + name).str(); }
  void write(const char *name, StringRef text) const {
    std::error_code error;
    llvm::raw_fd_ostream(path(name), error) << text;
    ASSERT_FALSE(error);
  }
  void run(StringRef program, std::vector<std::string> arguments, std::string input = "", std::string output = "") const {
    std::vector<StringRef> all{program};
    all.insert(all.end(), arguments.begin(), arguments.end());
    std::string errors = path("errors"), problem;
    std::optional<StringRef> redirects[] = {input, output, StringRef(errors)};
    int code = llvm::sys::ExecuteAndWait(program, all, std::nullopt, redirects, 0, 0, &problem);
    auto said = llvm::MemoryBuffer::getFile(errors);
    ASSERT_EQ(code, 0) << program.str() << ": " << problem << (said ? (*said)->getBuffer().str() : "");
  }

  std::string emulator;
  llvm::SmallString<64> folder;
};

TEST_P(AArch64, KernelsAgreeWithThisMachine) {
  auto [model, precision] = GetParam();
  MLIRContext context;
  llvm::Expected<LoadedModel> loaded = resolveModel(std::string(VITC_SOURCE_DIR) + "/test/data/" + model, {}, "");
  ASSERT_TRUE(bool(loaded)) << toString(loaded.takeError());
  CompileOptions options;
  options.triple = "aarch64-unknown-linux-gnu";
  options.cpu = "generic";
  options.precision = precision;
  auto module = Compilation(context, loaded->config, options).lower("cpu", Phase::Kernel);
  ASSERT_TRUE(succeeded(module));
  cpu::CpuTarget arm, here;
  std::string error;
  ASSERT_TRUE(succeeded(cpu::resolveTarget(options.triple, options.cpu, "", arm, error))) << error;
  ASSERT_TRUE(succeeded(cpu::resolveTarget("", "host", "", here, error))) << error;

  OwningOpRef<ModuleOp> armKernels = ModuleOp::create((*module)->getLoc()), ownKernels = ModuleOp::create((*module)->getLoc());
  std::vector<Case> cases;
  llvm::StringSet<> seen;
  std::mt19937 random(1);
  (*module)->walk([&](kernel::KernelLaunchInterface launch) {
    if (!seen.insert(kernel::structureOf(launch)).second)
      return;
    Case &made = cases.emplace_back();
    made.symbol = "kernel" + std::to_string(cases.size());
    auto info = cpu::emitKernel(*armKernels, launch, made.symbol, arm);
    ASSERT_TRUE(succeeded(info) && succeeded(cpu::emitKernel(*ownKernels, launch, made.symbol, here)));
    made.info = *info;
    for (Value operand : launch->getOperands())
      made.operands.push_back(randomBytes(cast<RankedTensorType>(operand.getType()), random));
    for (Value result : launch->getResults()) {
      made.results.push_back(randomBytes(cast<RankedTensorType>(result.getType()), random));
      made.resultBits.push_back(cast<RankedTensorType>(result.getType()).getElementTypeBitWidth());
    }
  });

  // This machine's results.
  auto object = cpu::compileModule(*ownKernels, here, 2, cpu::Output::Object);
  ASSERT_TRUE(succeeded(object));
  auto linked = cpu::linkSharedObject(context, {*object}, here);
  ASSERT_TRUE(succeeded(linked));
  auto code = vitrt::CodeObject::load(std::as_bytes(std::span(*linked)), "own");
  ASSERT_TRUE(bool(code));
  std::string program = prologue.str(), body, input;
  int64_t outputBytes = 0;
  for (Case &made : cases) {
    ASSERT_LE(made.info.scratchBytes, 1 << 22);
    std::unique_ptr<void, decltype(&free)> scratch(aligned_alloc(64, 1 << 22), free);
    std::vector<std::unique_ptr<void, decltype(&free)>> memory;
    std::vector<void *> buffers;
    program += "extern Kernel " + made.symbol + ";\n";
    body += "  {\n    void *buffers[8];\n";
    std::string writes;
    auto add = [&](const std::vector<char> &bytes, bool isResult) {
      memory.emplace_back(aligned_alloc(64, (bytes.size() + 127) / 64 * 64), free);
      memcpy(memory.back().get(), bytes.data(), bytes.size());
      std::string name = llvm::formatv("{0}_{1}", made.symbol, buffers.size()).str();
      buffers.push_back(memory.back().get());
      program += llvm::formatv("static char {0}[{1}] __attribute__((aligned(64)));\n", name, bytes.size());
      body += llvm::formatv("    buffers[{0}] = {1};\n", buffers.size() - 1, name);
      if (!isResult) {
        body += llvm::formatv("    all(63, 0, {0}, {1});\n", name, bytes.size());
        input.append(bytes.begin(), bytes.end());
      } else {
        writes += llvm::formatv("    all(64, 1, {0}, {1});\n", name, bytes.size());
        outputBytes += bytes.size();
      }
    };
    for (const std::vector<char> &operand : made.operands)
      add(operand, false);
    for (const std::vector<char> &result : made.results)
      add(result, true);
    ASSERT_LE(buffers.size(), 8u);
    body += llvm::formatv("    {0}(buffers, {1}, 0, {2}, scratch);\n", made.symbol, images, made.tasks()).str() + writes + "  }\n";
    reinterpret_cast<vitrt::KernelFunction>(code->find(made.symbol.c_str()))(buffers.data(), images, 0, made.tasks(), scratch.get());
    for (size_t i = 0; i < made.results.size(); ++i)
      memcpy(made.results[i].data(), buffers[made.operands.size() + i], made.results[i].size());
  }
  program += "void _start(void) {\n" + body + "  call(93, 0, 0, 0);\n}\n";

  // The emulator's.
  auto armObject = cpu::compileModule(*armKernels, arm, 2, cpu::Output::Object);
  ASSERT_TRUE(succeeded(armObject));
  write("kernels.o", *armObject);
  write("program.c", program);
  write("input", input);
  run(VITC_CLANG, {"--target=aarch64-linux-gnu", "-O1", "-ffreestanding", "-nostdlib", "-static", "-fuse-ld=lld", path("program.c"),
                   path("kernels.o"), "-o", path("program")});
  if (HasFatalFailure())
    return;
  run(emulator, {path("program")}, path("input"), path("output"));
  if (HasFatalFailure())
    return;
  auto output = llvm::MemoryBuffer::getFile(path("output"), /*IsText=*/false, /*RequiresNullTerminator=*/false);
  ASSERT_TRUE(bool(output));
  ASSERT_EQ(int64_t((*output)->getBufferSize()), outputBytes);
  const char *at = (*output)->getBufferStart();
  for (const Case &made : cases)
    for (size_t i = 0; i < made.results.size(); at += made.results[i++].size()) {
      ASSERT_EQ(made.resultBits[i], 32u) << "results of this target are f32";
      for (size_t byte = 0; byte < made.results[i].size(); byte += sizeof(float)) {
        float expected, result;
        memcpy(&expected, &made.results[i][byte], sizeof expected);
        memcpy(&result, at + byte, sizeof result);
        ASSERT_NEAR(result, expected, 1e-5 * (1 + std::abs(expected)))
            << made.info.kind << " " << made.info.schedule << ", element " << byte / 4;
      }
    }
}

INSTANTIATE_TEST_SUITE_P(Models, AArch64,
                         testing::Values(std::pair("goldens/plain.json", Precision::F32),
                                         std::pair("goldens/odd-sizes.json", Precision::F32),
                                         std::pair("goldens/swiglu.json", Precision::F32),
                                         std::pair("goldens/plain.json", Precision::Bf16)));

} // namespace
