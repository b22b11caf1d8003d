//===- FakeCuda.cpp - the functions of NVIDIA's driver, without a GPU ---------------------===//
//
// Part of the vitc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// What the runtime calls of libcuda.so.1, for tests: named by VITRT_CUDA_DRIVER, told by FAKE_CUDA (Settings.h) what to pretend. Kernels are
// found in PTX, which is read for their arguments, and run by the emulator from the code that Settings::code names. Calls that the real driver
// would refuse are refused; those that would be wrong or slow on it without being refused (a copy from memory that is not pinned) as well.
//
//===--------------------------------------------------------------------------------------===//

#include "test/support/fake_cuda/Kernels.h"
#include "test/support/fake_cuda/Streams.h"

#include "runtime/device/cuda/DriverApi.h"

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <mutex>

using namespace fakecuda;
namespace api = vitrt::cuda::api;

namespace {

struct Module {
  std::vector<Kernel> kernels;
};

struct Driver {
  std::mutex mutex;
  Settings settings;
  bool ready = false;
  api::Result failure = api::Success; ///< of a kernel: the GPU is of no use any more
  DeviceMemory memory;
  Streams streams;
  std::map<std::byte *, uint64_t> pinned;
  std::unique_ptr<Code> code;
  std::mt19937_64 random;
};

// Never destroyed: the host's objects may outlive it.
Driver &driver() {
  static auto *one = new Driver;
  return *one;
}

/// Each thread has a current GPU of its own.
thread_local bool contextIsCurrent = false;

template <typename T, typename Handle> T *to(Handle handle) { return reinterpret_cast<T *>(handle); }
template <typename Handle, typename T> Handle from(T *object) { return reinterpret_cast<Handle>(object); }

/// What every call on a context does first and last.
template <typename Function> api::Result inContext(Function function) {
  Driver &d = driver();
  std::scoped_lock lock(d.mutex);
  if (!d.ready || !contextIsCurrent)
    return api::Result(201); // CUDA_ERROR_INVALID_CONTEXT
  if (d.failure != api::Success)
    return d.failure;
  api::Result result = function(d);
  if (d.settings.order == Settings::Order::Random && !d.streams.capturesAny())
    d.streams.disturb(d.random);
  return d.failure != api::Success ? d.failure : result;
}

/// What may not be done while launches are recorded, and frees what it is given even if the GPU has failed.
template <typename Function> api::Result destroy(Function function) {
  Driver &d = driver();
  std::scoped_lock lock(d.mutex);
  if (d.streams.capturesAny())
    return api::CaptureUnsupported;
  api::Result result = function(d);
  return d.failure != api::Success ? d.failure : result;
}

/// What may not be done while launches are recorded.
template <typename Function> api::Result outsideOfCapture(Function function) {
  return inContext([&](Driver &d) { return d.streams.capturesAny() ? api::CaptureUnsupported : function(d); });
}

api::Result enqueue(Driver &d, api::Stream handle, Work work) {
  auto *stream = to<Stream>(handle);
  if (!d.streams.has(stream))
    return api::InvalidValue;
  if (stream->capturing)
    stream->capturing->work.push_back(std::move(work));
  else
    stream->queue.push_back(std::move(work));
  return api::Success;
}

bool isPinned(Driver &d, const void *pointer, size_t bytes) {
  auto *address = static_cast<std::byte *>(const_cast<void *>(pointer));
  auto next = d.pinned.upper_bound(address);
  return next != d.pinned.begin() && uint64_t(address - std::prev(next)->first) + bytes <= std::prev(next)->second;
}

// ---- the driver and its devices -----------------------------------------------------------------------------------------------

api::Result init(unsigned) {
  Driver &d = driver();
  std::scoped_lock lock(d.mutex);
  d.settings = Settings::read();
  d.random.seed(d.settings.seed);
  d.failure = api::Success;
  if (d.settings.timedLaunches)
    d.streams.pretend(std::chrono::nanoseconds(0));
  if (d.settings.initFails)
    return api::Result(999);
  d.ready = d.settings.devices > 0;
  return d.ready ? api::Success : api::NoDevice;
}

api::Result driverGetVersion(int *version) { return *version = 13000, api::Success; }

const std::pair<api::Result, std::pair<const char *, const char *>> kErrors[] = {
    {api::InvalidValue, {"CUDA_ERROR_INVALID_VALUE", "invalid argument"}},
    {api::OutOfMemory, {"CUDA_ERROR_OUT_OF_MEMORY", "out of memory"}},
    {api::NoDevice, {"CUDA_ERROR_NO_DEVICE", "no CUDA-capable device is detected"}},
    {api::InvalidDevice, {"CUDA_ERROR_INVALID_DEVICE", "invalid device ordinal"}},
    {api::InvalidImage, {"CUDA_ERROR_INVALID_IMAGE", "device kernel image is invalid"}},
    {api::Result(201), {"CUDA_ERROR_INVALID_CONTEXT", "invalid device context"}},
    {api::NoBinaryForGpu, {"CUDA_ERROR_NO_BINARY_FOR_GPU", "no kernel image is available for execution on the device"}},
    {api::InvalidPtx, {"CUDA_ERROR_INVALID_PTX", "a PTX JIT compilation failed"}},
    {api::NotFound, {"CUDA_ERROR_NOT_FOUND", "named symbol not found"}},
    {api::NotReady, {"CUDA_ERROR_NOT_READY", "device not ready"}},
    {api::IllegalAddress, {"CUDA_ERROR_ILLEGAL_ADDRESS", "an illegal memory access was encountered"}},
    {api::CaptureUnsupported, {"CUDA_ERROR_STREAM_CAPTURE_UNSUPPORTED", "operation not permitted when stream is capturing"}},
};

api::Result getErrorName(api::Result result, const char **text) {
  for (const auto &[code, texts] : kErrors)
    if (code == result)
      return *text = texts.first, api::Success;
  return api::InvalidValue;
}

api::Result getErrorString(api::Result result, const char **text) {
  for (const auto &[code, texts] : kErrors)
    if (code == result)
      return *text = texts.second, api::Success;
  return api::InvalidValue;
}

api::Result deviceGetCount(int *count) { return *count = driver().settings.devices, api::Success; }

api::Result deviceGet(api::Device *device, int ordinal) {
  *device = ordinal;
  return ordinal >= 0 && ordinal < driver().settings.devices ? api::Success : api::InvalidDevice;
}

api::Result deviceGetName(char *name, int length, api::Device) {
  std::snprintf(name, size_t(length), "Fake GPU");
  return api::Success;
}

api::Result deviceGetAttribute(int *value, api::DeviceAttribute attribute, api::Device) {
  const Settings &settings = driver().settings;
  switch (attribute) {
  case api::MultiprocessorCount:
    *value = settings.multiprocessors;
    return api::Success;
  case api::ComputeCapabilityMajor:
    *value = settings.major;
    return api::Success;
  case api::ComputeCapabilityMinor:
    *value = settings.minor;
    return api::Success;
  case api::MaxSharedMemoryPerBlockOptin:
    *value = int(settings.sharedBytes);
    return api::Success;
  }
  return api::InvalidValue;
}

api::Result devicePrimaryCtxRetain(api::Context *context, api::Device) {
  *context = from<api::Context>(&driver());
  return api::Success;
}
api::Result devicePrimaryCtxRelease(api::Device) { return api::Success; }
api::Result ctxSetCurrent(api::Context context) {
  contextIsCurrent = context != nullptr;
  return api::Success;
}

// ---- memory --------------------------------------------------------------------------------------------------------------------

api::Result memGetInfo(size_t *free, size_t *total) {
  return inContext([&](Driver &d) {
    *total = d.settings.memory;
    *free = d.settings.memory - d.memory.taken();
    return api::Success;
  });
}

api::Result memAlloc(api::DevicePointer *pointer, size_t bytes) {
  return outsideOfCapture([&](Driver &d) {
    if (bytes == 0)
      return api::InvalidValue;
    std::byte *memory = d.memory.allocate(bytes, d.settings.memory);
    *pointer = reinterpret_cast<api::DevicePointer>(memory);
    return memory ? api::Success : api::OutOfMemory;
  });
}

api::Result memFree(api::DevicePointer pointer) {
  return destroy([&](Driver &d) { return d.memory.free(reinterpret_cast<std::byte *>(pointer)) ? api::Success : api::InvalidValue; });
}

api::Result memHostAlloc(void **pointer, size_t bytes, unsigned) {
  return outsideOfCapture([&](Driver &d) {
    *pointer = std::malloc(bytes);
    if (!*pointer)
      return api::OutOfMemory;
    std::memset(*pointer, 0xff, bytes);
    d.pinned[static_cast<std::byte *>(*pointer)] = bytes;
    return api::Success;
  });
}

api::Result memFreeHost(void *pointer) {
  return destroy([&](Driver &d) {
    if (!d.pinned.erase(static_cast<std::byte *>(pointer)))
      return api::InvalidValue;
    std::free(pointer);
    return api::Success;
  });
}

api::Result copy(Driver &d, void *to, const void *from, const void *host, const void *onDevice, size_t bytes, api::Stream stream) {
  if (!isPinned(d, host, bytes)) {
    std::fprintf(stderr, "fake driver: %zu bytes are copied from or to memory that is not pinned\n", bytes);
    return api::InvalidValue;
  }
  if (d.memory.from(onDevice).size() < bytes)
    return api::InvalidValue;
  return enqueue(d, stream,
                 {[&d, to, from, bytes] {
                    if (d.failure != api::Success)
                      return;
                    DeviceMemory::Access access(d.memory);
                    std::memcpy(to, from, bytes);
                  },
                  nullptr, nullptr});
}

api::Result memcpyHtoDAsync(api::DevicePointer to, const void *from, size_t bytes, api::Stream stream) {
  auto *onDevice = reinterpret_cast<void *>(to);
  return inContext([&](Driver &d) { return copy(d, onDevice, from, from, onDevice, bytes, stream); });
}

api::Result memcpyDtoHAsync(void *to, api::DevicePointer from, size_t bytes, api::Stream stream) {
  auto *onDevice = reinterpret_cast<void *>(from);
  return inContext([&](Driver &d) { return copy(d, to, onDevice, to, onDevice, bytes, stream); });
}

// ---- modules and launches ------------------------------------------------------------------------------------------------------

api::Result moduleLoadDataEx(api::Module *module, const void *image, unsigned count, api::JitOption *options, void **values) {
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

api::Result moduleUnload(api::Module module) {
  return destroy([&](Driver &) { return delete to<Module>(module), api::Success; });
}

api::Result moduleGetFunction(api::Function *function, api::Module module, const char *name) {
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

api::Result funcSetAttribute(api::Function function, api::FunctionAttribute attribute, int value) {
  return inContext([&](Driver &d) {
    if (attribute != api::MaxDynamicSharedSizeBytes || value < 0 || uint64_t(value) > d.settings.sharedBytes)
      return api::InvalidValue;
    to<Kernel>(function)->sharedLimit = uint64_t(value);
    return api::Success;
  });
}

api::Result occupancy(int *blocks, api::Function function, int threads, size_t sharedBytes) {
  return inContext([&](Driver &d) {
    uint64_t byShared = sharedBytes ? d.settings.sharedBytes / sharedBytes : 32, byThreads = 2048 / unsigned(threads);
    *blocks = unsigned(threads) > to<Kernel>(function)->maxThreads ? 0 : int(std::min<uint64_t>({byShared, byThreads, 32}));
    return api::Success;
  });
}

api::Result launchKernelEx(const api::LaunchConfig *config, api::Function function, void **parameters, void **extra) {
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
                      if (Settings::names(d.settings.failingLaunch, launch.kernel->symbol) || !run(launch, d.memory))
                        d.failure = api::IllegalAddress;
                    },
                    nullptr, nullptr});
  });
}

