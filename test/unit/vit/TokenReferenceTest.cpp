//===- TokenReferenceTest.cpp - sequences, windows, talking heads ----------------------===//
//
// Part of the vitc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===--------------------------------------------------------------------------------------===//

#include "Operation.h"

#include <gtest/gtest.h>

#include <cmath>

using namespace vitc::test;

namespace {

/// With a static and with a dynamic batch.
class TokenReference : public testing::TestWithParam<bool> {};

std::string number(int64_t value) { return std::to_string(value) + " : i64"; }

TEST_P(TokenReference, ConcatTokens) {
  Tensor x = Tensor::random({2, 1, 3}, 1), y = Tensor::random({2, 4, 3}, 2);
  Operation op(GetParam(), {x, y}, 2);
  Tensor all = op.run("vit.concat_tokens %a0, %a1", "(" + op.type(0) + ", " + op.type(1) + ")", {2, 5, 3});
  expectFormula(all, {2, 5, 3}, [&](const Position &p) { return p[1] == 0 ? x.at({p[0], 0, p[2]}) : y.at({p[0], p[1] - 1, p[2]}); }, 0);
}

/// Windows that fit, that reach beyond the grid on one side and on both, and one larger than it.
TEST_P(TokenReference, WindowsAndBack) {
  for (auto [height, width, size] : {std::tuple(4, 6, 2), {4, 5, 2}, {3, 5, 2}, {2, 3, 4}}) {
    int64_t across = (width + size - 1) / size, windows = (height + size - 1) / size * across, area = size * size;
    Tensor x = Tensor::random({2, height * width, 3}, 1), fill = Tensor::random({3}, 2);
    Operation op(GetParam(), {x, fill});
    std::string attributes =
        " {grid = array<i64: " + std::to_string(height) + ", " + std::to_string(width) + ">, size = " + number(size) + "}";
    Position shape{2, windows * area, 3};
    for (bool filled : {false, true}) {
      Tensor y = op.run("vit.to_windows %a0" + (filled ? " fill(" + op.typed(1) + ")" : "") + attributes, op.type(0), shape);
      expectFormula(
          y, shape,
          [&](const Position &p) {
            int64_t window = p[1] / area, row = window / across * size + p[1] % area / size, column = window % across * size + p[1] % size;
            if (row >= height || column >= width)
              return filled ? fill.at({p[2]}) : 0.0;
            return x.at({p[0], row * width + column, p[2]});
          },
          0);
      Operation back(GetParam(), {y});
      Tensor again = back.run("vit.from_windows %a0" + attributes, back.type(0), x.shape);
      EXPECT_EQ(again.data, x.data);
    }
  }
}

/// Scores of one head within a window of `height` x `width` tokens, then the softmax's weighted sum.
TEST_P(TokenReference, SdpaOfWindowsWithDistances) {
  for (auto [windows, height, width] : {std::tuple(1, 2, 3), {3, 2, 2}, {2, 1, 3}}) {
    constexpr int64_t heads = 2, d = 3, all = heads * d;
    int64_t tokens = height * width;
    Tensor qkv = Tensor::random({2, windows * tokens, 3 * all}, 1);
    Tensor rows = Tensor::random({d, 2 * height - 1}, 2), columns = Tensor::random({d, 2 * width - 1}, 3);
    Operation op(GetParam(), {qkv, rows, columns});
    Tensor y = op.run("vit.sdpa %a0 decomposed(" + op.typed(1) + ", %a2 : " + op.type(2) +
                          ") {heads = 2 : i64, scale = 0.75 : f32, windows = " + number(windows) + "}",
                      op.type(0), {2, windows * tokens, all});
    expectFormula(y, {2, windows * tokens, all}, [&](const Position &p) {
      int64_t first = p[1] / tokens * tokens, query = p[1] % tokens, head = p[2] / d;
      double sum = 0, value = 0;
      for (int64_t key = 0; key < tokens; ++key) {
        double score = 0;
        for (int64_t e = 0; e < d; ++e)
          score += qkv.at({p[0], p[1], head * d + e}) *
                   (0.75 * qkv.at({p[0], first + key, all + head * d + e}) + rows.at({e, key / width - query / width + height - 1}) +
                    columns.at({e, key % width - query % width + width - 1}));
        sum += std::exp(score);
        value += std::exp(score) * qkv.at({p[0], first + key, 2 * all + p[2]});
      }
      return value / sum;
    });
  }
}

TEST_P(TokenReference, TalkingHeads) {
  constexpr int64_t heads = 3, d = 4, all = heads * d;
  for (int64_t tokens : {1, 5}) {
    Tensor qkv = Tensor::random({2, tokens, 3 * all}, 1), before = Tensor::random({heads, heads}, 2),
           beforeBias = Tensor::random({heads}, 3);
    Tensor after = Tensor::random({heads, heads}, 4), afterBias = Tensor::random({heads}, 5);
    Operation op(GetParam(), {qkv, before, beforeBias, after, afterBias});
    Tensor y = op.run("vit.talking_heads %a0 before(%a1 : " + op.type(1) + ", " + op.typed(2) + ") after(%a3 : " + op.type(3) + ", " +
                          op.typed(4) + ") {heads = 3 : i64, scale = 0.75 : f32}",
                      op.type(0), {2, tokens, all});
    auto share = [&](int64_t image, int64_t head, int64_t query, int64_t of) {
      double sum = 0, share = 0;
      for (int64_t key = 0; key < tokens; ++key) {
        double mixed = beforeBias.at({head});
        for (int64_t j = 0; j < heads; ++j)
          for (int64_t e = 0; e < d; ++e)
            mixed += 0.75 * before.at({head, j}) * qkv.at({image, query, j * d + e}) * qkv.at({image, key, all + j * d + e});
        sum += std::exp(mixed);
        if (key == of)
          share = std::exp(mixed);
      }
      return share / sum;
    };
    expectFormula(y, {2, tokens, all}, [&](const Position &p) {
      int64_t head = p[2] / d;
      double value = 0;
      for (int64_t key = 0; key < tokens; ++key) {
        double weight = afterBias.at({head});
        for (int64_t j = 0; j < heads; ++j)
          weight += after.at({head, j}) * share(p[0], j, p[1], key);
        value += weight * qkv.at({p[0], key, 2 * all + p[2]});
      }
      return value;
    });
  }
}

/// Queries of each image's own.
TEST_P(TokenReference, AttentionPoolOfTokens) {
  constexpr int64_t queries = 2, tokens = 5, heads = 2, d = 3, all = heads * d;
  Tensor query = Tensor::random({2, queries, all}, 1), kv = Tensor::random({2, tokens, 2 * all}, 2);
  Operation op(GetParam(), {query, kv}, 2);
  Tensor y = op.run("vit.attention_pool %a0, %a1 {heads = 2 : i64, scale = 0.75 : f32}", op.type(0) + ", " + op.type(1), {2, queries, all});
  expectFormula(y, {2, queries, all}, [&](const Position &p) {
    int64_t head = p[2] / d;
    double sum = 0, value = 0;
    for (int64_t key = 0; key < tokens; ++key) {
      double score = 0;
      for (int64_t e = 0; e < d; ++e)
        score += 0.75 * query.at({p[0], p[1], head * d + e}) * kv.at({p[0], key, head * d + e});
      sum += std::exp(score);
      value += std::exp(score) * kv.at({p[0], key, all + p[2]});
    }
    return value / sum;
  });
}

INSTANTIATE_TEST_SUITE_P(Batch, TokenReference, testing::Bool(), [](const auto &info) { return info.param ? "Dynamic" : "Static"; });

} // namespace
