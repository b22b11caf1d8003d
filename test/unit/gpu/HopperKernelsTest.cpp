//===- HopperKernelsTest.cpp - operations of compute capability 9.0, run ------*- C++ -*-===//
//
// Part of the vitc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// A product whose operands a producer has the copy engine bring and a warpgroup multiplies, as text: right in every order of the threads, and with
// each planted bug its sentence or, where nothing forbids what it does, wrong numbers.
//
//===--------------------------------------------------------------------------------------===//

#include "test/unit/gpu/TextKernel.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

using namespace mlir;
using namespace vitc;
using namespace vitc::test;
using namespace vitrt::emulator;

namespace {

/// c [64, 32] = a [rows, 256] w [32, 256]^T of bf16, in four steps through two stages of 64 k. Threads 0 to 127 multiply, thread 128 copies. A stage has
/// 8192 bytes of a and 4096 of w.
constexpr const char *kProduct = R"(
  device.kernel @k(%a: !device.memory<global, bf16>, %w: !device.memory<global, bf16>, %c: !device.memory<global, f32>, %images: i32,
                   %mapA: !device.tensor_map<bf16, rank = 2>, %mapW: !device.tensor_map<bf16, rank = 2>)
      attributes {threads = 256 : i64, shared_bytes = 24640 : i64} {
    %c0 = arith.constant 0 : i32
    %c1 = arith.constant 1 : i32
    %c2 = arith.constant 2 : i32
    %c4 = arith.constant 4 : i32
    %c8 = arith.constant 8 : i32
    %c16 = arith.constant 16 : i32
    %c32 = arith.constant 32 : i32
    %c48 = arith.constant 48 : i32
    %c64 = arith.constant 64 : i32
    %c128 = arith.constant 128 : i32
    %tileA = arith.constant 4096 : i32
    %tileW = arith.constant 2048 : i32
    %zero = arith.constant dense<0.0> : vector<16xf32>
    %t = device.thread_id
    %as = device.shared 0 : !device.memory<shared, bf16>
    %ws = device.shared 16384 : !device.memory<shared, bf16>
    %full = device.shared 24576 : !device.memory<shared, i64>
    %empty = device.shared 24592 : !device.memory<shared, i64>
    %first = arith.cmpi eq, %t, %c0 : i32
    scf.if %first {
      device.mbarrier_init %full[%c0] count 1 : !device.memory<shared, i64>[i32]
      device.mbarrier_init %full[%c1] count 1 : !device.memory<shared, i64>[i32]
      device.mbarrier_init %empty[%c0] count 4 : !device.memory<shared, i64>[i32]
      device.mbarrier_init %empty[%c1] count 4 : !device.memory<shared, i64>[i32]
      device.mbarrier_fence
    }
    device.barrier
    %producer = arith.cmpi eq, %t, %c128 : i32
    scf.if %producer {
      scf.for %step = %c0 to %c4 step %c1 : i32 {
        %stage = arith.remui %step, %c2 : i32
        %round = arith.divui %step, %c2 : i32
        %even = arith.remui %round, %c2 : i32
        %free = arith.xori %even, %c1 : i32
        device.mbarrier_wait %empty[%stage] parity %free : !device.memory<shared, i64>[i32]
        device.mbarrier_expect %full[%stage] bytes 12288 : !device.memory<shared, i64>[i32]
        %k = arith.muli %step, %c64 : i32
        %toA = arith.muli %stage, %tileA : i32
        %toW = arith.muli %stage, %tileW : i32
        device.tensor_copy %mapA[%k, %c0] to %as[%toA], %full[%stage]
            : !device.tensor_map<bf16, rank = 2> to !device.memory<shared, bf16>[i32], !device.memory<shared, i64>[i32]
        device.tensor_copy %mapW[%k, %c0] to %ws[%toW], %full[%stage]
            : !device.tensor_map<bf16, rank = 2> to !device.memory<shared, bf16>[i32], !device.memory<shared, i64>[i32]
      }
    }
    %consumer = arith.cmpi ult, %t, %c128 : i32
    scf.if %consumer {
      %begun = device.wgmma_begin %zero : vector<16xf32> -> !device.sums<32>
      %lane = arith.remui %t, %c32 : i32
      %leader = arith.cmpi eq, %lane, %c0 : i32
      %sums = scf.for %step = %c0 to %c4 step %c1 iter_args(%s0 = %begun) -> (!device.sums<32>) : i32 {
        %stage = arith.remui %step, %c2 : i32
        %round = arith.divui %step, %c2 : i32
        %parity = arith.remui %round, %c2 : i32
        device.mbarrier_wait %full[%stage] parity %parity : !device.memory<shared, i64>[i32]
        %a0 = arith.muli %stage, %tileA : i32
        %w0 = arith.muli %stage, %tileW : i32
        %a1 = arith.addi %a0, %c16 : i32
        %w1 = arith.addi %w0, %c16 : i32
        %a2 = arith.addi %a0, %c32 : i32
        %w2 = arith.addi %w0, %c32 : i32
        %a3 = arith.addi %a0, %c48 : i32
        %w3 = arith.addi %w0, %c48 : i32
        %s1 = device.wgmma %s0, %as[%a0] <k, swizzle = 128>, %ws[%w0] <k, swizzle = 128>
            : !device.sums<32>, !device.memory<shared, bf16>[i32], !device.memory<shared, bf16>[i32]
        %s2 = device.wgmma %s1, %as[%a1] <k, swizzle = 128>, %ws[%w1] <k, swizzle = 128>
            : !device.sums<32>, !device.memory<shared, bf16>[i32], !device.memory<shared, bf16>[i32]
        %s3 = device.wgmma %s2, %as[%a2] <k, swizzle = 128>, %ws[%w2] <k, swizzle = 128>
            : !device.sums<32>, !device.memory<shared, bf16>[i32], !device.memory<shared, bf16>[i32]
        %s4 = device.wgmma %s3, %as[%a3] <k, swizzle = 128>, %ws[%w3] <k, swizzle = 128>
            : !device.sums<32>, !device.memory<shared, bf16>[i32], !device.memory<shared, bf16>[i32]
        device.wgmma_commit
        %s5 = device.wgmma_wait 0, %s4 : !device.sums<32> -> !device.sums<32>
        scf.if %leader {
          device.mbarrier_arrive %empty[%stage] : !device.memory<shared, i64>[i32]
        }
        scf.yield %s5 : !device.sums<32>
      }
      %done = device.wgmma_wait 0, %sums : !device.sums<32> -> vector<16xf32>
      %warp = arith.divui %t, %c32 : i32
      %group = arith.divui %lane, %c4 : i32
      %pair = arith.remui %lane, %c4 : i32
      %row0 = arith.muli %warp, %c16 : i32
      %row = arith.addi %row0, %group : i32
      %column = arith.muli %pair, %c2 : i32
      %row32 = arith.muli %row, %c32 : i32
      %at = arith.addi %row32, %column : i32
      STORES
    }
    device.return
  }
)";

