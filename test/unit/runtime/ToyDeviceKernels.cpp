//===- ToyDeviceKernels.cpp - device code for the fake driver -----------------*- C++ -*-===//
//
// Part of the vitc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===--------------------------------------------------------------------------------------===//

#include "runtime/device/emulator/EmulatorAbi.h"

using vitrt::emulator::ThreadState;

/// to[i] = from[i] + images, a block of 32 elements.
extern "C" __attribute__((visibility("default"))) void add_images(ThreadState *self, void *const *buffers, int64_t images) {
  int64_t i = int64_t(self->block) * 32 + self->thread;
  auto *from = static_cast<float *>(buffers[0]) + i, *to = static_cast<float *>(buffers[1]) + i;
  self->calls->access(self, from, 4, /*write=*/0, "load 1");
  self->calls->access(self, to, 4, /*write=*/1, "store 2");
  *to = *from + float(images);
}
