//===- TimedLaunch.cpp - a launch measured in this process --------------------*- C++ -*-===//
//
// Part of the vitc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===--------------------------------------------------------------------------------------===//

#include "compiler/tune/TimedLaunch.h"

#include "mlir/IR/BuiltinTypes.h"

#include <cstring>
#include <ctime>
#include <random>

using namespace mlir;

namespace vitc::tune {

double threadSeconds() {
  timespec time;
  clock_gettime(CLOCK_THREAD_CPUTIME_ID, &time);
  return double(time.tv_sec) + double(time.tv_nsec) * 1e-9;
}

/// Numbers of a magnitude that neither overflows nor is denormal in any type: uniform in [-1, 1), bytes all values.
static void fill(void *memory, size_t bytes, Type element) {
  std::minstd_rand random(1);
  std::uniform_real_distribution<float> uniform(-1, 1);
  if (element.isF32())
    std::generate_n(static_cast<float *>(memory), bytes / sizeof(float), [&] { return uniform(random); });
  else if (element.isBF16())
    std::generate_n(static_cast<uint16_t *>(memory), bytes / sizeof(uint16_t), [&] {
      float value = uniform(random);
      uint32_t bits;
      std::memcpy(&bits, &value, sizeof bits);
      return uint16_t(bits >> 16);
    });
  else
    std::generate_n(static_cast<uint8_t *>(memory), bytes, [&] { return uint8_t(random() >> 8); });
}

FailureOr<TimedLaunch> TimedLaunch::create(Operation *launch, const cpu::CpuTarget &target, unsigned optLevel, int64_t images,
                                           int64_t weightBytes) {
  constexpr char symbol[] = "timed";
  OwningOpRef<ModuleOp> module = ModuleOp::create(launch->getLoc());
  FailureOr<cpu::KernelInfo> info = cpu::emitKernel(*module, launch, symbol, target);
  if (failed(info))
    return failure();
  FailureOr<std::string> object = cpu::compileModule(*module, target, optLevel, cpu::Output::Object);
  if (failed(object))
    return failure();
  FailureOr<std::string> linked = cpu::linkSharedObject(*launch->getContext(), {*object}, target);
  if (failed(linked))
    return failure();
  vitrt::Expected<vitrt::CodeObject> code = vitrt::CodeObject::load(std::as_bytes(std::span(*linked)), symbol);
  if (!code)
    return launch->emitError() << code.error().message;

  TimedLaunch timed;
  timed.code = std::move(*code);
  timed.function = reinterpret_cast<vitrt::KernelFunction>(timed.code.find(symbol));
  timed.images = images;
  timed.tasks = (images * info->rowsPerImage + info->rowsPerTask - 1) / info->rowsPerTask * info->columnTasks;

  auto allocate = [&](int64_t bytes) {
    constexpr size_t line = 64;
    timed.memory.emplace_back(std::aligned_alloc(line, (bytes / line + 2) * line));
    return timed.memory.back().get();
  };
  auto bytesOf = [&](RankedTensorType type) {
    int64_t elements = 1;
    for (int64_t size : type.getShape())
      elements *= ShapedType::isDynamic(size) ? images : size;
    return elements * int64_t(type.getElementTypeBitWidth()) / 8;
  };
  auto isWeight = [](Value value) { return cast<RankedTensorType>(value.getType()).hasStaticShape(); };
  int64_t ownWeights = 1;
  for (Value operand : launch->getOperands())
    if (isWeight(operand))
      ownWeights += bytesOf(cast<RankedTensorType>(operand.getType()));
  int64_t copies = std::clamp<int64_t>(weightBytes / ownWeights, 1, 64);
  timed.calls.resize(copies);
  auto addBuffers = [&](Value value, int64_t different) {
    auto type = cast<RankedTensorType>(value.getType());
    int64_t bytes = bytesOf(type);
    timed.touchedBytes += bytes;
    void *first = allocate(bytes), *current = first;
    fill(first, bytes, type.getElementType());
    for (int64_t i = 0; i < copies; ++i) {
      if (i && i < different)
        std::memcpy(current = allocate(bytes), first, bytes);
      timed.calls[i].push_back(current);
    }
  };
  for (Value operand : launch->getOperands())
    addBuffers(operand, isWeight(operand) ? copies : 1);
  for (Value result : launch->getResults())
    addBuffers(result, 1);
  timed.scratch = allocate(info->scratchBytes);
  std::memset(timed.scratch, 0, info->scratchBytes);
  return timed;
}

void TimedLaunch::run() {
  function(calls[next].data(), images, 0, tasks, scratch);
  next = (next + 1) % calls.size();
}

double TimedLaunch::measure(double seconds) {
  double begin = threadSeconds(), now = begin;
  int64_t count = 0;
  constexpr int64_t fewestCalls = 3;
  for (; now - begin < seconds || count < fewestCalls; now = threadSeconds(), ++count)
    run();
  return (now - begin) / double(count);
}

} // namespace vitc::tune