/// The thread's sums 4 j + 2 h and the next to row `row + 8 h`, column 8 j + 2 pair.
std::string stores() {
  std::string text;
  for (int j = 0; j < 4; ++j)
    for (int h = 0; h < 2; ++h) {
      std::string name = std::to_string(2 * j + h);
      text += "%o" + name + " = arith.constant " + std::to_string(8 * j + 8 * 32 * h) + " : i32\n";
      text += "%p" + name + " = arith.addi %at, %o" + name + " : i32\n";
      text += "%v" + name + " = vector.extract_strided_slice %done {offsets = [" + std::to_string(4 * j + 2 * h) +
              "], sizes = [2], strides = [1]} : vector<16xf32> to vector<2xf32>\n";
      text += "device.store %v" + name + ", %c[%p" + name + "] : vector<2xf32>, !device.memory<global, f32>[i32]\n";
    }
  return text;
}

struct Outcome {
  std::string error;
  int wrong = 0; ///< elements; NaNs too
};

constexpr size_t kDepth = 256, kRows = 64, kColumns = 32;

/// With `rows` of a, beyond which the engine brings zeros.
Outcome multiply(const std::string &text, uint64_t seed, size_t rows = kRows, int32_t swizzle = 128) {
  Array<Bf16> a(rows * kDepth), w(kColumns * kDepth);
  Array<float> c(kRows * kColumns);
  for (size_t i = 0; i < a.count; ++i)
    a[i] = Bf16(static_cast<float>(i * 7 % 23) - 11);
  for (size_t i = 0; i < w.count; ++i)
    w[i] = Bf16(static_cast<float>(i * 5 % 19) - 9);
  const auto map = [&](Array<Bf16> &from, size_t height, int32_t box) {
    return TensorMap{reinterpret_cast<const std::byte *>(from.memory),
                     2,
                     2,
                     {kDepth, static_cast<int64_t>(height)},
                     {2, 2 * kDepth},
                     {64, box},
                     swizzle};
  };
  const std::array maps = {map(a, rows, 64), map(w, kColumns, 32)};
  Outcome outcome;
  outcome.error = TextKernel(text).run({a.operand(false), w.operand(false), c.operand(true)}, 1, seed, maps);
  for (size_t row = 0; row < kRows; ++row)
    for (size_t column = 0; column < kColumns; ++column) {
      float sum = 0;
      for (size_t k = 0; k < kDepth && row < rows; ++k)
        sum += static_cast<float>(a[row * kDepth + k]) * static_cast<float>(w[column * kDepth + k]);
      outcome.wrong += !(c[row * kColumns + column] == sum);
    }
  return outcome;
}

