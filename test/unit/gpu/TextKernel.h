//===- TextKernel.h - device kernels as text, run on the emulator -------------*- C++ -*-===//
//
// Part of the vitc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===--------------------------------------------------------------------------------------===//

#ifndef VITC_TEST_UNIT_GPU_TEXTKERNEL_H
#define VITC_TEST_UNIT_GPU_TEXTKERNEL_H

#include "compiler/codegen/gpu/GpuCodegen.h"
#include "dialects/device/DeviceDialect.h"
#include "runtime/device/emulator/Emulator.h"
#include "test/unit/codegen/KernelHarness.h"

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/MemRef/IR/MemRef.h"
#include "mlir/Dialect/SCF/IR/SCF.h"
#include "mlir/Dialect/Vector/IR/VectorOps.h"
#include "mlir/IR/MLIRContext.h"
#include "mlir/Parser/Parser.h"

#include <gtest/gtest.h>

#include <bit>

namespace vitc::test {

/// `text` with every `from` as `to`; a failed test where there is none.
inline std::string with(std::string text, const std::string &from, const std::string &to) {
  size_t at = text.find(from);
  EXPECT_NE(at, std::string::npos) << from;
  for (; at != std::string::npos; at = text.find(from, at + to.size()))
    text.replace(at, from.size(), to);
  return text;
}

/// The kernel @k of a text.
class TextKernel {
public:
  explicit TextKernel(const std::string &text) : context(makeContext()) {
    context->loadDialect<mlir::arith::ArithDialect, device::DeviceDialect, mlir::memref::MemRefDialect, mlir::scf::SCFDialect,
                         mlir::vector::VectorDialect>();
    mlir::OwningOpRef<mlir::ModuleOp> module = mlir::parseSourceString<mlir::ModuleOp>(text, context.get());
    if (!module)
      return;
    auto kernel = *module->getOps<device::KernelOp>().begin();
    launch = {"k", "layer", nullptr, static_cast<int32_t>(kernel.getThreads()), static_cast<uint64_t>(kernel.getSharedBytes()), nullptr};
    if (mlir::succeeded(gpu::lowerToEmulator(*module)))
      code = load(*module, runnableLevels().front().target);
    if (code)
      launch.function = code->find<void(vitrt::emulator::ThreadState *, void *const *, int64_t)>("k");
  }

  std::string run(llvm::ArrayRef<vitrt::emulator::Operand> operands, int64_t blocks, uint64_t seed,
                  std::span<const vitrt::emulator::TensorMap> maps = {}) const {
    if (!launch.function)
      return "not compiled";
    vitrt::emulator::LaunchShape shape = launch;
    shape.blocks = static_cast<int32_t>(blocks);
    shape.maps = maps;
    return vitrt::emulator::Emulator(seed).run(shape, operands, /*images=*/1, 0, blocks).message;
  }

private:
  std::unique_ptr<mlir::MLIRContext> context;
  std::unique_ptr<LoadedCode> code;
  vitrt::emulator::LaunchShape launch = {};
};

/// An operand of 64-byte alignment.
template <typename T> struct Array {
  explicit Array(size_t size) : count(size), memory(new (std::align_val_t(64)) T[size]()) {}
  ~Array() { operator delete[](memory, std::align_val_t(64)); }
  T &operator[](size_t i) { return memory[i]; }
  vitrt::emulator::Operand operand(bool written) { return {reinterpret_cast<std::byte *>(memory), count * sizeof(T), written}; }
  size_t count;
  T *memory;
};

/// Numbers of few digits: the rest is cut off.
struct Bf16 {
  uint16_t bits = 0;
  Bf16() = default;
  explicit Bf16(float value) : bits(static_cast<uint16_t>(std::bit_cast<uint32_t>(value) >> 16)) {}
  explicit operator float() const { return std::bit_cast<float>(static_cast<uint32_t>(bits) << 16); }
};

} // namespace vitc::test

#endif // VITC_TEST_UNIT_GPU_TEXTKERNEL_H
