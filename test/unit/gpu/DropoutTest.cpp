//===- DropoutTest.cpp - what a GPU leaves out at random ----------------------*- C++ -*-===//
//
// Part of the vitc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===--------------------------------------------------------------------------------------===//

#include "DeviceHarness.h"

#include "runtime/data/Philox.h"

#include <gtest/gtest.h>

#include <bit>
#include <string>

using namespace vitc::test;

namespace {

constexpr int64_t kImages = 3;
constexpr uint64_t kSeed = 0x9e3779b97f4a7c15;
constexpr uint32_t kStep = 41, kFirstImage = 1000, kStream = 6;

struct Case {
  int64_t rows, width;
  float rate;
  bool perImage;

  int64_t elements() const { return rows * width; }

  std::string text() const {
    const std::string shape = "x" + std::to_string(rows) + "x" + std::to_string(width) + "xf32>";
    const std::string inner = "tensor<1" + shape, outer = "tensor<?" + shape;
    return "func.func @f(%x: " + outer + ", %k: tensor<?x4xf32>) {\n" +                                                               //
           "  %r = kernel.reference %x, %k : (" + outer + ", tensor<?x4xf32>) -> " + outer + " {\n" +                                 //
           "  ^bb0(%a: " + inner + ", %b: tensor<1x4xf32>):\n" +                                                                      //
           "    %y = vit.dropout %a, %b {rate = " + std::to_string(rate) + " : f32, stream = " + std::to_string(kStream) + " : i64" + //
           (perImage ? ", per_image" : "") + "} : " + inner + ", tensor<1x4xf32>\n" +                                                 //
           "    kernel.yield %y : " + inner + "\n  }\n  return\n}";
  }
};

std::ostream &operator<<(std::ostream &os, const Case &c) {
  return os << c.rows << "x" << c.width << (c.perImage ? " images" : " elements") << " rate " << c.rate;
}

class Dropout : public testing::TestWithParam<Case> {};

/// The same elements as of a CPU's kernel, and as Philox says: no bit of them depends on who draws it.
TEST_P(Dropout, LeavesOutWhatTheCpuDoes) {
  const Case &c = GetParam();
  std::optional<DeviceKernel> device = compileDeviceLaunch(c.text());
  std::optional<Kernel> host = compileLaunch(c.text(), runnableLevels().front().target);
  ASSERT_TRUE(device && host);
  std::vector<float> ones(static_cast<size_t>(kImages * c.elements()), 1.0f), keys;
  for (uint32_t image = 0; image < kImages; ++image)
    for (uint32_t word : {kFirstImage + image, uint32_t(kSeed), kStep, uint32_t(kSeed >> 32)})
      keys.push_back(std::bit_cast<float>(word));
  const std::vector<float> ofDevice = device->run({ones, keys}, {ones.size()}, kImages, /*seed=*/11).front(),
                           ofHost = runGuarded(*host, {ones, keys}, ones.size(), kImages);
  EXPECT_EQ(ofDevice, ofHost);
  size_t left = 0;
  for (size_t i = 0; i < ones.size(); ++i) {
    const auto image = static_cast<uint32_t>(i / static_cast<size_t>(c.elements())),
               element = c.perImage ? 0 : static_cast<uint32_t>(i % static_cast<size_t>(c.elements()));
    const uint32_t drawn = vitrt::philox({element, kStream, kStep, kFirstImage + image}, {uint32_t(kSeed), uint32_t(kSeed >> 32)})[0];
    const bool kept = drawn >= static_cast<uint32_t>(static_cast<double>(c.rate) * 0x1p32);
    ASSERT_EQ(ofDevice[i] != 0, kept) << i;
    left += !kept;
  }
  if (!c.perImage)
    EXPECT_TRUE(left > 0 && left < ones.size()) << left;
}

INSTANTIATE_TEST_SUITE_P(Sizes, Dropout,
                         testing::Values(Case{5, 7, 0.1f, false}, Case{197, 33, 0.5f, false}, Case{1, 1000, 0.25f, false},
                                         Case{17, 64, 0.999f, false}, Case{5, 24, 0.5f, true}, Case{197, 3, 0.3f, true}),
                         [](const auto &info) { return parameterName(testing::PrintToString(info.param)); });

} // namespace