TEST(HopperKernels, MultiplyWhatTheCopyEngineBrings) {
  const std::string text = with(kProduct, "STORES", stores());
  for (uint64_t seed = 0; seed < 4; ++seed)
    for (size_t rows : {size_t{64}, size_t{50}, size_t{1}}) {
      Outcome outcome = multiply(text, seed, rows);
      EXPECT_EQ(outcome.error, "");
      EXPECT_EQ(outcome.wrong, 0) << rows << " rows";
    }
}

TEST(HopperKernels, MultiplyWithBugs) {
  const std::string text = with(kProduct, "STORES", stores());
  const std::string releases = R"(
        scf.if %leader {
          device.mbarrier_arrive %empty[%stage] : !device.memory<shared, i64>[i32]
        })";
  struct Bug {
    const char *name;
    std::string from, to, sentence;
  };
  const std::string copied = "of shared memory, which the copy engine copies to in 'tensor_copy [0-9]+' and has not been waited for";
  for (const Bug &bug : std::initializer_list<Bug>{
           {"no fence of the barriers", "device.mbarrier_fence", "", "no fence has made known to the copy engine"},
           {"no barrier of the block behind them", "device.barrier", "",
            "there is no barrier at byte|was initialized by thread 0 in 'mbarrier_init [0-9]+' with no barrier of the block between"},
           {"too few bytes expected", "bytes 12288", "bytes 8192", copied + "|lacks 0 arrivals and -4096 bytes"},
           {"too many bytes expected", "bytes 12288", "bytes 12304",
            "wait for ever.*the phase of the barrier at byte 24576 lacks 0 arrivals and 16 bytes"},
           {"the other parity of what is full", "device.mbarrier_wait %full[%stage] parity %parity",
            "device.mbarrier_wait %full[%stage] parity %c1", copied + "|which nobody has written|which the copy engine wrote"},
           {"the other parity of what is free", "parity %free", "parity %even", "wait for ever"},
           {"no wait for what is free", "device.mbarrier_wait %empty[%stage] parity %free : !device.memory<shared, i64>[i32]", "",
            "all 1 arrivals of the phase have been|'tensor_copy [0-9]+': copies to byte [0-9]+ of shared memory, which (warp [0-9]+'s "
            "products "
            "read in 'wgmma [0-9]+' with no barrier between|the copy engine copies to)"},
           {"no wait for what is full", "device.mbarrier_wait %full[%stage] parity %parity : !device.memory<shared, i64>[i32]", "",
            copied + "|which nobody has written"},
           {"released before the products are done", "%s5 = device.wgmma_wait 0, %s4 : !device.sums<32> -> !device.sums<32>" + releases,
            "%s5 = device.wgmma_wait 1, %s4 : !device.sums<32> -> !device.sums<32>" + releases,
            "'tensor_copy [0-9]+': copies to byte [0-9]+ of shared memory, which warp [0-9]+'s products read in 'wgmma [0-9]+'"},
           {"released by one warp for all", "%leader = arith.cmpi eq, %lane, %c0", "%leader = arith.cmpi eq, %t, %c0", "wait for ever"},
           {"one arrival for four warps", "%empty[%c0] count 4", "%empty[%c0] count 1",
            "all 1 arrivals of the phase have been|which warp [0-9]+'s products read in"},
           {"released by all threads", "scf.if %leader {", "scf.if %consumer {",
            "all 4 arrivals of the phase have been|which warp [0-9]+'s products read in"},
           {"a stage beyond the memory", "shared_bytes = 24640", "shared_bytes = 24576", "mbarrier_init [0-9]+': writes 8 bytes"},
           {"a destination between rows", "%toA = arith.muli %stage, %tileA", "%toA = arith.addi %stage, %c64",
            "'tensor_copy [0-9]+': copies to byte [0-9]+ of shared memory; with a swizzle of 128 it is a multiple of 1024"},
           {"a tile on the barriers", "%ws = device.shared 16384", "%ws = device.shared 20480",
            "'tensor_copy [0-9]+': copies (4096 bytes|to byte [0-9]+ of shared memory, which is a barrier's)"},
           {"two warps leave out a product",
            R"(%s4 = device.wgmma %s3, %as[%a3] <k, swizzle = 128>, %ws[%w3] <k, swizzle = 128>
            : !device.sums<32>, !device.memory<shared, bf16>[i32], !device.memory<shared, bf16>[i32])",
            R"(%two = arith.cmpi ult, %t, %c64 : i32
            %s4 = scf.if %two -> !device.sums<32> {
              %more = device.wgmma %s3, %as[%a3] <k, swizzle = 128>, %ws[%w3] <k, swizzle = 128>
                : !device.sums<32>, !device.memory<shared, bf16>[i32], !device.memory<shared, bf16>[i32]
              scf.yield %more : !device.sums<32>
            } else {
              scf.yield %s3 : !device.sums<32>
            })",
            "another warp of its warpgroup is at 'wgmma [0-9]+', or has other operands|warp [0-3] started [0-9]+ products of its "
            "warpgroup's"},
           {"an operand of each thread's own", "%ws[%w3] <k, swizzle = 128>", "%ws[%lane] <k, swizzle = 128>",
            "threads of the warp have different operands|begins neither at a multiple of 8 rows"},
           {"an operand between rows", "%w3 = arith.addi %w0, %c48", "%w3 = arith.addi %w0, %c64",
            "has an operand that begins neither at a multiple of 8 rows nor at a step of 32 bytes along the first of them"},
           {"not all of a warpgroup multiply", "%consumer = arith.cmpi ult, %t, %c128", "%consumer = arith.cmpi ult, %t, %c64",
            "wait for ever|warp [23] started 0 products of its warpgroup's"},
           {"sums used twice", "%s4 = device.wgmma %s3,", "%s4 = device.wgmma %s2,", "uses sums that another operation has used before"},
       }) {
    for (uint64_t seed = 0; seed < 3; ++seed) {
      Outcome outcome = multiply(with(text, bug.from, bug.to), seed);
      EXPECT_THAT(outcome.error, testing::ContainsRegex(bug.sentence)) << bug.name;
    }
  }
}

