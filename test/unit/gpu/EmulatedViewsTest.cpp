//===- EmulatedViewsTest.cpp - what the emulator sees of reference lowerings ---*- C++ -*-===//
//
// Part of the vitc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Kernels as text that touch memory as memrefs, right ones and with planted bugs.
//
//===--------------------------------------------------------------------------------------===//

#include "test/unit/gpu/TextKernel.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

using namespace vitc::test;
using namespace vitrt::emulator;

namespace {

/// y[i] = x[63 - i], by way of y, whose second row another block has.
constexpr const char *kViews = R"(
  device.kernel @k(%x: !device.memory<global, f32>, %y: !device.memory<global, f32>, %images: i32)
      attributes {threads = 64 : i64, shared_bytes = 0 : i64} {
    %c63 = arith.constant 63 : index
    %t = device.thread_id
    %block = device.block_id
    %i = arith.index_cast %t : i32 to index
    %row = arith.index_cast %block : i32 to index
    %other = arith.subi %c63, %i : index
    %from = device.view %x : !device.memory<global, f32> as memref<2x64xf32>
    %to = device.view %y : !device.memory<global, f32> as memref<2x64xf32>
    %part = memref.subview %to[0, 0] [2, 64] [1, 1] : memref<2x64xf32> to memref<2x64xf32, strided<[64, 1]>>
    %value = memref.load %from[%row, %i] : memref<2x64xf32>
    memref.store %value, %part[%row, %i] : memref<2x64xf32, strided<[64, 1]>>
    device.barrier
    %turned = memref.load %part[%row, %other] : memref<2x64xf32, strided<[64, 1]>>
    device.barrier {second}
    memref.store %turned, %to[%row, %i] : memref<2x64xf32>
    device.return
  }
)";

TEST(EmulatedViews, AreTouched) {
  Array<float> x(128), y(128);
  for (size_t i = 0; i < 128; ++i)
    x[i] = static_cast<float>(i);
  EXPECT_EQ(TextKernel(kViews).run({x.operand(false), y.operand(true)}, 2, 0), "");
  for (size_t i = 0; i < 128; ++i)
    EXPECT_EQ(y[i], x[i / 64 * 64 + 63 - i % 64]);
}

TEST(EmulatedViews, AreTouchedWithBugs) {
  struct Bug {
    const char *from, *to, *sentence;
  };
  const char *unordered =
      "(reads|writes) byte [0-9]+ of operand 1, which (thread [0-9]+ of block [01]|several threads) (read|wrote) in the same launch";
  for (const Bug &bug : std::initializer_list<Bug>{
           {"device.barrier\n", "\n", unordered},
           {"device.barrier {second}", "", unordered},
           {"%row = arith.index_cast %block : i32 to index", "%row = arith.constant 0 : index", unordered},
           {"memref.store %turned, %to[%row, %i]", "memref.store %turned, %to[%i, %row]",
            "'store [0-9]+': writes (byte [0-9]+ of operand 1, which|4 bytes [0-9]+ bytes from the beginning of operand 1, which has 512)"},
           {"memref.load %from[%row, %i]", "memref.load %from[%i, %row]",
            "'load [0-9]+': reads 4 bytes [0-9]+ bytes from the beginning of operand 0, which has 512"},
       })
    for (uint64_t seed = 0; seed < 3; ++seed) {
      // One mapping, so that memory beyond an operand is nobody's.
      Array<float> memory(8192);
      auto part = [&](size_t first, bool written) { return Operand{reinterpret_cast<std::byte *>(memory.memory + first), 512, written}; };
      EXPECT_THAT(TextKernel(with(kViews, bug.from, bug.to)).run({part(0, false), part(4096, true)}, 2, seed),
                  testing::ContainsRegex(bug.sentence))
          << bug.from;
    }
}

} // namespace
