//===- EmulatedKernelsTest.cpp - the device dialect's operations, run ---------*- C++ -*-===//
//
// Part of the vitc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Kernels as text, lowered, compiled and run by the emulator: what is right gives the right numbers for every order of the threads, and
// each planted bug ends with its sentence.
//
//===--------------------------------------------------------------------------------------===//

#include "test/unit/gpu/TextKernel.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstring>

using namespace mlir;
using namespace vitc;
using namespace vitc::test;
using namespace vitrt::emulator;

namespace {

//===--------------------------------------------------------------------------------------===//
// A product of a warp
//===--------------------------------------------------------------------------------------===//

/// c [16, 8] = a [16, 16] b [16, 8] through shared memory.
constexpr const char *kProduct = R"(
  device.kernel @k(%a: !device.memory<global, E>, %b: !device.memory<global, E>, %c: !device.memory<global, f32>, %images: i32)
      attributes {threads = 32 : i64, shared_bytes = 768 : i64} {
    %c2 = arith.constant 2 : i32
    %c4 = arith.constant 4 : i32
    %c8 = arith.constant 8 : i32
    %c16 = arith.constant 16 : i32
    %c64 = arith.constant 64 : i32
    %zero = arith.constant dense<0.0> : vector<4xf32>
    %t = device.thread_id
    %left = device.shared 0 : !device.memory<shared, E>
    %right = device.shared 512 : !device.memory<shared, E>
    %t8 = arith.muli %t, %c8 : i32
    device.copy_async %a[%t8] to %left[%t8] {bytes = 16 : i64} : !device.memory<global, E>[i32] to !device.memory<shared, E>[i32]
    %first = arith.cmpi ult, %t, %c16 : i32
    scf.if %first {
      device.copy_async %b[%t8] to %right[%t8] {bytes = 16 : i64} : !device.memory<global, E>[i32] to !device.memory<shared, E>[i32]
    }
    device.copy_commit
    device.copy_wait 0
    device.barrier
    %row = arith.remui %t, %c16 : i32
    %half = arith.divui %t, %c16 : i32
    %row16 = arith.muli %row, %c16 : i32
    %column = arith.muli %half, %c8 : i32
    %at = arith.addi %row16, %column : i32
    %l = device.load_matrix %left[%at] : !device.memory<shared, E>[i32] -> vector<8xE>
    %row8 = arith.muli %row, %c8 : i32
    %r = device.load_matrix %right[%row8] {transposed} : !device.memory<shared, E>[i32] -> vector<4xE>
    %sums = device.mma %l, %r, %zero : vector<8xE>, vector<4xE>
    %group = arith.divui %t, %c4 : i32
    %place = arith.remui %t, %c4 : i32
    %place2 = arith.muli %place, %c2 : i32
    %group8 = arith.muli %group, %c8 : i32
    %upper = arith.addi %group8, %place2 : i32
    %lower = arith.addi %upper, %c64 : i32
    %u = vector.extract_strided_slice %sums {offsets = [0], sizes = [2], strides = [1]} : vector<4xf32> to vector<2xf32>
    %d = vector.extract_strided_slice %sums {offsets = [2], sizes = [2], strides = [1]} : vector<4xf32> to vector<2xf32>
    device.store %u, %c[%upper] : vector<2xf32>, !device.memory<global, f32>[i32]
    device.store %d, %c[%lower] : vector<2xf32>, !device.memory<global, f32>[i32]
    device.return
  }
)";

struct Product {
  std::string error;
  int wrong = 0; ///< elements; NaNs too
};

template <typename E> Product multiply(const std::string &text, uint64_t seed, bool mayWrite = true) {
  Array<E> a(256), b(128);
  Array<float> c(128);
  for (size_t i = 0; i < 256; ++i)
    a[i] = static_cast<E>(static_cast<float>(i * 7 % 23) - 11);
  for (size_t i = 0; i < 128; ++i)
    b[i] = static_cast<E>(static_cast<float>(i * 5 % 19) - 9);
  Product product;
  product.error = TextKernel(text).run({a.operand(false), b.operand(false), c.operand(mayWrite)}, 1, seed);
  for (size_t row = 0; row < 16; ++row)
    for (size_t column = 0; column < 8; ++column) {
      float sum = 0;
      for (size_t k = 0; k < 16; ++k)
        sum += static_cast<float>(a[16 * row + k]) * static_cast<float>(b[8 * k + column]);
      product.wrong += !(c[8 * row + column] == sum);
    }
  return product;
}

