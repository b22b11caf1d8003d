//===- gemm_bench.cpp - generated matrix products in percent of the peak ------*- C++ -*-===//
//
// Part of the vitc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Compiles kernel.gemm for the products of ViT-Ti, -S and -B and times one core of this machine:
//
//   gemm_bench [cpu] [rows columns k_block row_block prefetch]        cpu: host, x86-64-v3, ...
//
// Each figure stands between two runs of a loop of independent multiply-adds and is given in percent of their mean, so it holds while
// clocks drift. Time is the thread's CPU time, for neighbours share the machine. Weights are read from memory, another copy for each call,
// as a whole model does.
//
//===--------------------------------------------------------------------------------------===//

#include "compiler/codegen/cpu/KernelFunction.h"
#include "test/unit/codegen/KernelHarness.h"

#include <ctime>
#include <fmt/format.h>

using namespace vitc;
using namespace vitc::test;

namespace {

double cpuSeconds() {
  timespec time;
  clock_gettime(CLOCK_THREAD_CPUTIME_ID, &time);
  return double(time.tv_sec) + double(time.tv_nsec) * 1e-9;
}

/// Calls of `work` for about `seconds`; seconds a call.
template <typename Work> double timeOf(double seconds, Work work) {
  work();
  double start = cpuSeconds(), now = start;
  int64_t calls = 0;
  for (; now - start < seconds; now = cpuSeconds(), ++calls)
    work();
  return (now - start) / double(calls);
}

/// The rate of multiply-adds alone, flop/s: 12 chains hide a latency of 4 cycles on two ports.
class Peak {
public:
  explicit Peak(const cpu::CpuTarget &target) : lanes(target.vectorLanes) {
    auto context = makeContext();
    mlir::OwningOpRef<mlir::ModuleOp> module = mlir::ModuleOp::create(mlir::UnknownLoc::get(context.get()));
    cpu::KernelFunction f(*module, "peak", module->getLoc());
    mlir::Value memory = f.weight(0, {chains * lanes});
    llvm::SmallVector<mlir::Value> sums;
    auto at = [&](int64_t i) { return cpu::indexConstant(f.b, i * lanes); };
    for (int64_t i = 0; i < chains; ++i)
      sums.push_back(cpu::loadVector(f.b, memory, at(i), lanes));
    mlir::Value factor = cpu::loadVector(f.b, memory, at(0), lanes);
    sums = cpu::forLoop(f.b, at(0), cpu::indexConstant(f.b, turns), 1, sums, [&](mlir::Value, mlir::ValueRange carried) {
      llvm::SmallVector<mlir::Value> next;
      for (mlir::Value sum : carried)
        next.push_back(cpu::fma(f.b, sum, factor, factor));
      return next;
    });
    for (int64_t i = 0; i < chains; ++i)
      cpu::storeVector(f.b, sums[i], memory, at(i));
    code = load(*module, target);
    data.resize(chains * lanes);
  }

