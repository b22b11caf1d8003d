//===- Plan.h - memory and launches of a program ------------------------------*- C++ -*-===//
//
// Part of the vitc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===--------------------------------------------------------------------------------------===//
//
// The plan is data: what buffers there are and where they lie, and which kernel runs when on which of them. The tables mirror
// runtime/artifact/vitx.fbs, whose comments define each field.
//
//===--------------------------------------------------------------------------------------===//

#ifndef VITC_COMPILER_PLAN_PLAN_H
#define VITC_COMPILER_PLAN_PLAN_H

#include "mlir/Dialect/Func/IR/FuncOps.h"

#include <string>
#include <vector>

namespace vitc::plan {

enum class BufferKind { Input, Output, Arena, Weight, Parameter, Gradient, Derived };

/// Whether buffers of that kind are places in the training state, which outlives a run.
inline bool isState(BufferKind kind) { return kind >= BufferKind::Parameter; }

enum class NumberType { F32, BF16, I8, F16, TF32 };

struct Buffer {
  std::string name;
  BufferKind kind = BufferKind::Arena;
  NumberType type = NumberType::F32;
  float scale = 0, zeroPoint = 0; ///< of bytes; scale 0: each row has its own
  std::vector<int64_t> shape;     ///< of one image without the batch axis; of a weight, packed
  int64_t offsetPerImage = 0;     ///< bytes; arena, or training state: from its memory's beginning
  int64_t bytesPerImage = 0;      ///< bytes; of a weight, its size
  int64_t firstLaunch = 0;        ///< the launch that writes it (-1: the caller)
  int64_t lastLaunch = 0;         ///< the last that reads it
};

struct TensorMap {
  uint32_t operand = 0;
  int64_t elementBytes = 2;
  std::vector<int64_t> sizes; ///< elements, the innermost first
  bool perImage = false;      ///< the last size is that of one image
  std::vector<int64_t> strides, box;
  int64_t swizzle = 0; ///< bytes
};

struct Kernel {
  std::string symbol, kind, schedule;
  int64_t scratchBytes = 0;
  int64_t rowsPerImage = 1, rowsPerTask = 1, columnTasks = 1;
  int64_t threads = 0, sharedBytes = 0; ///< of a device's kernel; threads 0: the host's
  bool persistent = false, dependent = false;
  std::vector<TensorMap> tensorMaps = {};  ///< arguments behind the number of images
  int64_t partCounters = 0, partBytes = 0; ///< of a task, if several have parts of one sum
  int64_t fromImages = 1;                  ///< what groups it is for, if it is one of `larger`
  std::vector<Kernel> larger = {};         ///< others for larger groups, ascending; not of a program's kernels

  int64_t tasks(int64_t images) const { return (images * rowsPerImage + rowsPerTask - 1) / rowsPerTask * columnTasks; }
};

struct Launch {
  std::string name;
  uint32_t kernel = 0;
  std::vector<uint32_t> operands; ///< buffers; inputs first, results last
  uint32_t results = 1;
  int64_t flopPerImage = 0;
  std::vector<std::pair<int64_t, uint32_t>> larger = {}; ///< kernels for groups of at least so many images
};

struct Program {
  std::string name;
  std::vector<Buffer> buffers;
  std::vector<Kernel> kernels;
  std::vector<Launch> launches;
  std::vector<uint32_t> inputs, outputs;
  int64_t arenaBytesPerImage = 0;
  int64_t groupImages = 1;
};

/// Plans `function`, whose operations are launches, kernel.weight and kernel.state only. `kernelOf` names the generated kernel of each launch;
/// launches that share one return the same symbol. An output is called by its result's attribute `vit.output`, without one as its launch is.
mlir::FailureOr<Program> buildProgram(mlir::func::FuncOp function, llvm::function_ref<Kernel(mlir::Operation *)> kernelOf);

/// Small images travel together until a group has about as many tokens as one 224-pixel image of a /16 model, so that a product's row block is
/// full.
int64_t groupImages(int64_t tokens);

/// Of a training program: weights' gradients want about 800 rows at a time, since each of their elements is read and written once a group.
int64_t trainingGroupImages(int64_t tokens);

/// Gives each arena buffer an offset such that buffers alive at the same launch do not overlap; returns the arena's bytes an image.
int64_t assignOffsets(std::vector<Buffer> &buffers);

/// Checks what the runtime relies on: indices, ranges, a write before each read, uses within lives, no overlap of live buffers except a
/// result that takes its residual's place. Returns an empty string, or what is wrong.
std::string verify(const Program &program);

/// For people: launches with their kernels, buffers with their lifetimes.
void print(const Program &program, llvm::raw_ostream &os);

} // namespace vitc::plan

#endif // VITC_COMPILER_PLAN_PLAN_H