TEST(EmulatedKernels, MultiplyMatrices) {
  for (uint64_t seed = 0; seed < 3; ++seed) {
    Product f16 = multiply<_Float16>(with(kProduct, "E", "f16"), seed);
    EXPECT_EQ(f16.error, "");
    EXPECT_EQ(f16.wrong, 0);
    Product bf16 = multiply<Bf16>(with(kProduct, "E", "bf16"), seed);
    EXPECT_EQ(bf16.error, "");
    EXPECT_EQ(bf16.wrong, 0);
  }
}

/// c [16, 8] = a [16, 8] b [8, 8]^T of tf32.
constexpr const char *kWords = R"(
  device.kernel @k(%a: !device.memory<global, tf32>, %b: !device.memory<global, tf32>, %c: !device.memory<global, f32>, %images: i32)
      attributes {threads = 32 : i64, shared_bytes = 768 : i64} {
    %c2 = arith.constant 2 : i32
    %c4 = arith.constant 4 : i32
    %c8 = arith.constant 8 : i32
    %c16 = arith.constant 16 : i32
    %zero = arith.constant dense<0.0> : vector<4xf32>
    %t = device.thread_id
    %left = device.shared 0 : !device.memory<shared, tf32>
    %right = device.shared 512 : !device.memory<shared, tf32>
    %t4 = arith.muli %t, %c4 : i32
    device.copy_async %a[%t4] to %left[%t4] {bytes = 16 : i64} : !device.memory<global, tf32>[i32] to !device.memory<shared, tf32>[i32]
    %first = arith.cmpi ult, %t, %c16 : i32
    scf.if %first {
      device.copy_async %b[%t4] to %right[%t4] {bytes = 16 : i64} : !device.memory<global, tf32>[i32] to !device.memory<shared, tf32>[i32]
    }
    device.copy_commit
    device.copy_wait 0
    device.barrier
    %row = arith.remui %t, %c16 : i32
    %half = arith.divui %t, %c16 : i32
    %row8 = arith.muli %row, %c8 : i32
    %half4 = arith.muli %half, %c4 : i32
    %at = arith.addi %row8, %half4 : i32
    %l = device.load_matrix %left[%at] : !device.memory<shared, tf32>[i32] -> vector<4xf32>
    %n = arith.remui %row, %c8 : i32
    %n8 = arith.muli %n, %c8 : i32
    %upperK = arith.divui %row, %c8 : i32
    %k4 = arith.muli %upperK, %c4 : i32
    %of = arith.addi %n8, %k4 : i32
    %r = device.load_matrix %right[%of] : !device.memory<shared, tf32>[i32] -> vector<2xf32>
    %sums = device.mma %l, %r, %zero : vector<4xf32>, vector<2xf32>
    %group = arith.divui %t, %c4 : i32
    %place = arith.remui %t, %c4 : i32
    %place2 = arith.muli %place, %c2 : i32
    %group8 = arith.muli %group, %c8 : i32
    %upper = arith.addi %group8, %place2 : i32
    %c64 = arith.constant 64 : i32
    %lower = arith.addi %upper, %c64 : i32
    %u = vector.extract_strided_slice %sums {offsets = [0], sizes = [2], strides = [1]} : vector<4xf32> to vector<2xf32>
    %d = vector.extract_strided_slice %sums {offsets = [2], sizes = [2], strides = [1]} : vector<4xf32> to vector<2xf32>
    device.store %u, %c[%upper] : vector<2xf32>, !device.memory<global, f32>[i32]
    device.store %d, %c[%lower] : vector<2xf32>, !device.memory<global, f32>[i32]
    device.return
  }
)";