  double measure() {
    void *buffers[] = {data.data()};
    auto *function = code->find<void(void *const *, int64_t, int64_t, int64_t, void *)>("peak");
    return double(2 * chains * lanes * turns) / timeOf(0.03, [&] { function(buffers, 1, 0, 1, nullptr); });
  }

private:
  static constexpr int64_t chains = 12, turns = 100000;
  int64_t lanes;
  std::vector<float> data;
  std::unique_ptr<LoadedCode> code;
};

struct Schedule {
  int64_t rows, columns, kBlock, rowBlock, prefetch;
};

void measure(const char *name, int64_t rows, int64_t outputs, int64_t depth, const char *activation, bool residual,
             const Schedule &schedule, const cpu::CpuTarget &target, Peak &peak) {
  int64_t kBlock = std::min(depth, schedule.kBlock), panels = (outputs + schedule.columns - 1) / schedule.columns,
          blocks = (depth + kBlock - 1) / kBlock;
  std::string result = fmt::format("tensor<?x{}x{}xf32>", rows, outputs);
  std::string ir = fmt::format("func.func @f(%x: tensor<?x{0}x{2}xf32>, %w: tensor<{3}x{4}x{5}x{6}xf32>, %b: tensor<{1}xf32>, %r: {13}) {{ "
                               "%y = kernel.gemm %x, %w bias(%b : "
                               "tensor<{1}xf32>){12} {{activation = #vit.activation<{7}>, schedule = #kernel.gemm_schedule<rows = {8}, "
                               "columns = {6}, k_block = {5}, row_block = {9}, "
                               "prefetch = {10}, vector = {11}>}} : tensor<?x{0}x{2}xf32>, tensor<{3}x{4}x{5}x{6}xf32> -> {13} return }}",
                               rows, outputs, depth, blocks, panels, kBlock, schedule.columns, activation, schedule.rows, schedule.rowBlock,
                               schedule.prefetch, target.vectorLanes, residual ? " residual(%r : " + result + ")" : "", result);
  double start = cpuSeconds();
  std::optional<Kernel> kernel = compileLaunch(ir, target);
  double compileSeconds = cpuSeconds() - start;
  if (!kernel)
    return;
  const size_t weightSize = blocks * panels * kBlock * schedule.columns,
               copies = std::max<size_t>(2, (64 << 20) / (weightSize * sizeof(float)));
  std::vector<float> input = randomFloats(rows * depth, 1), bias = randomFloats(outputs, 3), output(rows * outputs),
                     scratch(kernel->info.scratchBytes / 4 + 16);
  std::vector<std::vector<float>> weights(copies, randomFloats(weightSize, 2));
  size_t copy = 0;
  auto call = [&] {
    std::vector<void *> buffers{input.data(), weights[copy++ % copies].data(), bias.data()};
    if (residual)
      buffers.push_back(output.data());
    buffers.push_back(output.data());
    auto *aligned = reinterpret_cast<void *>((reinterpret_cast<uintptr_t>(scratch.data()) + 63) / 64 * 64);
    kernel->function(buffers.data(), 1, 0, kernel->tasks(1), aligned);
  };
  double before = peak.measure(), seconds = timeOf(0.25, call), after = peak.measure();
  double rate = 2.0 * double(rows * outputs * depth) / seconds;
  fmt::print("{:10} {:5} {:5} {:5} {:9}{:9} {:7.1f} GFLOP/s {:5.1f} % {:6.1f} GB/s of weights, compiled in {:.2f} s\n", name, rows, outputs,
             depth, activation, residual ? " residual" : "", rate * 1e-9, 200 * rate / (before + after),
             double(outputs * depth) * 4e-9 / seconds, compileSeconds);
  fflush(stdout);
}

} // namespace

int main(int argc, char **argv) {
  cpu::CpuTarget target;
  std::string error;
  if (failed(cpu::resolveTarget("", argc > 1 ? argv[1] : "host", "", target, error))) {
    fmt::print(stderr, "gemm_bench: error: {}\n", error);
    return 2;
  }
  Schedule schedule = target.vectorLanes == 16  ? Schedule{6, 64, 768, 198, 8}
                      : target.vectorLanes == 8 ? Schedule{6, 16, 768, 198, 8}
                                                : Schedule{4, 8, 768, 200, 8};
  if (argc > 6)
    schedule = {atol(argv[2]), atol(argv[3]), atol(argv[4]), atol(argv[5]), atol(argv[6])};
  Peak peak(target);
  fmt::print("peak {:.1f} GFLOP/s, {} lanes\n", peak.measure() * 1e-9, target.vectorLanes);
  for (auto [name, width] : {std::pair("ViT-Ti", 192), std::pair("ViT-S", 384), std::pair("ViT-B", 768)})
    for (int64_t images : {1, 8}) {
      measure(name, images * 197, 3 * width, width, "none", false, schedule, target, peak);
      measure(name, images * 197, width, width, "none", true, schedule, target, peak);
      measure(name, images * 197, 4 * width, width, "gelu_erf", false, schedule, target, peak);
      measure(name, images * 197, width, 4 * width, "none", true, schedule, target, peak);
      measure(name, images, 1000, width, "none", false, schedule, target, peak);
    }
  return 0;
}
