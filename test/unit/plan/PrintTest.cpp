//===- PrintTest.cpp - a plan for people --------------------------------------------------===//
//
// Part of the vitc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===--------------------------------------------------------------------------------------===//

#include "TwoLaunches.h"

#include "llvm/Support/raw_ostream.h"

#include <gmock/gmock.h>

using namespace vitc::plan;
using namespace vitc::test;
using testing::ContainsRegex;
using testing::HasSubstr;

namespace {

TEST(Print, TellsLaunchesKernelsAndBuffers) {
  std::string text;
  llvm::raw_string_ostream os(text);
  print(twoLaunches(), os);
  EXPECT_THAT(text, HasSubstr("program @infer: 2 launches of 1 kernels, arena 128 bytes an image, groups of 4\n"));
  // 5 rows an image in blocks of 2, times 3 column blocks.
  EXPECT_THAT(text, ContainsRegex("\n +0  patch_embed +k0_gemm +b0, b1 -> b2  tasks 9  mflop 2\\.500\n"));
  EXPECT_THAT(text, ContainsRegex("\n +1  head +k0_gemm +b2, b1 -> b3  tasks 9\n"));
  EXPECT_THAT(text, ContainsRegex("\n  k0_gemm +gemm +scratch 128  rows 6\n"));
  EXPECT_THAT(text, ContainsRegex("\n  b0 +input +images +192  bytes 768\n"));
  EXPECT_THAT(text, ContainsRegex("\n  b1 +weight +weight +64  bytes 256\n"));
  EXPECT_THAT(text, ContainsRegex("\n  b2 +arena +hidden +20  bytes 80  at 0  alive 0\\.\\.1\n"));
  EXPECT_THAT(text, ContainsRegex("\n  b3 +output +logits +10  bytes 40\n"));
}

TEST(Kernel, TasksCoverTheRowsOfAllImages) {
  Kernel kernel{"k", "gemm", "", 0, 5, 2, 3};
  EXPECT_EQ(kernel.tasks(0), 0);
  EXPECT_EQ(kernel.tasks(1), 9);
  EXPECT_EQ(kernel.tasks(2), 15); // 10 rows: no half block between the images
}

} // namespace