Product multiplyWords(const std::string &text, float unit, uint64_t seed) {
  Array<float> a(128), b(64), c(128);
  for (size_t i = 0; i < 128; ++i)
    a[i] = unit * (static_cast<float>(i * 7 % 23) - 11);
  for (size_t i = 0; i < 64; ++i)
    b[i] = static_cast<float>(i * 5 % 19) - 9;
  Product product;
  product.error = TextKernel(text).run({a.operand(false), b.operand(false), c.operand(true)}, 1, seed);
  for (size_t row = 0; row < 16; ++row)
    for (size_t column = 0; column < 8; ++column) {
      float sum = 0;
      for (size_t k = 0; k < 8; ++k)
        sum += a[8 * row + k] * b[8 * column + k];
      product.wrong += !(c[8 * row + column] == sum);
    }
  return product;
}

TEST(EmulatedKernels, MultiplyTf32) {
  for (uint64_t seed = 0; seed < 3; ++seed) {
    Product product = multiplyWords(kWords, 1, seed);
    EXPECT_EQ(product.error, "");
    EXPECT_EQ(product.wrong, 0);
  }
  EXPECT_GT(multiplyWords(with(kWords, "%half4 = arith.muli %half, %c4", "%half4 = arith.muli %half, %c8"), 1, 0).wrong, 0);
}

/// What nobody has rounded is undefined behaviour of the hardware.
TEST(EmulatedKernels, MultiplyNumbersThatAreNoTf32) {
  EXPECT_THAT(multiplyWords(kWords, 1.0001F, 0).error,
              testing::ContainsRegex("'mma [0-9]+': multiplies a number that is no tf32: its lower 13 bits are not zero"));
  EXPECT_EQ(multiplyWords(with(kWords, "%sums = device.mma %l,", "%lr = device.to_tf32 %l : vector<4xf32>\n    %sums = device.mma %lr,"),
                          1.0001F, 0)
                .error,
            "");
}

TEST(EmulatedKernels, MultiplyTheWrongElements) {
  const std::string text = with(kProduct, "E", "f16");
  for (auto [from, to] : {std::pair("%column = arith.muli %half, %c8", "%column = arith.muli %half, %c16"), std::pair(" {transposed}", ""),
                          std::pair("%row8 = arith.muli %row, %c8", "%row8 = arith.xori %t8, %c8")}) {
    Product product = multiply<_Float16>(with(text, from, to), 0);
    EXPECT_TRUE(!product.error.empty() || product.wrong > 0) << from;
  }
}

TEST(EmulatedKernels, MultiplyWithBugs) {
  const std::string text = with(kProduct, "E", "f16");
  struct Bug {
    const char *from, *to, *sentence;
  };
  const char *notThere =
      "'load_matrix [0-9]+': reads byte [0-9]+ of shared memory, which thread [0-9]+ copies to in 'copy_async [0-9]+' and has "
      "not waited for";
  for (const Bug &bug : std::initializer_list<Bug>{
           {"device.barrier\n", "\n",
            "'load_matrix [0-9]+': reads byte [0-9]+ of shared memory, which (nobody has written|thread [0-9]+ )"},
           {"device.copy_wait 0", "device.copy_wait 1", notThere},
           {"device.copy_wait 0", "", notThere},
           {"device.copy_commit", "", notThere},
           {"cmpi ult, %t, %c16", "cmpi ult, %t, %c64",
            "'copy_async [0-9]+': reads 16 bytes [0-9]+ bytes from the beginning of operand [01], which has|'copy_async [0-9]+': writes 16 "
            "bytes "
            "[0-9]+ bytes from the beginning of shared memory, which has 768|'copy_async [0-9]+': copies to an address that is not in "
            "shared memory"},
           {"shared_bytes = 768", "shared_bytes = 760",
            "'copy_async [0-9]+': writes 16 bytes 752 bytes from the beginning of shared memory, which has 760"},
           {"%at = arith.addi %row16, %column", "%at = arith.addi %row16, %half",
            "'load_matrix [0-9]+': reads 16 bytes at an address that is no multiple of that"},
           {"%sums = device.mma %l, %r, %zero : vector<8xf16>, vector<4xf16>",
            R"(%sums = scf.if %first -> vector<4xf32> {
                 %0 = device.mma %l, %r, %zero : vector<8xf16>, vector<4xf16>
                 scf.yield %0 : vector<4xf32>
               } else {
                 %0 = device.mma %l, %r, %zero : vector<8xf16>, vector<4xf16>
                 scf.yield %0 : vector<4xf32>
               })",
            "'mma [0-9]+': others of its warp are at 'mma [0-9]+'; a warp does this together"},
       })
    EXPECT_THAT(multiply<_Float16>(with(text, bug.from, bug.to), 0).error, testing::ContainsRegex(bug.sentence)) << bug.from;
  EXPECT_THAT(multiply<_Float16>(text, 0, /*mayWrite=*/false).error,
              testing::HasSubstr("writes to operand 2, which the kernel only reads"));
}