TEST(HopperKernels, MultiplyInAnotherLayout) {
  const std::string text = with(kProduct, "STORES", stores());
  EXPECT_NE(multiply(text, 0, kRows, /*swizzle=*/0).wrong, 0);
  EXPECT_NE(multiply(with(text, "%a1 = arith.addi %a0, %c16", "%a1 = arith.addi %a0, %c32"), 0).wrong, 0);
}

/// What threads write themselves: v [16, 32] in registers' rows, through shared memory as the right operand along n, a [64, 16] in fragments of ones.
constexpr const char *kFragments = R"(
  device.kernel @k(%v: !device.memory<global, bf16>, %c: !device.memory<global, f32>, %images: i32)
      attributes {threads = 128 : i64, shared_bytes = 2048 : i64} {
    %c4 = arith.constant 4 : i32
    %c0 = arith.constant 0 : i32
    %zero = arith.constant dense<0.0> : vector<16xf32>
    %ones = arith.constant dense<1.0> : vector<8xbf16>
    %c2 = arith.constant 2 : i32
    %c3 = arith.constant 3 : i32
    %c8 = arith.constant 8 : i32
    %c32 = arith.constant 32 : i32
    %c16 = arith.constant 16 : i32
    %c64 = arith.constant 64 : i32
    %t = device.thread_id
    %vs = device.shared 0 : !device.memory<shared, bf16>
    %writer = arith.cmpi ult, %t, %c64 : i32
    scf.if %writer {
      %row = arith.divui %t, %c4 : i32
      %chunk = arith.remui %t, %c4 : i32
      %from = arith.muli %t, %c8 : i32
      %value = device.load %v[%from] : !device.memory<global, bf16>[i32] -> vector<8xbf16>
      %half = arith.divui %row, %c2 : i32
      %bits = arith.remui %half, %c4 : i32
      %moved = arith.xori %chunk, %bits : i32
      %row32 = arith.muli %row, %c32 : i32
      %column = arith.muli %moved, %c8 : i32
      %to = arith.addi %row32, %column : i32
      device.store %value, %vs[%to] : vector<8xbf16>, !device.memory<shared, bf16>[i32]
      device.proxy_fence
    }
    device.barrier
    %s0, %f0 = device.wgmma_begin %zero, %ones : vector<16xf32>, vector<8xbf16> -> !device.sums<32>, vector<8xbf16>
    %s1 = device.wgmma_fragments %s0, %f0, %vs[%c0] <mn, swizzle = 64> {overwrite}
        : !device.sums<32>, vector<8xbf16>, !device.memory<shared, bf16>[i32]
    device.wgmma_commit
    %done = device.wgmma_wait 0, %s1 : !device.sums<32> -> vector<16xf32>
    %lane = arith.remui %t, %c32 : i32
    %warp = arith.divui %t, %c32 : i32
    %group = arith.divui %lane, %c4 : i32
    %pair = arith.remui %lane, %c4 : i32
    %row0 = arith.muli %warp, %c16 : i32
    %row = arith.addi %row0, %group : i32
    %column = arith.muli %pair, %c2 : i32
    %row32 = arith.muli %row, %c32 : i32
    %at = arith.addi %row32, %column : i32
    STORES
    device.return
  }
)";

