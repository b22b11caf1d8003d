//===- ModuleCalls.cpp - kernels of the fake GPU, and their launches -------------------------===//
//
// Part of the vitc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===--------------------------------------------------------------------------------------===//

#include "test/support/fake_cuda/Driver.h"

#include <algorithm>
#include <cstdio>
#include <cstring>
#include <span>

using namespace fakecuda;

api::Result calls::moduleLoadDataEx(api::Module *module, const void *image, unsigned count, api::JitOption *options, void **values) {
  return outsideOfCapture([&](Driver &d) {
    char *log = nullptr;
    size_t room = 0;
    for (unsigned i = 0; i < count; ++i) {
      if (options[i] == api::ErrorLogBuffer)
        log = static_cast<char *>(values[i]);
      else if (options[i] == api::ErrorLogBufferSizeBytes)
        room = reinterpret_cast<size_t>(values[i]);
    }
    auto complain = [&](const std::string &text) {
      if (log && room)
        std::snprintf(log, room, "%s\nptxas fatal : Ptx assembly aborted due to errors", text.c_str());
      return api::InvalidPtx;
    };
    // Machine code is for machines.
    if (std::memcmp(image,
                    "\x7f"
                    "ELF",
                    4) == 0)
      return api::NoBinaryForGpu;
    std::string text(static_cast<const char *>(image));
    if (d.settings.jitFails)
      return complain("ptxas application ptx input, line 9; error : Unexpected instruction");
    if (!runs(targetOf(text), d.settings.major, d.settings.minor))
      return complain("ptxas fatal : SM version specified by .target is higher than default SM version assumed");
    if (!d.code && !d.settings.timedLaunches)
      d.code = std::make_unique<Code>(d.settings.code);
    auto loaded = std::make_unique<Module>();
    loaded->kernels = parseEntries(text);
    for (Kernel &kernel : loaded->kernels)
      kernel.function = d.code ? d.code->find(kernel.symbol) : nullptr;
    *module = from<api::Module>(loaded.release());
    return api::Success;
  });
}

api::Result calls::moduleUnload(api::Module module) {
  return destroy([&](Driver &) { return delete to<Module>(module), api::Success; });
}

api::Result calls::moduleGetFunction(api::Function *function, api::Module module, const char *name) {
  return inContext([&](Driver &d) {
    for (Kernel &kernel : to<Module>(module)->kernels)
      if (kernel.symbol == name) {
        if (!kernel.function && d.code) {
          std::fprintf(stderr, "fake driver: the emulator's code has no '%s'\n", name);
          return api::NotFound;
        }
        *function = from<api::Function>(&kernel);
        return api::Success;
      }
    return api::NotFound;
  });
}

api::Result calls::funcSetAttribute(api::Function function, api::FunctionAttribute attribute, int value) {
  return inContext([&](Driver &d) {
    if (attribute != api::MaxDynamicSharedSizeBytes || value < 0 || uint64_t(value) > d.settings.sharedBytes)
      return api::InvalidValue;
    to<Kernel>(function)->sharedLimit = uint64_t(value);
    return api::Success;
  });
}

api::Result calls::occupancyMaxActiveBlocksPerMultiprocessor(int *blocks, api::Function function, int threads, size_t sharedBytes) {
  return inContext([&](Driver &d) {
    uint64_t byShared = sharedBytes ? d.settings.sharedBytes / sharedBytes : 32, byThreads = 2048 / unsigned(threads);
    *blocks = unsigned(threads) > to<Kernel>(function)->maxThreads ? 0 : int(std::min<uint64_t>({byShared, byThreads, 32}));
    return api::Success;
  });
}

api::Result calls::launchKernelEx(const api::LaunchConfig *config, api::Function function, void **parameters, void **extra) {
  return inContext([&](Driver &d) {
    auto *kernel = to<Kernel>(function);
    const api::LaunchConfig &c = *config;
    if (c.gridX == 0 || c.gridY != 1 || c.gridZ != 1 || c.blockX == 0 || c.blockX > kernel->maxThreads || c.blockY != 1 || c.blockZ != 1 ||
        c.sharedBytes > std::max<uint64_t>(kernel->sharedLimit, 48 << 10) || extra ||
        Settings::names(d.settings.refusedLaunch, kernel->symbol))
      return api::InvalidValue;
    // Launches come one after the other here, so what may begin early does not.
    for (const api::LaunchAttribute &attribute : std::span(c.attributes, c.attributeCount))
      if (attribute.id != api::ProgrammaticStreamSerialization || attribute.value.allowed != 1)
        return api::InvalidValue;
    Launch launch = {kernel, c.gridX, c.blockX, c.sharedBytes, {}};
    for (size_t i = 0; i < kernel->parameterBytes.size(); ++i) {
      auto *bytes = static_cast<std::byte *>(parameters[i]);
      launch.arguments.emplace_back(bytes, bytes + kernel->parameterBytes[i]);
    }
    return enqueue(d, c.stream,
                   {[&d, launch] {
                      if (d.failure != api::Success)
                        return;
                      if (d.settings.timedLaunches)
                        return d.streams.pretend(std::chrono::nanoseconds(uint64_t(launch.blocks) * launch.threads));
                      bool fails = Settings::names(d.settings.failingLaunch, launch.kernel->symbol) && d.settings.launchesBefore-- == 0;
                      if (fails || !run(launch, d.memory))
                        d.failure = api::IllegalAddress;
                    },
                    nullptr, nullptr});
  });
}

/// The emulator's own description takes the place of the hardware's, which nobody but that reads.
api::Result calls::tensorMapEncodeTiled(api::TensorMap *map, api::TensorType type, uint32_t rank, void *address, const uint64_t *shape,
                                        const uint64_t *strides, const uint32_t *box, const uint32_t *elementStrides,
                                        api::TensorInterleave interleave, api::TensorSwizzle swizzle, api::TensorPromotion,
                                        api::TensorFill fill) {
  using Emulated = vitrt::emulator::TensorMap;
  static_assert(sizeof(Emulated) <= sizeof(api::TensorMap));
  return inContext([&](Driver &d) {
    constexpr uint64_t addressAlignment = 16;
    bool usual = interleave == api::InterleaveNone && fill == api::FillZeros && (type == api::TensorUint16 || type == api::TensorUint32);
    if (!usual || rank < 2 || rank > 5 || reinterpret_cast<uintptr_t>(address) % addressAlignment != 0 || d.memory.from(address).empty())
      return api::InvalidValue;
    Emulated emulated = {static_cast<std::byte *>(address),
                         type == api::TensorUint16 ? 2 : 4,
                         int32_t(rank),
                         {},
                         {},
                         {},
                         swizzle == api::SwizzleNone ? 0 : 16 << int(swizzle)};
    emulated.strides[0] = emulated.elementBytes;
    for (uint32_t axis = 0; axis < rank; ++axis) {
      if (elementStrides[axis] != 1 || box[axis] == 0 || box[axis] > 256 || shape[axis] == 0 ||
          (axis && strides[axis - 1] % addressAlignment != 0))
        return api::InvalidValue;
      emulated.sizes[axis] = int64_t(shape[axis]);
      emulated.box[axis] = int32_t(box[axis]);
      if (axis > 0)
        emulated.strides[axis] = int64_t(strides[axis - 1]);
    }
    std::memcpy(map, &emulated, sizeof(emulated));
    return api::Success;
  });
}
