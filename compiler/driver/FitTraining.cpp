//===- FitTraining.cpp - training programs within a memory limit ------------------------===//
//
// Part of the vitc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===--------------------------------------------------------------------------------------===//

#include "compiler/driver/Compile.h"

#include "runtime/artifact/GpuArchitecture.h"

#include "llvm/ADT/StringSet.h"
#include "llvm/Support/FormatVariadic.h"
#include "llvm/Support/MathExtras.h"

using namespace mlir;
using namespace vitc;

namespace {

bool isTraining(const plan::Program &program) { return StringRef(program.name).starts_with("train"); }

uint64_t scratchBytes(const plan::Program &program) {
  int64_t bytes = 0;
  for (const plan::Kernel &kernel : program.kernels)
    bytes = std::max(bytes, kernel.scratchBytes);
  return bytes;
}

/// Of all blocks of the launch that wants most.
uint64_t blocksScratchBytes(const plan::Program &program, int64_t images) {
  int64_t bytes = 0;
  for (const plan::Kernel &kernel : program.kernels)
    bytes = std::max(bytes, kernel.scratchBytes * kernel.tasks(images));
  return bytes;
}

vitrt::PartBytes partBytes(const plan::Program &program, int64_t images) {
  vitrt::PartBytes bytes;
  auto add = [&](uint32_t index, int64_t count) {
    const plan::Kernel &kernel = program.kernels[index];
    bytes.add(kernel.tasks(count), kernel.partCounters, kernel.partBytes);
  };
  for (const plan::Launch &launch : program.launches) {
    int64_t most = images;
    for (auto [from, kernel] : llvm::reverse(launch.larger))
      if (from <= most) {
        add(kernel, most);
        most = from - 1;
      }
    add(launch.kernel, most);
  }
  return bytes;
}

uint64_t stagedBytes(const plan::Program &program, int64_t images) {
  uint64_t bytes = 0;
  for (const plan::Buffer &buffer : program.buffers)
    if (buffer.kind == plan::BufferKind::Input || buffer.kind == plan::BufferKind::Output)
      bytes += vitrt::alignTo(buffer.bytesPerImage * images, vitrt::kBufferAlignment);
  return bytes;
}

std::string megabytes(uint64_t bytes) { return llvm::formatv("{0:f1} MB", bytes / double(1 << 20)); }

} // namespace

vitrt::TrainingMemory vitc::trainingMemory(vitrt::OptimizerKind kind, const artifact::Training &training, ArrayRef<plan::Program> programs,
                                           ArrayRef<artifact::Binding> bindings, bool gpu) {
  vitrt::TrainingMemory memory;
  memory.addState(kind, training.bf16Momentum, training.parameterBytes, training.gradientBytes, training.derivedBytes);
  llvm::StringSet<> parameters;
  for (const artifact::Training::Parameter &parameter : training.parameters)
    parameters.insert(parameter.binding);
  uint64_t weights = 0; // for inference
  for (const artifact::Binding &binding : bindings)
    if (!parameters.contains(binding.name))
      weights += vitrt::alignTo(binding.bytes, vitrt::kBufferAlignment);
  auto train = llvm::find_if(programs, [](const plan::Program &program) { return program.name == "train"; });
  for (const plan::Program &program : programs) {
    // A GPU evaluates as many images at a time as there is memory for; these are as many as it trains on.
    int64_t images = gpu && !isTraining(program) ? train->groupImages : program.groupImages;
    uint64_t arena = program.arenaBytesPerImage * images, staged = stagedBytes(program, images),
             scratch = gpu ? blocksScratchBytes(program, images) : scratchBytes(program);
    if (gpu && isTraining(program))
      memory.addGpuProgram(arena, staged, partBytes(program, images), scratch);
    else if (isTraining(program))
      memory.addProgram(arena, staged, partBytes(program, images), scratch);
    else
      memory.addEvaluation(weights, arena + staged, scratch);
  }
  return memory;
}

std::string vitc::describeMemory(const vitrt::TrainingMemory &memory, int64_t groupImages, bool gpu) {
  if (gpu)
    return llvm::formatv(
        "training takes {0} of a GPU's memory: {1} of parameters, gradients and moments, {2} of values of {3} image{4} at a "
        "time; evaluation takes {5} more",
        megabytes(memory.peak(1)), megabytes(memory.state), megabytes(memory.values), groupImages, groupImages == 1 ? "" : "s",
        megabytes(memory.evaluation));
  return llvm::formatv(
      "training takes {0} on one thread: {1} of parameters, gradients and moments, {2} of values of {3} image{4} at a time, "
      "{5} of scratch memory, as on each further thread; evaluation takes {6} more",
      megabytes(memory.peak(1)), megabytes(memory.state), megabytes(memory.values), groupImages, groupImages == 1 ? "" : "s",
      megabytes(memory.scratch), megabytes(memory.evaluation));
}

FailureOr<Compilation::TargetCode> Compilation::generateFitting(StringRef target) {
  const TrainingOptions &training = *options.training;
  SmallVector<Recompute> choices{Recompute::Attention, Recompute::Block};
  if (training.recompute)
    choices = {*training.recompute};
  uint64_t least = UINT64_MAX;
  for (Recompute choice : choices) {
    FailureOr<TargetCode> code = generateTarget(target, choice);
    if (failed(code) || training.memoryLimit == 0)
      return code;
    auto train = llvm::find_if(code->generated.programs, [](const plan::Program &program) { return program.name == "train"; });
    for (; train->groupImages > 0; --train->groupImages) {
      uint64_t bytes = trainingMemory(training.optimizer, *code->training, code->generated.programs, code->generated.bindingTable,
                                      target == StringRef(vitrt::kCudaTarget))
                           .peak(1);
      if (bytes <= training.memoryLimit)
        return code;
      least = std::min(least, bytes);
    }
  }
  return emitError(UnknownLoc::get(&context)) << "training on target '" << target << "' takes at least " << megabytes(least)
                                              << ", one image at a time with --recompute=" << recomputeName(choices.back())
                                              << ", but --memory-limit allows " << megabytes(training.memoryLimit);
}