//===--------------------------------------------------------------------------------------===//
// Threads of a block
//===--------------------------------------------------------------------------------------===//

/// y = each block's elements in reverse, plus the neighbour's; total = the sum of all.
constexpr const char *kReverse = R"(
  device.kernel @k(%x: !device.memory<global, f32>, %y: !device.memory<global, f32>, %total: !device.memory<global, f32>, %images: i32)
      attributes {threads = THREADS : i64, shared_bytes = 4096 : i64} {
    %c0 = arith.constant 0 : i32
    %c16 = arith.constant 16 : i32
    %last = arith.constant LAST : i32
    %threads = arith.constant THREADS : i64
    %t = device.thread_id
    %block = device.block_id
    %wide = arith.extsi %block : i32 to i64
    %offset = arith.muli %wide, %threads : i64
    %from = device.advance %x[%offset] : !device.memory<global, f32>[i64]
    %to = device.advance %y[%offset] : !device.memory<global, f32>[i64]
    %shared = device.shared 0 : !device.memory<shared, f32>
    %first = arith.cmpi ult, %t, %c16 : i32
    %mine = device.load %from[%t] : !device.memory<global, f32>[i32] -> f32
    device.store %mine, %shared[%t] : f32, !device.memory<shared, f32>[i32]
    device.barrier {first}
    %mirror = arith.subi %last, %t : i32
    %value = device.load %shared[%mirror] : !device.memory<shared, f32>[i32] -> f32
    device.barrier {second}
    device.store %value, %shared[%t] : f32, !device.memory<shared, f32>[i32]
    %other = device.shuffle %value, 1 : f32
    %sum = arith.addf %value, %other : f32
    device.store %sum, %to[%t] : f32, !device.memory<global, f32>[i32]
    device.atomic_add %mine, %total[%c0] : !device.memory<global, f32>[i32]
    device.return
  }
)";

std::string reverseWith(int threads) {
  return with(with(kReverse, "THREADS", std::to_string(threads)), "LAST", std::to_string(threads - 1));
}

TEST(EmulatedKernels, ReverseBlocks) {
  for (int threads : {32, 96, 1024}) {
    TextKernel kernel(reverseWith(threads));
    size_t perBlock = static_cast<size_t>(threads), all = 3 * perBlock;
    for (uint64_t seed = 0; seed < 4; ++seed) {
      Array<float> x(all), y(all), total(1);
      for (size_t i = 0; i < all; ++i)
        x[i] = static_cast<float>(i % 17);
      ASSERT_EQ(kernel.run({x.operand(false), y.operand(true), total.operand(true)}, 3, seed), "");
      float sum = 0;
      for (size_t i = 0; i < all; ++i) {
        auto mirrored = [&](size_t at) { return x[at / perBlock * perBlock + perBlock - 1 - at % perBlock]; };
        ASSERT_EQ(y[i], mirrored(i) + mirrored(i ^ 1)) << threads << " threads, element " << i;
        sum += x[i];
      }
      EXPECT_EQ(total[0], sum);
    }
  }
}