Outcome addRows(const std::string &text, uint64_t seed) {
  Array<Bf16> v(16 * kColumns);
  Array<float> c(kRows * kColumns);
  for (size_t i = 0; i < v.count; ++i)
    v[i] = Bf16(static_cast<float>(i * 11 % 37) - 18);
  Outcome outcome;
  outcome.error = TextKernel(text).run({v.operand(false), c.operand(true)}, 1, seed);
  for (size_t i = 0; i < c.count; ++i) {
    float sum = 0;
    for (size_t k = 0; k < 16; ++k)
      sum += static_cast<float>(v[k * kColumns + i % kColumns]);
    outcome.wrong += !(c[i] == sum);
  }
  return outcome;
}

TEST(HopperKernels, MultiplyFragmentsByWhatThreadsWrote) {
  const std::string text = with(kFragments, "STORES", stores());
  for (uint64_t seed = 0; seed < 4; ++seed) {
    Outcome outcome = addRows(text, seed);
    EXPECT_EQ(outcome.error, "");
    EXPECT_EQ(outcome.wrong, 0);
    EXPECT_THAT(addRows(with(text, "device.proxy_fence", ""), seed).error,
                testing::ContainsRegex(
                    "'wgmma_fragments [0-9]+': reads byte [0-9]+ of shared memory, which thread [0-9]+ wrote in 'store [0-9]+' with no "
                    "proxy fence before the barrier between"));
    EXPECT_THAT(addRows(with(text, "device.barrier\n", "\n"), seed).error,
                testing::ContainsRegex("of shared memory, which (nobody has written|thread )"));
    EXPECT_THAT(addRows(with(text, "device.wgmma_wait 0", "device.wgmma_wait 1"), seed).error,
                testing::HasSubstr("uses sums that 1 products are still adding to"));
    EXPECT_THAT(addRows(with(text, "device.wgmma_commit", ""), seed).error,
                testing::HasSubstr("uses sums that 1 products are still adding to"));
    EXPECT_NE(addRows(with(text, "%half = arith.divui %row, %c2", "%half = arith.divui %row, %c4"), seed).wrong, 0);
  }
}

TEST(HopperKernels, TakeMoreRegistersThanThereAre) {
  constexpr const char *kRegisters = R"(
    device.kernel @k(%c: !device.memory<global, f32>, %images: i32) attributes {threads = 384 : i64, shared_bytes = 0 : i64} {
      %c128 = arith.constant 128 : i32
      %t = device.thread_id
      %first = arith.cmpi ult, %t, %c128 : i32
      scf.if %first {
        device.set_registers 24
      } else {
        device.set_registers COUNT increase
      }
      device.return
    }
  )";
  Array<float> c(1);
  EXPECT_EQ(TextKernel(with(kRegisters, "COUNT", "240")).run({c.operand(true)}, 1, 0), "");
  EXPECT_THAT(TextKernel(with(kRegisters, "COUNT", "256")).run({c.operand(true)}, 1, 0),
              testing::HasSubstr("its warpgroups take 68608 registers of the 64512 that it was given"));
}

} // namespace
