//===- KernelHarness.cpp - compile one kernel and call it ---------------------*- C++ -*-===//
//
// Part of the vitc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===--------------------------------------------------------------------------------------===//

#include "KernelHarness.h"

#include "dialects/kernel/KernelDialect.h"
#include "dialects/vit/VitDialect.h"

#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/Parser/Parser.h"
#include "llvm/TargetParser/Host.h"

#include <gtest/gtest.h>

#include <cmath>
#include <cstring>
#include <dlfcn.h>
#include <stdexcept>
#include <sys/mman.h>
#include <unistd.h>

using namespace mlir;

namespace vitc::test {

std::vector<Level> runnableLevels() {
  std::vector<Level> result;
  llvm::StringMap<bool> host = llvm::sys::getHostCPUFeatures();
  for (Level level : {Level{"AVX-512", {}, 6, 64}, Level{"AVX2", {}, 6, 16}, Level{"portable", {}, 4, 8}}) {
    StringRef cpu = level.columns == 64 ? "x86-64-v4" : level.columns == 16 ? "x86-64-v3" : "x86-64";
    std::string error;
    if (failed(cpu::resolveTarget("x86_64-unknown-linux-gnu", cpu, "", level.target, error)))
      throw std::runtime_error(error);
    if (llvm::all_of(level.target.features, [&](const std::string &feature) { return host.lookup(feature); }))
      result.push_back(level);
  }
  return result;
}

std::optional<Level> levelWith(const std::string &feature) {
  Level level{"AVX-512 with " + feature, {}, 6, 64};
  std::string error;
  if (failed(cpu::resolveTarget("x86_64-unknown-linux-gnu", "x86-64-v4", "+" + feature, level.target, error)))
    throw std::runtime_error(error);
  level.target.require(feature);
  llvm::StringMap<bool> host = llvm::sys::getHostCPUFeatures();
  bool runs = llvm::all_of(level.target.features, [&](const std::string &needed) { return host.lookup(needed); });
  return runs ? std::optional(level) : std::nullopt;
}

std::string parameterName(std::string text) {
  for (char &c : text)
    if (!std::isalnum(static_cast<unsigned char>(c)))
      c = '_';
  return text;
}

//===--------------------------------------------------------------------------------------===//
// Memory
//===--------------------------------------------------------------------------------------===//

GuardedBuffer::GuardedBuffer(size_t size, Guard guard, size_t alignment) : count(size) {
  size_t page = sysconf(_SC_PAGESIZE), bytes = size * sizeof(float), inner = (bytes + page - 1) / page * page;
  mappedBytes = inner + 2 * page;
  mapping = static_cast<char *>(mmap(nullptr, mappedBytes, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0));
  if (mapping == MAP_FAILED || (inner && mprotect(mapping + page, inner, PROT_READ | PROT_WRITE) != 0))
    throw std::runtime_error("no memory for a guarded buffer");
  size_t offset = guard == Guard::Before ? 0 : (inner - bytes) / alignment * alignment;
  elements = reinterpret_cast<float *>(mapping + page + offset);
}

GuardedBuffer::GuardedBuffer(GuardedBuffer &&other)
    : mapping(std::exchange(other.mapping, nullptr)), mappedBytes(other.mappedBytes), elements(other.elements), count(other.count) {}

GuardedBuffer::~GuardedBuffer() {
  if (mapping)
    munmap(mapping, mappedBytes);
}

void GuardedBuffer::fill(std::mt19937 &random, float low, float high) {
  std::uniform_real_distribution<float> distribution(low, high);
  for (float &value : *this)
    value = distribution(random);
}

std::vector<float> randomFloats(size_t count, uint32_t seed, float deviation) {
  std::mt19937 random(seed);
  std::normal_distribution<float> distribution(0.0f, deviation);
  std::vector<float> result(count);
  for (float &value : result)
    value = distribution(random);
  return result;
}

//===--------------------------------------------------------------------------------------===//
// Code
//===--------------------------------------------------------------------------------------===//

LoadedCode::LoadedCode(const std::string &sharedObject) : descriptor(memfd_create("kernel", MFD_CLOEXEC)) {
  if (descriptor < 0 || write(descriptor, sharedObject.data(), sharedObject.size()) != static_cast<ssize_t>(sharedObject.size()))
    throw std::runtime_error("no memory file for a kernel");
  handle = dlopen(("/proc/self/fd/" + std::to_string(descriptor)).c_str(), RTLD_NOW | RTLD_LOCAL);
  if (!handle)
    throw std::runtime_error(dlerror());
}

LoadedCode::~LoadedCode() {
  dlclose(handle);
  close(descriptor);
}

void *LoadedCode::address(const std::string &symbol) const {
  void *found = dlsym(handle, symbol.c_str());
  if (!found)
    throw std::runtime_error(dlerror());
  return found;
}

std::unique_ptr<LoadedCode> load(ModuleOp module, const cpu::CpuTarget &target) {
  FailureOr<std::string> object = cpu::compileModule(module, target, 2, cpu::Output::Object);
  if (failed(object))
    return nullptr;
  FailureOr<std::string> linked = cpu::linkSharedObject(*module.getContext(), *object, target);
  return failed(linked) ? nullptr : std::make_unique<LoadedCode>(*linked);
}

std::unique_ptr<MLIRContext> makeContext() {
  auto context = std::make_unique<MLIRContext>(MLIRContext::Threading::DISABLED);
  context->loadDialect<func::FuncDialect, kernel::KernelDialect, vit::VitDialect>();
  return context;
}

std::optional<Kernel> compileLaunch(const std::string &text, const cpu::CpuTarget &target) {
  std::unique_ptr<MLIRContext> context = makeContext();
  OwningOpRef<ModuleOp> source = parseSourceString<ModuleOp>(text, context.get());
  Operation *launch = nullptr;
  if (source)
    source->walk([&](kernel::KernelLaunchInterface op) { launch = op; });
  if (!launch) {
    ADD_FAILURE() << "no launch in " << text;
    return std::nullopt;
  }
  OwningOpRef<ModuleOp> module = ModuleOp::create(source->getLoc());
  FailureOr<cpu::KernelInfo> info = cpu::emitKernel(*module, launch, "test_kernel", target);
  std::shared_ptr<LoadedCode> code = succeeded(info) ? load(*module, target) : nullptr;
  if (!code) {
    ADD_FAILURE() << "no code for " << text;
    return std::nullopt;
  }
  return Kernel{*info, code, code->find<void(void *const *, int64_t, int64_t, int64_t, void *)>("test_kernel")};
}

int64_t Kernel::tasks(int64_t images) const {
  return (images * info.rowsPerImage + info.rowsPerTask - 1) / info.rowsPerTask * info.columnTasks;
}

void Kernel::run(const std::vector<float *> &buffers, int64_t images, std::mt19937 *random, Guard scratchGuard) const {
  std::vector<void *> pointers(buffers.begin(), buffers.end());
  GuardedBuffer scratch(info.scratchBytes / sizeof(float), scratchGuard, 64);
  // What a kernel reads of its scratch before it wrote it shows as NaN.
  scratch.fill(NAN);
  std::vector<std::pair<int64_t, int64_t>> ranges;
  for (int64_t begin = 0, all = tasks(images), end; begin < all; begin = end) {
    end = random ? std::min<int64_t>(all, begin + 1 + (*random)() % 5) : all;
    ranges.push_back({begin, end});
  }
  if (random)
    std::shuffle(ranges.begin(), ranges.end(), *random);
  for (auto [begin, end] : ranges)
    function(pointers.data(), images, begin, end, scratch.data());
}

//===--------------------------------------------------------------------------------------===//
// Expectations
//===--------------------------------------------------------------------------------------===//

std::vector<std::vector<float>> runAdding(const Kernel &kernel, const std::vector<std::vector<float>> &operands,
                                          const std::vector<std::vector<float>> &initial, int64_t images, Guard guard,
                                          std::mt19937 *random) {
  std::vector<GuardedBuffer> buffers, results;
  std::vector<float *> pointers;
  for (auto [values, into] : {std::pair(&operands, &buffers), std::pair(&initial, &results)})
    for (const std::vector<float> &value : *values) {
      llvm::copy(value, into->emplace_back(value.size(), guard).begin());
      pointers.push_back(into->back().data());
    }
  kernel.run(pointers, images, random, guard);
  for (auto [operand, buffer] : llvm::zip(operands, buffers))
    EXPECT_EQ(std::memcmp(operand.data(), buffer.data(), operand.size() * sizeof(float)), 0) << "an input was written to";
  std::vector<std::vector<float>> values;
  for (const GuardedBuffer &result : results)
    values.emplace_back(result.begin(), result.end());
  return values;
}

std::vector<std::vector<float>> runGuarded(const Kernel &kernel, const std::vector<std::vector<float>> &operands,
                                           const std::vector<size_t> &resultSizes, int64_t images, Guard guard, std::mt19937 *random) {
  // What a kernel forgets to write shows as NaN.
  std::vector<std::vector<float>> initial;
  for (size_t size : resultSizes)
    initial.emplace_back(size, NAN);
  return runAdding(kernel, operands, initial, images, guard, random);
}

std::vector<float> runGuarded(const Kernel &kernel, const std::vector<std::vector<float>> &operands, size_t resultSize, int64_t images,
                              Guard guard, std::mt19937 *random) {
  return runGuarded(kernel, operands, std::vector<size_t>{resultSize}, images, guard, random).front();
}

void expectClose(const std::vector<float> &result, const std::vector<double> &expected, double tolerance) {
  ASSERT_EQ(result.size(), expected.size());
  size_t worst = 0;
  auto error = [&](size_t i) {
    double difference = std::abs(result[i] - expected[i]) / (1 + std::abs(expected[i]));
    return std::isnan(difference) ? INFINITY : difference;
  };
  for (size_t i = 0; i < expected.size(); ++i)
    if (error(i) > error(worst))
      worst = i;
  EXPECT_LE(error(worst), tolerance) << "element " << worst << " is " << result[worst] << ", expected " << expected[worst];
}

void expectKernel(const Kernel &kernel, const std::vector<std::vector<float>> &operands, const std::vector<double> &expected,
                  int64_t images, double tolerance) {
  std::vector<float> result = runGuarded(kernel, operands, expected.size(), images);
  expectClose(result, expected, tolerance);
  std::mt19937 random(1);
  std::vector<float> split = runGuarded(kernel, operands, expected.size(), images, Guard::Before, &random);
  EXPECT_EQ(std::memcmp(result.data(), split.data(), result.size() * sizeof(float)), 0) << "the bits depend on the split into tasks";
}

} // namespace vitc::test
