//===- Program.h - a plan with its kernels' addresses -------------------------*- C++ -*-===//
//
// Part of the vitc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===--------------------------------------------------------------------------------------===//

#ifndef VITC_RUNTIME_PLAN_PROGRAM_H
#define VITC_RUNTIME_PLAN_PROGRAM_H

#include "runtime/artifact/Artifact.h"
#include "runtime/artifact/PartBytes.h"
#include "runtime/device/emulator/EmulatorAbi.h"

#include <string>
#include <vector>

namespace vitrt {

/// A buffer of the plan; the schema's comments define the fields.
struct Buffer {
  std::string name;
  fb::BufferKind kind;
  std::vector<int64_t> shape; ///< of one image
  uint64_t offsetPerImage;
  uint64_t bytesPerImage;
  uint64_t weightOffset;  ///< Weight only: within the packed weights
  uint64_t weightBytes;   ///< Weight only
  uint32_t slot;          ///< Input, Output: position in the signature
  fb::NumberType type;    ///< of an Input, an Output or in the Arena
  float scale, zeroPoint; ///< of I8; scale 0: each row has its own

  /// What a group of so many images takes.
  uint64_t bytes(int64_t images) const;
};

/// What computes a launch for groups of `fromImages` images and more.
struct LaunchKernel {
  int64_t fromImages;
  KernelFunction function;         ///< null of a device's kernel
  emulator::Kernel deviceFunction; ///< of an emulated device, else null
  const fb::Kernel *kernel;

  bool onDevice() const { return deviceFunction != nullptr; }
  uint64_t counterBytes() const { return sizeof(uint32_t) * kernel->part_counters(); } ///< of a task
  int64_t tasks(int64_t images) const {
    int64_t rows = images * int64_t(kernel->rows_per_image()), perTask = int64_t(kernel->rows_per_task());
    return (rows + perTask - 1) / perTask * int64_t(kernel->column_tasks());
  }

  /// Blocks of a device's kernel, where `resident` of them run at a time.
  int64_t blocks(int64_t images, int64_t resident) const {
    return kernel->persistent() ? std::min(tasks(images), resident) : tasks(images);
  }
};

/// The kernel that it begins with is for all groups but those of `larger`.
struct Launch : LaunchKernel {
  std::string name;               ///< the model's layer
  std::vector<uint32_t> operands; ///< buffers; inputs first, results last
  uint32_t results;
  uint64_t flopPerImage;
  std::vector<LaunchKernel> larger; ///< for ever larger groups

  /// How many of `larger` are for fewer or just so many images: the last of those is the kernel's, without one it is the launch's own.
  size_t choice(int64_t images) const {
    return size_t(std::ranges::count_if(larger, [&](const LaunchKernel &other) { return other.fromImages <= images; }));
  }
  const LaunchKernel &chosen(size_t number) const { return number == 0 ? *this : larger[number - 1]; }
  const LaunchKernel &kernelFor(int64_t images) const { return chosen(choice(images)); }
  /// The most images of the groups of up to `images` that choice `number` is for; 0 if it is for none of them.
  int64_t mostImages(size_t number, int64_t images) const {
    int64_t end = number < larger.size() ? std::min(images, larger[number].fromImages - 1) : images;
    return chosen(number).fromImages <= end ? end : 0;
  }
};

/// Memory that tasks of a launch leave parts of sums in, for each other; launches use it in turn. The counters are 0 between launches.
struct PartMemory {
  std::byte *counters = nullptr, *sums = nullptr;
};

/// A program of the plan, resolved against the loaded code.
struct Program {
  static Expected<Program> resolve(const Artifact &artifact, const fb::Program &program);

  bool onDevice() const;
  /// What PartMemory takes for groups of up to `images` images.
  PartBytes partBytes(int64_t images) const;

  std::string name;
  std::vector<Buffer> buffers;
  std::vector<Launch> launches;
  std::vector<uint32_t> inputs;
  std::vector<uint32_t> outputs;
  uint64_t arenaBytesPerImage;
  uint64_t scratchBytes; ///< the most that any kernel needs
  int64_t groupImages;
};

} // namespace vitrt

#endif // VITC_RUNTIME_PLAN_PROGRAM_H