/// The emulator's own description takes the place of the hardware's, which nobody but that reads.
api::Result tensorMapEncodeTiled(api::TensorMap *map, api::TensorType type, uint32_t rank, void *address, const uint64_t *shape,
                                 const uint64_t *strides, const uint32_t *box, const uint32_t *elementStrides,
                                 api::TensorInterleave interleave, api::TensorSwizzle swizzle, api::TensorPromotion, api::TensorFill fill) {
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

// ---- streams, events, graphs ---------------------------------------------------------------------------------------------------

api::Result streamCreate(api::Stream *stream, unsigned) {
  return outsideOfCapture([&](Driver &d) { return *stream = from<api::Stream>(d.streams.create()), api::Success; });
}
api::Result streamDestroy(api::Stream stream) {
  return destroy([&](Driver &d) { return d.streams.destroy(to<Stream>(stream)), api::Success; });
}
api::Result streamSynchronize(api::Stream stream) {
  return outsideOfCapture([&](Driver &d) { return d.streams.finish(*to<Stream>(stream)), api::Success; });
}
api::Result streamWaitEvent(api::Stream stream, api::Event event, unsigned) {
  return outsideOfCapture([&](Driver &d) { return enqueue(d, stream, {nullptr, nullptr, to<Event>(event)->last}); });
}

api::Result streamBeginCapture(api::Stream stream, api::CaptureMode) {
  return outsideOfCapture([&](Driver &) { return to<Stream>(stream)->capturing = std::make_unique<Graph>(), api::Success; });
}
api::Result streamEndCapture(api::Stream stream, api::Graph *graph) {
  return inContext([&](Driver &) {
    *graph = from<api::Graph>(to<Stream>(stream)->capturing.release());
    return *graph ? api::Success : api::InvalidValue;
  });
}

api::Result eventCreate(api::Event *event, unsigned) {
  return outsideOfCapture([&](Driver &) { return *event = from<api::Event>(new Event), api::Success; });
}
api::Result eventDestroy(api::Event event) {
  return destroy([&](Driver &) { return delete to<Event>(event), api::Success; });
}
api::Result eventRecord(api::Event event, api::Stream stream) {
  return outsideOfCapture([&](Driver &d) {
    auto marker = std::make_shared<Marker>(Marker{to<Stream>(stream), false, {}});
    to<Event>(event)->last = marker;
    return enqueue(d, stream, {nullptr, marker, nullptr});
  });
}
api::Result eventSynchronize(api::Event event) {
  return outsideOfCapture([&](Driver &d) { return d.streams.finish(to<Event>(event)->last), api::Success; });
}
api::Result eventElapsedTime(float *milliseconds, api::Event begin, api::Event end) {
  return inContext([&](Driver &) {
    const std::shared_ptr<Marker> &first = to<Event>(begin)->last, &last = to<Event>(end)->last;
    if (!first || !last)
      return api::InvalidValue;
    if (!first->done || !last->done)
      return api::NotReady;
    *milliseconds = std::chrono::duration<float, std::milli>(last->time - first->time).count();
    return api::Success;
  });
}

api::Result graphInstantiate(api::GraphExec *exec, api::Graph graph, unsigned long long) {
  return outsideOfCapture([&](Driver &) { return *exec = from<api::GraphExec>(new Graph(*to<Graph>(graph))), api::Success; });
}
api::Result graphLaunch(api::GraphExec exec, api::Stream stream) {
  return outsideOfCapture([&](Driver &d) {
    for (const Work &work : to<Graph>(exec)->work)
      if (api::Result result = enqueue(d, stream, work); result != api::Success)
        return result;
    return api::Success;
  });
}
api::Result graphDestroy(api::Graph graph) {
  return destroy([&](Driver &) { return delete to<Graph>(graph), api::Success; });
}
api::Result graphExecDestroy(api::GraphExec exec) {
  return destroy([&](Driver &) { return delete to<Graph>(exec), api::Success; });
}

constexpr auto &occupancyMaxActiveBlocksPerMultiprocessor = occupancy;

} // namespace

extern "C" __attribute__((visibility("default"))) api::Result cuGetProcAddress_v2(const char *symbol, void **function, int version,
                                                                                  uint64_t, api::AddressStatus *status) {
  *function = nullptr;
#define X(member, name, parameters)                                                                                                        \
  if (std::strcmp(symbol, #name) == 0)                                                                                                     \
    *function = reinterpret_cast<void *>(&member);
  VITRT_CUDA_FUNCTIONS(X)
#undef X
  if (version != api::kApiVersion || Settings::read().missing == symbol)
    *function = nullptr;
  *status = *function ? api::AddressFound : api::AddressNotFound;
  return *function ? api::Success : api::NotFound;
}
