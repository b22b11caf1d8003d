//===- ReferenceKernelsTest.cpp - who computes what of a reference lowering ----*- C++ -*-===//
//
// Part of the vitc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Reference lowerings that several blocks share, that warps reduce, and that a block has to itself, beside the CPU's.
//
//===--------------------------------------------------------------------------------------===//

#include "DeviceHarness.h"

#include "compiler/codegen/cpu/IndependentElements.h"

#include "mlir/Dialect/Linalg/IR/Linalg.h"
#include "mlir/Dialect/MemRef/IR/MemRef.h"
#include "mlir/Parser/Parser.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>

using namespace vitc::test;

namespace {

constexpr int64_t kImages = 3;

struct Case {
  std::string name;
  std::vector<std::string> operands; ///< shapes, "?x5x7" of an activation
  std::string result;
  std::string body; ///< makes %y of %a, %b, ..
  int64_t blocks, threads;

  static std::string type(const std::string &shape, const char *batch) {
    return "tensor<" + (shape.front() == '?' ? batch + shape.substr(1) : shape) + "xf32>";
  }
  std::string text() const {
    std::string parameters, names, outer, inner;
    for (size_t i = 0; i < operands.size(); ++i) {
      const std::string letter(1, static_cast<char>('a' + i)), comma = i ? ", " : "";
      parameters += comma + "%o" + letter + ": " + type(operands[i], "?");
      names += comma + "%o" + letter;
      outer += comma + type(operands[i], "?");
      inner += comma + "%" + letter + ": " + type(operands[i], "1");
    }
    return "func.func @f(" + parameters + ") {\n  %r = kernel.reference " + names + " : (" + outer + ") -> " + type(result, "?") +
           " {\n  ^bb0(" + inner + "):\n    " + body + "\n    kernel.yield %y : " + type(result, "1") + "\n  }\n  return\n}";
  }
  static size_t elements(const std::string &shape) {
    size_t count = shape.front() == '?' ? kImages : 1, at = shape.front() == '?' ? 2 : 0;
    for (size_t end = at; end != std::string::npos; at = end + 1) {
      end = shape.find('x', at);
      count *= std::stoul(shape.substr(at, end - at));
    }
    return count;
  }
};

std::ostream &operator<<(std::ostream &os, const Case &c) { return os << c.name; }

class ReferenceKernels : public testing::TestWithParam<Case> {};

TEST_P(ReferenceKernels, AgreeWithTheCpu) {
  const Case &c = GetParam();
  std::optional<DeviceKernel> device = compileDeviceLaunch(c.text());
  std::optional<Kernel> host = compileLaunch(c.text(), runnableLevels().front().target);
  ASSERT_TRUE(device && host);
  EXPECT_EQ(device->blocks(kImages), c.blocks * kImages);
  EXPECT_EQ(device->info.threads, c.threads);
  std::vector<std::vector<float>> operands;
  for (const std::string &shape : c.operands)
    operands.push_back(randomFloats(Case::elements(shape), 7 + operands.size()));
  const size_t words = Case::elements(c.result);
  const std::vector<float> expected = runGuarded(*host, operands, words, kImages);
  for (uint64_t seed : {0, 5}) {
    const std::vector<float> actual = device->run(operands, {words}, kImages, seed).front();
    ASSERT_EQ(actual.size(), expected.size());
    for (size_t i = 0; i < words; ++i)
      ASSERT_NEAR(actual[i], expected[i], 2e-6 * std::max(1.0f, std::abs(expected[i]))) << i;
  }
}

const char *const kEmbed = "%y = vit.embed %a prefix(%b : tensor<2x40xf32>) position(%c : tensor<63x40xf32>) : tensor<1x61x40xf32> -> "
                           "tensor<1x63x40xf32>";
const char *const kSliceGradient =
    R"(%y = vit.pullback(%a) of(%b) {wrt = array<i64: 0>} : (tensor<1x61x40xf32>, tensor<1x3x40xf32>) -> tensor<1x61x40xf32> {
    ^bb0(%x: tensor<1x61x40xf32>):
      %s = vit.slice_tokens %x {first = 7 : i64} : tensor<1x61x40xf32> -> tensor<1x3x40xf32>
      vit.yield %s : tensor<1x3x40xf32>
    })";
