//===- DeviceHarness.cpp - compile one device kernel and run it, or ask ptxas -------------===//
//
// Part of the vitc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===--------------------------------------------------------------------------------------===//

#include "DeviceHarness.h"

#include "dialects/kernel/KernelDialect.h"
#include "runtime/device/emulator/Emulator.h"

#include "mlir/IR/MLIRContext.h"
#include "mlir/Parser/Parser.h"

#include <gtest/gtest.h>

#include <bit>
#include <cmath>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <sstream>

using namespace mlir;
using namespace vitrt::emulator;

namespace vitc::test {

int64_t DeviceKernel::blocks(int64_t images) const {
  return (images * info.rowsPerImage + info.rowsPerTask - 1) / info.rowsPerTask * info.columnTasks;
}

namespace {

/// Words that begin at a multiple of 64 bytes, as a launch's operands do.
class AlignedWords {
public:
  explicit AlignedWords(size_t count) : count(count), words(new (std::align_val_t(64)) float[count + 1]) {}
  AlignedWords(AlignedWords &&other) : count(other.count), words(std::exchange(other.words, nullptr)) {}
  AlignedWords &operator=(AlignedWords &&) = delete;
  ~AlignedWords() { operator delete[](words, std::align_val_t(64)); }
  float *begin() const { return words; }
  float *end() const { return words + count; }
  Operand operand(bool written) const { return {reinterpret_cast<std::byte *>(words), count * sizeof(float), written}; }

private:
  size_t count;
  float *words;
};

TensorMap mapOf(const plan::TensorMap &from, const std::byte *data, int64_t images) {
  TensorMap map = {data, static_cast<int32_t>(from.elementBytes), static_cast<int32_t>(from.sizes.size()), {}, {},
                   {},   static_cast<int32_t>(from.swizzle)};
  std::ranges::copy(from.sizes, map.sizes);
  std::ranges::copy(from.strides, map.strides + 1);
  std::ranges::copy(from.box, map.box);
  map.strides[0] = from.elementBytes;
  map.sizes[map.rank - 1] *= from.perImage ? images : 1;
  return map;
}

} // namespace

std::vector<std::vector<float>> DeviceKernel::run(const std::vector<std::vector<float>> &operands, const std::vector<size_t> &resultWords,
                                                  int64_t images, uint64_t seed) const {
  // Every bit is set: a NaN of f32, bf16 and f16.
  std::vector<std::vector<float>> results;
  for (size_t words : resultWords)
    results.emplace_back(words, std::bit_cast<float>(~uint32_t(0)));
  return addTo(results, operands, images, seed);
}

std::vector<std::vector<float>> DeviceKernel::addTo(const std::vector<std::vector<float>> &before,
                                                    const std::vector<std::vector<float>> &operands, int64_t images, uint64_t seed) const {
  std::vector<AlignedWords> memory;
  std::vector<Operand> launched;
  for (const std::vector<std::vector<float>> *group : {&operands, &before})
    for (const std::vector<float> &values : *group) {
      std::ranges::copy(values, memory.emplace_back(values.size()).begin());
      launched.push_back(memory.back().operand(/*written=*/group == &before));
    }
  const auto tasks = static_cast<size_t>(blocks(images));
  AlignedWords counters(tasks * static_cast<size_t>(info.partCounters)), parts(tasks * static_cast<size_t>(info.partBytes) / sizeof(float));
  std::memset(counters.begin(), 0, static_cast<size_t>(counters.end() - counters.begin()) * sizeof(float));
  std::memset(parts.begin(), 0xff, static_cast<size_t>(parts.end() - parts.begin()) * sizeof(float));
  if (info.partBytes)
    launched.insert(launched.end(), {counters.operand(true), parts.operand(true)});
  AlignedWords scratch(static_cast<size_t>(info.scratchBytes) / sizeof(float));
  // A persistent kernel's blocks are fewer than its tiles.
  const int64_t running = info.persistent ? std::min<int64_t>(blocks(images), 2) : blocks(images);
  std::vector<TensorMap> maps;
  for (const plan::TensorMap &map : info.tensorMaps)
    maps.push_back(mapOf(map, launched[map.operand].data, images));
  LaunchShape shape = {info.symbol,
                       "layer",
                       code->find<void(ThreadState *, void *const *, int64_t)>(info.symbol),
                       static_cast<int32_t>(info.threads),
                       static_cast<uint64_t>(info.sharedBytes),
                       reinterpret_cast<std::byte *>(scratch.begin()),
                       static_cast<int32_t>(running),
                       maps,
                       static_cast<uint64_t>(info.scratchBytes)};
  EXPECT_EQ(Emulator(seed).run(shape, launched, images, 0, running).message, "");
  EXPECT_TRUE(std::ranges::all_of(counters, [](float count) { return std::bit_cast<uint32_t>(count) == 0; }));
  std::vector<std::vector<float>> results;
  for (size_t i = operands.size(); i < memory.size(); ++i)
    results.emplace_back(memory[i].begin(), memory[i].end());
  return results;
}

std::optional<DeviceKernel> compileDevice(const Emit &emit) {
  std::unique_ptr<MLIRContext> context = makeContext();
  OwningOpRef<ModuleOp> module = ModuleOp::create(UnknownLoc::get(context.get()));
  FailureOr<gpu::KernelInfo> info = emit(*module, "test_kernel");
  std::shared_ptr<LoadedCode> code;
  if (succeeded(info) && succeeded(gpu::lowerToEmulator(*module)))
    code = load(*module, runnableLevels().front().target);
  if (!code) {
    ADD_FAILURE() << "no code for the kernel";
    return std::nullopt;
  }
  return DeviceKernel{*info, code};
}

std::optional<DeviceKernel> compileDeviceLaunch(const std::string &text) {
  return compileDevice([&](ModuleOp module, StringRef symbol) -> FailureOr<gpu::KernelInfo> {
    OwningOpRef<ModuleOp> source = parseSourceString<ModuleOp>(text, module.getContext());
    Operation *launch = nullptr;
    if (source)
      source->walk([&](kernel::KernelLaunchInterface op) { launch = op; });
    return launch ? gpu::emitKernel(module, launch, symbol, gpu::DeviceTarget()) : FailureOr<gpu::KernelInfo>(failure());
  });
}

static std::string ptxas() {
  const char *home = std::getenv("CUDA_HOME");
  return std::string(home ? home : "/usr/local/cuda") + "/bin/ptxas";
}

bool hasPtxas() { return std::filesystem::exists(ptxas()); }

std::map<std::string, Resources> assemble(ModuleOp module, const std::string &architecture) {
  std::map<std::string, Resources> kernels;
  FailureOr<std::string> ptx = gpu::compileToPtx(module, architecture);
  if (!hasPtxas() || failed(ptx)) {
    EXPECT_FALSE(failed(ptx)) << "no PTX";
    return kernels;
  }
  std::string folder = testing::TempDir() + "vitc-ptxas-XXXXXX";
  if (!mkdtemp(folder.data())) {
    ADD_FAILURE() << "no folder for PTX";
    return kernels;
  }
  std::ofstream(folder + "/kernels.ptx") << *ptx;
  std::string command = "'" + ptxas() + "' -v -arch=" + architecture + " '" + folder + "/kernels.ptx' -o '" + folder + "/cubin' > '" +
                        folder + "/report' 2>&1";
  int status = std::system(command.c_str());
  std::ifstream report(folder + "/report");
  // "Compiling entry function 'k' for 'sm_80'", ".. 0 bytes spill stores, 0 bytes spill loads", "Used 64 registers, ..": each kernel has them in turn.
  std::string line, kernel, all;
  while (std::getline(report, line)) {
    all += line + "\n";
    if (size_t at = line.find("entry function '"); at != std::string::npos)
      kernel = line.substr(at + 16, line.find('\'', at + 16) - at - 16);
    else if (size_t at = line.find("bytes spill stores"); at != std::string::npos)
      kernels[kernel].spilledBytes = std::stoll(line.substr(line.find("frame, ") + 7));
    else if (size_t at = line.find("Used "); at != std::string::npos)
      kernels[kernel].registers = std::stoll(line.substr(at + 5));
    for (const char *warning : {"C7508", "C7510", "C7511", "C7517", "C7519"})
      EXPECT_EQ(line.find(warning), std::string::npos) << line;
  }
  EXPECT_EQ(status, 0) << all;
  std::filesystem::remove_all(folder);
  return kernels;
}

} // namespace vitc::test
