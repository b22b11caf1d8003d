//===- KernelHarness.h - compile one kernel and call it -----------------------*- C++ -*-===//
//
// Part of the vitc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===--------------------------------------------------------------------------------------===//

#ifndef VITC_TEST_UNIT_CODEGEN_KERNELHARNESS_H
#define VITC_TEST_UNIT_CODEGEN_KERNELHARNESS_H

#include "compiler/codegen/cpu/CpuCodegen.h"

#include <memory>
#include <optional>
#include <ostream>
#include <random>
#include <string>
#include <vector>

namespace mlir {
class MLIRContext;
}

namespace vitc::test {

/// An instruction set, and the register tile that products use with it.
struct Level {
  std::string name;
  cpu::CpuTarget target;
  int64_t rows, columns;

  friend std::ostream &operator<<(std::ostream &os, const Level &level) { return os << level.name; }
};

/// AVX-512, AVX2 and the portable level, as far as this machine can run them.
std::vector<Level> runnableLevels();

/// AVX-512 with `feature`, "avx512bf16" or "avx512vnni"; nothing where this machine has not got them.
std::optional<Level> levelWith(const std::string &feature);

/// Letters, digits and underscores, as GoogleTest wants the names of parameters.
std::string parameterName(std::string text);

/// Where a buffer lies in its mapping: against the inaccessible page after it, or the one before it.
enum class Guard { After, Before };

/// Floats with inaccessible memory right behind them (then aligned to `alignment` bytes only, as an image within a group may be) or right before them.
class GuardedBuffer {
public:
  explicit GuardedBuffer(size_t size, Guard guard = Guard::After, size_t alignment = sizeof(float));
  ~GuardedBuffer();
  GuardedBuffer(GuardedBuffer &&other);
  GuardedBuffer &operator=(GuardedBuffer &&) = delete;

  float *data() const { return elements; }
  size_t size() const { return count; }
  float *begin() const { return elements; }
  float *end() const { return elements + count; }
  float &operator[](size_t index) const { return elements[index]; }

  void fill(float value) { std::fill(begin(), end(), value); }
  /// Uniform in [low, high).
  void fill(std::mt19937 &random, float low = -1, float high = 1);

private:
  char *mapping;
  size_t mappedBytes;
  float *elements;
  size_t count;
};

/// A shared object loaded into this process.
class LoadedCode {
public:
  explicit LoadedCode(const std::string &sharedObject);
  ~LoadedCode();
  LoadedCode(const LoadedCode &) = delete;

  template <typename Function> Function *find(const std::string &symbol) const { return reinterpret_cast<Function *>(address(symbol)); }

private:
  void *address(const std::string &symbol) const;
  int descriptor; ///< open as long as the code is loaded: dlopen takes a file of the same name, which the next memory file would get, for the same file
  void *handle;
};

/// Compiles, links and loads a module of functions.
std::unique_ptr<LoadedCode> load(mlir::ModuleOp module, const cpu::CpuTarget &target);

/// A context with the project's dialects loaded.
std::unique_ptr<mlir::MLIRContext> makeContext();

struct Kernel {
  cpu::KernelInfo info;
  std::shared_ptr<LoadedCode> code;
  void (*function)(void *const *, int64_t, int64_t, int64_t, void *);

  int64_t tasks(int64_t images) const;

  /// Does all tasks: in one call, or, with a source of randomness, in random ranges one after the other in a random order.
  void run(const std::vector<float *> &buffers, int64_t images, std::mt19937 *random = nullptr, Guard scratchGuard = Guard::After) const;
};

/// The kernel of the one launch operation in the module `text`; nothing, and a failed test, where there is no code for it.
std::optional<Kernel> compileLaunch(const std::string &text, const cpu::CpuTarget &target);

/// Floats of a normal distribution; the same ones for the same seed.
std::vector<float> randomFloats(size_t count, uint32_t seed, float deviation = 1.0f);

/// What the kernel makes of `operands`, with all buffers at a guard page, by the sizes of its results. A failed test where it writes to its inputs.
std::vector<std::vector<float>> runGuarded(const Kernel &kernel, const std::vector<std::vector<float>> &operands,
                                           const std::vector<size_t> &resultSizes, int64_t images, Guard guard = Guard::After,
                                           std::mt19937 *random = nullptr);

/// The same of a kernel with one result.
std::vector<float> runGuarded(const Kernel &kernel, const std::vector<std::vector<float>> &operands, size_t resultSize, int64_t images,
                              Guard guard = Guard::After, std::mt19937 *random = nullptr);

/// The same of a kernel that adds to its results, which hold `initial` before.
std::vector<std::vector<float>> runAdding(const Kernel &kernel, const std::vector<std::vector<float>> &operands,
                                          const std::vector<std::vector<float>> &initial, int64_t images, Guard guard = Guard::After,
                                          std::mt19937 *random = nullptr);

/// Expects |result - expected| <= tolerance (1 + |expected|) of every element, and the same bits from any split into tasks.
void expectKernel(const Kernel &kernel, const std::vector<std::vector<float>> &operands, const std::vector<double> &expected,
                  int64_t images, double tolerance);

/// Expects |result - expected| <= tolerance (1 + |expected|) of every element.
void expectClose(const std::vector<float> &result, const std::vector<double> &expected, double tolerance);

} // namespace vitc::test

#endif // VITC_TEST_UNIT_CODEGEN_KERNELHARNESS_H
