//===- Kernels.cpp - modules whose kernels the emulator runs ------------------------------===//
//
// Part of the vitc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===--------------------------------------------------------------------------------------===//

#include "test/support/fake_cuda/Kernels.h"

#include "runtime/artifact/Artifact.h"
#include "runtime/device/cuda/DriverApi.h"
#include "runtime/device/emulator/Emulator.h"

#include <cstdio>
#include <cstring>
#include <dlfcn.h>
#include <regex>

using namespace fakecuda;
using namespace vitrt;

Code::Code(const std::string &path) {
  if (path.ends_with(".vitx")) {
    Expected<std::unique_ptr<Artifact>> opened = Artifact::open(path, {.target = "emulator"});
    if (opened) {
      artifact = std::move(*opened);
      return;
    }
    std::fprintf(stderr, "fake driver: %s\n", opened.error().message.c_str());
    std::abort();
  }
  library = dlopen(path.c_str(), RTLD_NOW | RTLD_LOCAL);
  if (!library) {
    std::fprintf(stderr, "fake driver: %s\n", dlerror());
    std::abort();
  }
}

Code::~Code() = default;

emulator::Kernel Code::find(const std::string &symbol) const {
  void *address = artifact ? artifact->code().find(symbol.c_str()) : dlsym(library, symbol.c_str());
  return reinterpret_cast<emulator::Kernel>(address);
}

std::string fakecuda::targetOf(const std::string &ptx) {
  std::smatch match;
  return std::regex_search(ptx, match, std::regex(R"(\.target\s+(sm_\d+a?))")) ? match[1].str() : "";
}

bool fakecuda::runs(const std::string &target, int major, int minor) {
  if (!target.starts_with("sm_"))
    return false;
  int number = std::atoi(target.c_str() + 3), mine = major * 10 + minor;
  return target.ends_with('a') ? mine == number : mine >= number;
}

std::vector<Kernel> fakecuda::parseEntries(const std::string &ptx) {
  std::vector<Kernel> kernels;
  for (size_t at = 0; (at = ptx.find(".visible .entry ", at)) != std::string::npos;) {
    at += std::strlen(".visible .entry ");
    size_t open = ptx.find('(', at), close = ptx.find("\n)", open), body = ptx.find('{', close);
    Kernel kernel;
    kernel.symbol = ptx.substr(at, open - at);
    std::string parameters = ptx.substr(open, close - open), directives = ptx.substr(close, body - close);
    // ".param .u64 .ptr .align 1 name", ".param .align 64 .b8 name[128]".
    static const std::regex parameter(R"(\.param\s+(?:\.align\s+\d+\s+)?\.[a-z]+(\d+)[^,\[]*(?:\[(\d+)\])?)");
    for (std::sregex_iterator i(parameters.begin(), parameters.end(), parameter), end; i != end; ++i)
      kernel.parameterBytes.push_back(std::stoull((*i)[1]) / 8 * ((*i)[2].matched ? std::stoull((*i)[2]) : 1));
    std::smatch threads;
    if (std::regex_search(directives, threads, std::regex(R"(\.maxntid\s+(\d+))")))
      kernel.maxThreads = unsigned(std::stoul(threads[1]));
    kernels.push_back(std::move(kernel));
    at = body;
  }
  return kernels;
}

bool fakecuda::run(const Launch &launch, const DeviceMemory &memory) {
  constexpr size_t pointerBytes = 8, countBytes = 4;
  std::vector<emulator::Operand> operands;
  int32_t images = 0;
  std::byte *scratch = nullptr;
  uint64_t scratchBytes = 0;
  std::vector<emulator::TensorMap> maps;
  size_t i = 0;
  for (; i < launch.arguments.size() && launch.arguments[i].size() == pointerBytes; ++i) {
    std::byte *pointer = nullptr;
    std::memcpy(&pointer, launch.arguments[i].data(), sizeof(pointer));
    std::span<std::byte> there = memory.from(pointer);
    if (there.empty()) {
      std::fprintf(stderr, "fake driver: argument %zu of '%s' is no memory of the GPU\n", i, launch.kernel->symbol.c_str());
      return false;
    }
    // Which operands are read alone is not in the arguments.
    operands.push_back({pointer, there.size(), /*written=*/true});
  }
  if (i < launch.arguments.size() && launch.arguments[i].size() == countBytes)
    std::memcpy(&images, launch.arguments[i++].data(), sizeof(images));
  for (; i < launch.arguments.size() && launch.arguments[i].size() == sizeof(cuda::api::TensorMap); ++i)
    std::memcpy(&maps.emplace_back(), launch.arguments[i].data(), sizeof(emulator::TensorMap));
  if (i + 2 == launch.arguments.size()) {
    std::memcpy(&scratch, launch.arguments[i].data(), sizeof(scratch));
    std::memcpy(&scratchBytes, launch.arguments[i + 1].data(), sizeof(scratchBytes));
    if (memory.from(scratch).size() < scratchBytes * launch.blocks) {
      std::fprintf(stderr, "fake driver: the blocks of '%s' have not got %llu bytes of scratch memory each\n",
                   launch.kernel->symbol.c_str(), (unsigned long long)scratchBytes);
      return false;
    }
  } else if (i != launch.arguments.size()) {
    std::fprintf(stderr, "fake driver: '%s' has arguments that no kernel of vitc's has\n", launch.kernel->symbol.c_str());
    return false;
  }
  DeviceMemory::Access access(memory);
  emulator::Emulator emulator;
  auto runBlocks = [&](int64_t begin, int64_t end) {
    emulator::LaunchShape shape = {launch.kernel->symbol,
                                   launch.kernel->symbol,
                                   launch.kernel->function,
                                   int32_t(launch.threads),
                                   launch.sharedBytes,
                                   scratch + scratchBytes * uint64_t(begin),
                                   int32_t(launch.blocks),
                                   maps,
                                   scratchBytes};
    Error error = emulator.run(shape, operands, images, begin, end);
    if (error)
      std::fprintf(stderr, "fake driver: %s\n", error.message.c_str());
    return !error;
  };
  // Each block has scratch memory of its own.
  for (int64_t block = 0; scratch && block < launch.blocks; ++block)
    if (!runBlocks(block, block + 1))
      return false;
  return scratch || runBlocks(0, launch.blocks);
}