const char *const kRotary = "%y = vit.rotary %a sin(%b : tensor<39x8xf32>) cos(%c : tensor<39x8xf32>) "
                            "{heads = 2 : i64, prefix = 2 : i64, layout = #vit.rotary_layout<halves>} : tensor<1x41x48xf32>";
// Of a grid of 5 x 7: two windows that are whole, and what is left at both ends.
const char *const kWindows =
    "%y = vit.to_windows %a fill(%b : tensor<96xf32>) {grid = array<i64: 5, 7>, size = 3 : i64} : tensor<1x35x96xf32> -> "
    "tensor<1x54x96xf32>";

INSTANTIATE_TEST_SUITE_P(
    Bodies, ReferenceKernels,
    testing::Values(
        // Blocks that share an image: of one walk, of two that write beside each other, and in another shape than is computed.
        Case{"rows",
             {"?x61x40"},
             "?x50x40",
             "%y = vit.slice_tokens %a {first = 3 : i64} : tensor<1x61x40xf32> -> tensor<1x50x40xf32>",
             3,
             128},
        Case{"embed", {"?x61x40", "2x40", "63x40"}, "?x63x40", kEmbed, 4, 128},
        Case{"slice_gradient", {"?x61x40", "?x3x40"}, "?x61x40", kSliceGradient, 3, 128},
        Case{"patches",
             {"?x3x24x32"},
             "?x12x192",
             "%y = vit.unfold_patches %a {patch = array<i64: 8, 8>} : tensor<1x3x24x32xf32> -> tensor<1x12x192xf32>",
             4,
             128},
        Case{"rotary", {"?x41x48", "39x8", "39x8"}, "?x41x48", kRotary, 2, 128},
        Case{"windows", {"?x35x96", "96"}, "?x54x96", kWindows, 3, 128},
        // Reductions by warps, with sums and maxima, of lengths that are no multiple of 32.
        Case{"mean",
             {"?x61x40"},
             "?x40",
             "%y = vit.pool %a {kind = #vit.pool<avg>, index = 1 : i64} : tensor<1x61x40xf32> -> tensor<1x40xf32>",
             2,
             128},
        Case{"cross_entropy",
             {"?x1003", "?x1003"},
             "?x1",
             "%y = vit.cross_entropy %a, %b : tensor<1x1003xf32>, tensor<1x1003xf32> -> tensor<1x1xf32>",
             1,
             128},
        Case{"cross_entropy_gradient",
             {"?x1003", "?x1003", "?x1"},
             "?x1003",
             "%y = vit.cross_entropy_grad %a, %b, %c : tensor<1x1003xf32>, tensor<1x1xf32>",
             1,
             256},
        // Walks that wait for each other, of a large image.
        Case{"attention",
             {"?x70x96"},
             "?x70x32",
             "%y = vit.sdpa %a {heads = 2 : i64, scale = 0.25 : f32} : tensor<1x70x96xf32> -> tensor<1x70x32xf32>",
             1,
             512}),
    [](const auto &info) { return info.param.name; });

//===--------------------------------------------------------------------------------------===//
// Whose elements are independent
//===--------------------------------------------------------------------------------------===//

/// Of a function of %a, %b and %r, 4 x 6 numbers each, %c of 6, and a number %x.
bool areIndependent(const std::string &body, const vitc::cpu::ReductionTeam *team = nullptr) {
  mlir::MLIRContext context;
  context.loadDialect<mlir::func::FuncDialect, mlir::linalg::LinalgDialect, mlir::memref::MemRefDialect>();
  const std::string text =
      "func.func @f(%a: memref<4x6xf32>, %b: memref<4x6xf32>, %c: memref<6xf32>, %x: f32, %r: memref<4x6xf32>) {\n" + body + "\nreturn\n}";
  mlir::OwningOpRef<mlir::ModuleOp> module = mlir::parseSourceString<mlir::ModuleOp>(text, &context);
  EXPECT_TRUE(module) << text;
  return module && vitc::cpu::elementsAreIndependent(*module->getOps<mlir::func::FuncOp>().begin(), team);
}

