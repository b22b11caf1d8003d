//===- TimedKernel.cpp - a launch measured on a GPU ---------------------------------------===//
//
// Part of the vitc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===--------------------------------------------------------------------------------------===//

#include "compiler/tune/TimedKernel.h"
#include "compiler/codegen/gpu/Ptxas.h"
#include "dialects/kernel/KernelDialect.h"
#include "runtime/artifact/FileFormat.h"
#include "runtime/device/cuda/KernelArguments.h"

#include "mlir/IR/TypeUtilities.h"

#include <algorithm>
#include <cstring>
#include <random>

using namespace mlir;
using namespace vitrt::cuda;
using vitrt::Error;
using vitrt::Expected;

namespace vitc::tune {

/// Copies of a launch's weights, however small.
static constexpr size_t kMostCopies = 4096;
static constexpr uint64_t kAlignment = 256;

Expected<MeasuringGpu> MeasuringGpu::open(int ordinal) {
  Expected<std::shared_ptr<const Driver>> driver = Driver::load();
  if (!driver)
    return std::move(driver.error());
  Expected<std::shared_ptr<const Device>> device = Device::open(*driver, ordinal);
  if (!device)
    return std::move(device.error());
  MeasuringGpu gpu;
  gpu.device = *device;
  if (Error error = gpu.device->makeCurrent())
    return error;
  Expected<Stream> stream = Stream::create(*gpu.device);
  if (!stream)
    return std::move(stream.error());
  gpu.stream = std::move(*stream);
  for (Event *event : {&gpu.begin, &gpu.end}) {
    Expected<Event> created = Event::create(*gpu.device);
    if (!created)
      return std::move(created.error());
    *event = std::move(*created);
  }
  return gpu;
}

//===--------------------------------------------------------------------------------------===//
// Memory
//===--------------------------------------------------------------------------------------===//

static bool isWeight(Value value) { return cast<RankedTensorType>(value.getType()).hasStaticShape(); }

static uint64_t bytesOf(Value value, int64_t images) {
  auto type = cast<RankedTensorType>(value.getType());
  uint64_t elements = 1;
  for (int64_t size : type.getShape())
    elements *= static_cast<uint64_t>(ShapedType::isDynamic(size) ? images : size);
  return elements * static_cast<uint64_t>(kernel::bytesOf(type.getElementType()));
}

/// Copies `size` bytes of `source` to `to`, one of which is filled behind the other.
static Error copyAll(MeasuringGpu &gpu, api::DevicePointer to, uint64_t size, const PinnedMemory &source) {
  for (uint64_t done = 0; done < size;) {
    const uint64_t piece = std::min<uint64_t>(size - done, source.bytes().size());
    if (Error error = gpu.stream.copyToDevice(to + done, source.bytes().first(piece)))
      return error;
    done += piece;
  }
  return gpu.stream.wait();
}

Expected<LaunchMemory> LaunchMemory::create(Operation *launch, MeasuringGpu &gpu, int64_t images, uint64_t weightBytes) {
  LaunchMemory result;
  uint64_t end = 0, ofWeights = 1;
  for (Value operand : launch->getOperands())
    ofWeights += isWeight(operand) ? bytesOf(operand, images) : 0;
  const auto copies = std::clamp<size_t>(weightBytes / ofWeights, 1, kMostCopies);
  SmallVector<Value> values(launch->getOperands());
  llvm::append_range(values, launch->getResults());
  for (Value value : values) {
    const uint64_t bytes = vitrt::alignTo(bytesOf(value, images), kAlignment);
    const size_t different = isWeight(value) ? copies : 1;
    result.tensors.push_back({end, bytes, different});
    end += bytes * different;
  }
  Expected<DeviceMemory> memory = DeviceMemory::allocate(*gpu.device, end, "a measured launch of " + std::to_string(images) + " images");
  if (!memory)
    return std::move(memory.error());
  result.memory = std::move(*memory);

  // Halves from -1 to 1 of either type of 16 bits, words too: what a multiplication takes depends on its operands' bits. The lower 13 of a tf32 are zero.
  const bool hasTf32 = llvm::any_of(values, [](Value value) { return isa<FloatTF32Type>(getElementTypeOrSelf(value)); });
  constexpr uint64_t pieceBytes = uint64_t(1) << 22;
  Expected<PinnedMemory> source = PinnedMemory::allocate(*gpu.device, pieceBytes, "random numbers");
  if (!source)
    return std::move(source.error());
  std::minstd_rand random(1);
  for (uint64_t i = 0; i < pieceBytes; i += sizeof(uint16_t)) {
    constexpr uint32_t sign = 0x8000, belowOne = 0x3bff;
    const uint32_t mask = hasTf32 && i % sizeof(float) == 0 ? 0xe000 : 0xffff;
    const auto bits = static_cast<uint16_t>(((random() & sign) | (random() % belowOne)) & mask);
    std::memcpy(source->bytes().data() + i, &bits, sizeof(bits));
  }
  if (Error error = copyAll(gpu, result.memory.begin(), end, *source))
    return error;
  return result;
}

std::vector<api::DevicePointer> LaunchMemory::operands(size_t call) const {
  std::vector<api::DevicePointer> pointers;
  for (const Tensor &tensor : tensors)
    pointers.push_back(memory.begin() + tensor.offset + tensor.bytes * (call % tensor.copies));
  return pointers;
}

//===--------------------------------------------------------------------------------------===//
// Kernels
//===--------------------------------------------------------------------------------------===//

FailureOr<TimedKernel> TimedKernel::create(Operation *launch, const MeasuringGpu &gpu, const gpu::DeviceTarget &target,
                                           const std::string &ptxas, const std::string &cubinCache) {
  constexpr char symbol[] = "timed";
  OwningOpRef<ModuleOp> kernels = ModuleOp::create(launch->getLoc());
  FailureOr<gpu::KernelInfo> info = gpu::emitKernel(*kernels, launch, symbol, target);
  if (failed(info))
    return failure();
  FailureOr<std::string> ptx = gpu::compileToPtx(*kernels, target.architecture);
  if (failed(ptx))
    return failure();
  std::string cubin;
  if (!ptxas.empty()) {
    llvm::Expected<std::string> assembled = gpu::assemble(*ptx, target.architecture, ptxas, cubinCache);
    if (!assembled)
      return launch->emitError() << llvm::toString(assembled.takeError());
    cubin = std::move(*assembled);
  }
  TimedKernel timed;
  timed.info = *info;
  Expected<Module> module = Module::load(*gpu.device, std::as_bytes(std::span(cubin)), std::as_bytes(std::span(*ptx)));
  if (!module)
    return launch->emitError() << module.error().message;
  timed.module = std::move(*module);
  Expected<Function> function = timed.module.function(symbol, unsigned(info->threads), uint64_t(info->sharedBytes));
  if (!function)
    return launch->emitError() << function.error().message;
  timed.function = *function;
  return timed;
}

static int64_t tasksOf(const gpu::KernelInfo &info, int64_t images) {
  return llvm::divideCeilSigned(images * info.rowsPerImage, info.rowsPerTask) * info.columnTasks;
}

static unsigned blocksOf(const gpu::KernelInfo &info, const MeasuringGpu &gpu, const Function &function, int64_t images) {
  const int64_t resident = int64_t(gpu.device->multiprocessors()) * function.blocksPerMultiprocessor;
  return unsigned(info.persistent ? std::min(tasksOf(info, images), resident) : tasksOf(info, images));
}

Error TimedKernel::reserve(MeasuringGpu &gpu, int64_t images) {
  if (images <= reserved)
    return Error::success();
  const auto tasks = uint64_t(tasksOf(info, images));
  const uint64_t blocks = blocksOf(info, gpu, function, images);
  const std::pair<DeviceMemory *, uint64_t> wanted[] = {{&counters, tasks * uint64_t(info.partCounters) * sizeof(uint32_t)},
                                                        {&parts, tasks * uint64_t(info.partBytes)},
                                                        {&scratch, blocks * vitrt::alignTo(uint64_t(info.scratchBytes), kAlignment)}};
  for (auto [memory, bytes] : wanted)
    if (bytes > 0) {
      Expected<DeviceMemory> allocated = DeviceMemory::allocate(*gpu.device, bytes, "what blocks of a measured launch leave");
      if (!allocated)
        return std::move(allocated.error());
      *memory = std::move(*allocated);
    }
  reserved = images;
  return counters.bytes() ? gpu.stream.zero(counters.begin(), counters.bytes()) : Error::success();
}

Error TimedKernel::launch(MeasuringGpu &gpu, const LaunchMemory &memory, int64_t images, size_t call) {
  KernelArguments arguments{.operands = memory.operands(call),
                            .hasParts = info.partBytes > 0,
                            .counters = counters.begin(),
                            .parts = parts.begin(),
                            .images = static_cast<int32_t>(images),
                            .maps = {},
                            .scratch = scratch.begin(),
                            .scratchBytes = vitrt::alignTo(uint64_t(info.scratchBytes), kAlignment)};
  for (const plan::TensorMap &map : info.tensorMaps) {
    TensorView view = {uint32_t(map.elementBytes),
                       {map.sizes.begin(), map.sizes.end()},
                       {map.strides.begin(), map.strides.end()},
                       {map.box.begin(), map.box.end()},
                       uint32_t(map.swizzle)};
    if (map.perImage)
      view.sizes.back() *= uint64_t(images);
    Expected<api::TensorMap> encoded = encode(*gpu.device, view, arguments.operands[map.operand], map.operand);
    if (!encoded)
      return std::move(encoded.error());
    arguments.maps.push_back(*encoded);
  }
  const std::vector<const void *> pointers = arguments.pointers();
  return gpu.stream.launch({function, blocksOf(info, gpu, function, images), unsigned(info.threads), uint64_t(info.sharedBytes), pointers});
}

Expected<double> TimedKernel::timeOf(MeasuringGpu &gpu, const LaunchMemory &memory, int64_t images, int64_t calls) {
  Expected<Graph> graph = gpu.stream.capture([&]() -> Error {
    for (int64_t call = 0; call < calls; ++call)
      if (Error error = launch(gpu, memory, images, size_t(call)))
        return error;
    return Error::success();
  });
  if (!graph)
    return std::move(graph.error());
  if (Error error = gpu.stream.record(gpu.begin))
    return error;
  if (Error error = gpu.stream.launch(*graph))
    return error;
  if (Error error = gpu.stream.record(gpu.end))
    return error;
  if (Error error = gpu.end.wait(*gpu.device))
    return error;
  Expected<double> seconds = gpu.end.secondsSince(*gpu.device, gpu.begin);
  return seconds ? Expected<double>(*seconds / double(calls)) : std::move(seconds);
}

Expected<double> TimedKernel::measure(MeasuringGpu &gpu, const LaunchMemory &memory, int64_t images, double seconds) {
  if (Error error = reserve(gpu, images))
    return error;
  constexpr int64_t fewest = 3, most = 500;
  Expected<double> first = timeOf(gpu, memory, images, fewest);
  if (!first)
    return first;
  return timeOf(gpu, memory, images, std::clamp(int64_t(seconds / std::max(*first, 1e-9)), fewest, most));
}

} // namespace vitc::tune