TEST(EmulatedKernels, ReverseBlocksWithBugs) {
  const std::string text = reverseWith(64);
  struct Bug {
    const char *from, *to, *sentence;
  };
  for (const Bug &bug : std::initializer_list<Bug>{
           {"device.barrier {first}", "",
            "of shared memory, which (nobody has written|thread [0-9]+ (wrote|read) in '(load|store) [0-9]+' with no barrier)"},
           {"device.barrier {second}", "",
            "'(load|store) [0-9]+': (reads|writes) byte [0-9]+ of shared memory, which thread [0-9]+ (wrote|read) in "
            "'(load|store) [0-9]+' with no barrier between"},
           {"device.barrier {second}", "scf.if %first { device.barrier }",
            "wait for ever, the first of them thread [0-9]+ at 'barrier [0-9]+'; the others do not come there|(wrote|read) in "
            "'(load|store) [0-9]+' "
            "with no barrier between"},
           {"%other = device.shuffle %value, 1 : f32",
            "%other = scf.if %first -> f32 { %0 = device.shuffle %value, 1 : f32\n scf.yield %0 : f32 } else { scf.yield %value : f32 }",
            "wait for ever, the first of them thread 0 at 'shuffle [0-9]+'; the others do not come there"},
           {"device.store %mine, %shared[%t] : f32, !device.memory<shared, f32>[i32]",
            "scf.if %first { device.store %mine, %shared[%t] : f32, !device.memory<shared, f32>[i32] }",
            "'load [0-9]+': reads byte [0-9]+ of shared memory, which nobody has written"},
           {"device.load %from[%t] : !device.memory<global, f32>[i32] -> f32",
            "device.load %from[%offset] : !device.memory<global, f32>[i64] -> f32",
            "block 1, thread [0-9]+, 'load [0-9]+': reads 4 bytes 512 bytes from the beginning of operand 0, which has 512"},
           {"shared_bytes = 4096", "shared_bytes = 128",
            "'store [0-9]+': writes 4 bytes [0-9]+ bytes from the beginning of shared memory, which has 128"},
       })
    for (uint64_t seed = 0; seed < 3; ++seed) {
      // One mapping, so that memory beyond an operand is nobody's.
      Array<float> memory(1024);
      auto part = [&](size_t first, size_t count, bool written) {
        return Operand{reinterpret_cast<std::byte *>(memory.memory + first), count * 4, written};
      };
      TextKernel kernel(with(text, bug.from, bug.to));
      EXPECT_THAT(kernel.run({part(0, 128, false), part(512, 128, true), part(960, 1, true)}, 2, seed),
                  testing::ContainsRegex(bug.sentence))
          << bug.from;
    }
}

TEST(EmulatedKernels, MoveVectorsOfEverySize) {
  constexpr const char *kMove = R"(
    device.kernel @k(%x: !device.memory<global, E>, %y: !device.memory<global, E>, %images: i32)
        attributes {threads = 64 : i64, shared_bytes = 1024 : i64} {
      %lanes = arith.constant LANES : i32
      %t = device.thread_id
      %at = arith.muli %t, %lanes : i32
      %shared = device.shared 0 : !device.memory<shared, E>
      %value = device.load %x[%at] : !device.memory<global, E>[i32] -> VALUE
      device.store %value, %shared[%at] : VALUE, !device.memory<shared, E>[i32]
      device.barrier
      %again = device.load %shared[%at] : !device.memory<shared, E>[i32] -> VALUE
      device.store %again, %y[%at] : VALUE, !device.memory<global, E>[i32]
      device.return
    }
  )";
  for (auto [element, bytes] : {std::pair("f32", 4), std::pair("bf16", 2), std::pair("f16", 2), std::pair("i32", 4), std::pair("i8", 1)})
    for (int lanes = bytes == 1 ? 2 : 1; lanes * bytes <= 16; lanes *= 2) {
      std::string value = lanes == 1 ? element : "vector<" + std::to_string(lanes) + "x" + element + ">";
      std::string text = with(with(kMove, "LANES", std::to_string(lanes)), "VALUE", value);
      size_t size = static_cast<size_t>(64 * lanes * bytes);
      Array<uint8_t> x(size), y(size);
      for (size_t i = 0; i < size; ++i)
        x[i] = static_cast<uint8_t>(i * 3 % 101);
      EXPECT_EQ(TextKernel(with(text, " E>", std::string(" ") + element + ">")).run({x.operand(false), y.operand(true)}, 1, 0), "")
          << value;
      EXPECT_EQ(std::memcmp(x.memory, y.memory, size), 0) << value;
    }
}

} // namespace