std::string rows(const std::string &name, const std::string &of, int first, int count) {
  return "%" + name + " = memref.subview %" + of + "[" + std::to_string(first) + ", 0] [" + std::to_string(count) +
         ", 6] [1, 1] : memref<4x6xf32> to " + "memref<" + std::to_string(count) +
         "x6xf32, strided<[6, 1], offset: " + std::to_string(6 * first) + ">>\n";
}
std::string copyOf(int count, int from, int to) {
  auto type = [&](int first) {
    return "memref<" + std::to_string(count) + "x6xf32, strided<[6, 1], offset: " + std::to_string(6 * first) + ">>";
  };
  return "memref.copy %from, %to : " + type(from) + " to " + type(to) + "\n";
}

const std::string kAdd = "linalg.add ins(%a, %r : memref<4x6xf32>, memref<4x6xf32>) outs(%r : memref<4x6xf32>)\n";
const std::string kCopy = "memref.copy %b, %r : memref<4x6xf32> to memref<4x6xf32>\n";

TEST(IndependentElements, AreThoseThatReadTheirOwnAlone) {
  EXPECT_TRUE(areIndependent(kCopy));
  EXPECT_TRUE(areIndependent(kCopy + kAdd));
  // The transpose of what another walk has written.
  EXPECT_FALSE(areIndependent(
      "%s = memref.subview %r[0, 0] [4, 4] [1, 1] : memref<4x6xf32> to memref<4x4xf32, strided<[6, 1]>>\n"
      "%t = memref.subview %b[0, 0] [4, 4] [1, 1] : memref<4x6xf32> to memref<4x4xf32, strided<[6, 1]>>\n" +
      kCopy +
      "linalg.transpose ins(%s : memref<4x4xf32, strided<[6, 1]>>) outs(%t : memref<4x4xf32, strided<[6, 1]>>) permutation = [1, 0]\n"));
  // A row of it for all.
  EXPECT_FALSE(areIndependent("linalg.fill ins(%x : f32) outs(%c : memref<6xf32>)\nlinalg.broadcast ins(%c : memref<6xf32>) outs(%r : "
                              "memref<4x6xf32>) dimensions = [0]\n"));
}

TEST(IndependentElements, AreWrittenOnceOrByTheSamePosition) {
  EXPECT_TRUE(areIndependent(rows("to", "r", 0, 1) + rows("from", "a", 2, 1) + copyOf(1, 2, 0) + rows("rest", "r", 1, 3) +
                             "linalg.fill ins(%x : f32) outs(%rest : memref<3x6xf32, strided<[6, 1], offset: 6>>)\n"));
  // The fill has a row that the copy has too, which position 6 of one and 0 of the other write.
  EXPECT_FALSE(areIndependent(rows("to", "r", 1, 1) + rows("from", "a", 2, 1) + "linalg.fill ins(%x : f32) outs(%r : memref<4x6xf32>)\n" +
                              copyOf(1, 2, 1)));
}

/// Has every reduction together.
class Pairs : public vitc::cpu::ReductionTeam {
public:
  int64_t lanes(int64_t, int64_t) const override { return 2; }
  void walk(mlir::ImplicitLocOpBuilder &, llvm::ArrayRef<int64_t>, int64_t,
            llvm::function_ref<void(mlir::ValueRange, mlir::Value)>) const override {}
  mlir::Value meet(mlir::ImplicitLocOpBuilder &, mlir::Value own, int64_t,
                   llvm::function_ref<mlir::Value(mlir::Value, mlir::Value)>) const override {
    return own;
  }
  void byFirst(mlir::ImplicitLocOpBuilder &, mlir::Value, llvm::function_ref<void()>) const override {}
};

TEST(IndependentElements, AreNotThoseThatATeamAndOneThreadHave) {
  const std::string sums = "linalg.reduce { arith.addf } ins(%a : memref<4x6xf32>) outs(%c : memref<6xf32>) dimensions = [0]\n",
                    fill = "linalg.fill ins(%x : f32) outs(%c : memref<6xf32>)\n";
  const Pairs pairs;
  EXPECT_TRUE(areIndependent(sums, &pairs));
  EXPECT_TRUE(areIndependent(fill + sums));
  EXPECT_FALSE(areIndependent(fill + sums, &pairs));
}

TEST(IndependentElements, AreNoneWhereThereAreTemporaries) {
  EXPECT_FALSE(areIndependent("%t = memref.alloc() : memref<4x6xf32>\nmemref.copy %a, %t : memref<4x6xf32> to memref<4x6xf32>\n"));
}

} // namespace
