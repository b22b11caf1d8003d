//===- ReferenceTest.cpp - reference lowerings against formulas in double precision -------===//
//
// Part of the vitc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// The oracle of every fused kernel is itself checked here, with a dynamic and a static batch, one token and several, widths that divide
// nothing.
//
//===--------------------------------------------------------------------------------------===//

#include "Formulas.h"
#include "Operation.h"

#include <gtest/gtest.h>

#include <cmath>

using namespace vitc::test;

namespace {

/// With a dynamic batch and with a static one.
struct Reference : testing::TestWithParam<bool> {};

TEST_P(Reference, PatchifyDropsWhatFillsNoPatch) {
  for (bool bias : {false, true}) {
    Tensor images = Tensor::random({2, 3, 9, 8}, 1), kernel = Tensor::random({5, 3, 4, 3}, 2), b = Tensor::random({5}, 3);
    Operation op(GetParam(), {images, kernel, b});
    Tensor y = op.run(std::string("vit.patchify %a0, %a1") + (bias ? " bias(" + op.typed(2) + ")" : ""), op.type(0) + ", " + op.type(1),
                      {2, 4, 5});
    expectFormula(y, {2, 4, 5}, [&](const Position &p) {
      double sum = bias ? b.at({p[2]}) : 0.0;
      for (int64_t c = 0; c < 3; ++c)
        for (int64_t i = 0; i < 4; ++i)
          for (int64_t j = 0; j < 3; ++j)
            sum += images.at({p[0], c, p[1] / 2 * 4 + i, p[1] % 2 * 3 + j}) * kernel.at({p[2], c, i, j});
      return sum;
    });
  }
}

TEST_P(Reference, EmbedAddsPositionsToAllTokensOrToPatches) {
  Tensor patches = Tensor::random({2, 4, 5}, 1), cls = Tensor::random({1, 5}, 2), registers = Tensor::random({2, 5}, 3);
  Tensor all = Tensor::random({7, 5}, 4), some = Tensor::random({4, 5}, 5);
  Operation op(GetParam(), {patches, cls, registers, all, some});
  std::string prefix = "vit.embed %a0 prefix(%a1, %a2 : " + op.type(1) + ", " + op.type(2) + ")";
  auto token = [&](const Position &p) {
    return p[1] == 0 ? cls.at({0, p[2]}) : p[1] < 3 ? registers.at({p[1] - 1, p[2]}) : patches.at({p[0], p[1] - 3, p[2]});
  };
  expectFormula(op.run(prefix, op.type(0), {2, 7, 5}), {2, 7, 5}, token);
  expectFormula(op.run(prefix + " position(" + op.typed(3) + ")", op.type(0), {2, 7, 5}), {2, 7, 5},
                [&](const Position &p) { return token(p) + all.at({p[1], p[2]}); });
  expectFormula(op.run(prefix + " position(" + op.typed(4) + ") {patches_only}", op.type(0), {2, 7, 5}), {2, 7, 5},
                [&](const Position &p) { return token(p) + (p[1] < 3 ? 0.0 : some.at({p[1] - 3, p[2]})); });
  expectFormula(op.run("vit.embed %a0 position(" + op.typed(4) + ")", op.type(0), {2, 4, 5}), {2, 4, 5},
                [&](const Position &p) { return patches.at({p[0], p[1], p[2]}) + some.at({p[1], p[2]}); });
}

TEST_P(Reference, Normalize) {
  for (auto [tokens, width] : {std::pair(1, 1), {5, 7}, {1, 13}}) {
    Tensor x = Tensor::random({2, tokens, width}, 1), gain = Tensor::random({width}, 2), shift = Tensor::random({width}, 3);
    Operation op(GetParam(), {x, gain, shift});
    std::string gained = "vit.normalize %a0 gain(" + op.typed(1) + ")", both = gained + " shift(" + op.typed(2) + ")";
    expectRows(op.run(both + " {eps = 1.0e-3 : f32}", op.type(0), x.shape, false), layerNorm(Rows(x), &gain, &shift, 1e-3));
    expectRows(op.run("vit.normalize %a0 {eps = 1.0e-3 : f32}", op.type(0), x.shape, false), layerNorm(Rows(x), nullptr, nullptr, 1e-3));
    expectRows(op.run(gained + " {eps = 1.0e-3 : f32, kind = #vit.norm<rms>}", op.type(0), x.shape, false), rmsNorm(Rows(x), &gain, 1e-3));
  }
}

// With a mean of 1000 and a deviation of 0.5, E[x^2] - E[x]^2 has no correct digit in f32.
TEST_P(Reference, NormalizeKeepsASmallVarianceBesideALargeMean) {
  Tensor x = Tensor::random({2, 3, 33}, 1);
  for (float &value : x.data)
    value += 1000.0f;
  Operation op(GetParam(), {x});
  expectRows(op.run("vit.normalize %a0 {eps = 1.0e-6 : f32}", op.type(0), x.shape, false), layerNorm(Rows(x), nullptr, nullptr, 1e-6),
             5e-4);
}

TEST_P(Reference, NormalizeInGroups) {
  Tensor x = Tensor::random({2, 3, 12}, 1), gain = Tensor::random({12}, 2), shift = Tensor::random({12}, 3);
  Operation op(GetParam(), {x, gain, shift});
  Tensor y = op.run("vit.normalize %a0 gain(" + op.typed(1) + ") shift(" + op.typed(2) + ") {eps = 1.0e-3 : f32, groups = 3 : i64}",
                    op.type(0), x.shape, false);
  expectFormula(y, x.shape, [&](const Position &p) {
    int64_t first = p[2] / 4 * 4;
    double mean = 0, variance = 0;
    for (int64_t i = first; i < first + 4; ++i)
      mean += double(x.at({p[0], p[1], i})) / 4;
    for (int64_t i = first; i < first + 4; ++i)
      variance += std::pow(double(x.at({p[0], p[1], i})) - mean, 2) / 4;
    return (double(x.at({p[0], p[1], p[2]})) - mean) / std::sqrt(variance + 1e-3) * double(gain.at({p[2]})) + double(shift.at({p[2]}));
  });
}

TEST_P(Reference, SliceAndReshapeOfTokens) {
  Tensor x = Tensor::random({2, 6, 5}, 1);
  Operation op(GetParam(), {x});
  expectFormula(op.run("vit.slice_tokens %a0 {first = 1 : i64}", op.type(0), {2, 3, 5}), {2, 3, 5},
                [&](const Position &p) { return double(x.at({p[0], p[1] + 1, p[2]})); });
  expectFormula(op.run("vit.reshape_tokens %a0", op.type(0), {2, 2, 3, 5}), {2, 2, 3, 5},
                [&](const Position &p) { return double(x.at({p[0], p[1] * 3 + p[2], p[3]})); });
}

TEST_P(Reference, LinearWithItsEpilogue) {
  for (int64_t tokens : {1, 5}) {
    Tensor x = Tensor::random({2, tokens, 7}, 1), residual = Tensor::random({2, tokens, 11}, 2);
    Tensor weight = Tensor::random({11, 7}, 3), bias = Tensor::random({11}, 4);
    Operation op(GetParam(), {x, residual, weight, bias}, 2);
    std::string types = op.type(0) + ", " + op.type(2);
    expectRows(op.run("vit.linear %a0, %a2", types, residual.shape), linear(Rows(x), weight, nullptr));
    Rows expected = apply(linear(Rows(x), weight, &bias), geluErf);
    for (size_t i = 0; i < expected.data.size(); ++i)
      expected.data[i] += residual.data[i];
    expectRows(
        op.run("vit.linear %a0, %a2 bias(" + op.typed(3) + ") residual(" + op.typed(1) + ") {activation = #vit.activation<gelu_erf>}",
               types, residual.shape),
        expected);
  }
}

TEST_P(Reference, LinearOfPooledRows) {
  Tensor x = Tensor::random({2, 7}, 1), weight = Tensor::random({3, 7}, 2);
  Operation op(GetParam(), {x, weight});
  expectFormula(op.run("vit.linear %a0, %a1", op.type(0) + ", " + op.type(1), {2, 3}), {2, 3}, [&](const Position &p) {
    double sum = 0;
    for (int64_t k = 0; k < 7; ++k)
      sum += x.at({p[0], k}) * weight.at({p[1], k});
    return sum;
  });
}

TEST_P(Reference, Activations) {
  Tensor x({2, 1, 61});
  for (size_t i = 0; i < x.data.size(); ++i)
    x.data[i] = (static_cast<float>(i) - 60.5f) * 0.75f;
  Operation op(GetParam(), {x});
  const std::pair<const char *, Function> kinds[] = {
      {"relu", relu}, {"gelu_erf", geluErf}, {"gelu_tanh", geluTanh}, {"quick_gelu", quickGelu},
      {"silu", silu}, {"tanh", std::tanh},   {"sigmoid", sigmoid}};
  for (auto [name, function] : kinds) {
    SCOPED_TRACE(name);
    expectRows(op.run(std::string("vit.activation %a0 {kind = #vit.activation<") + name + ">}", op.type(0), x.shape, false),
               apply(Rows(x), function));
  }
}

TEST_P(Reference, MulAndResidual) {
  Tensor a = Tensor::random({2, 5, 7}, 1), b = Tensor::random({2, 5, 7}, 2), gamma = Tensor::random({7}, 3);
  Operation op(GetParam(), {a, b, gamma}, 2);
  expectRows(op.run("vit.mul %a0, %a1", op.type(0), a.shape, false), multiply(Rows(a), Rows(b)));
  expectFormula(op.run("vit.residual %a0, %a1", op.type(0), a.shape, false), a.shape,
                [&](const Position &p) { return a.at({p[0], p[1], p[2]}) + b.at({p[0], p[1], p[2]}); });
  expectFormula(op.run("vit.residual %a0, %a1 gamma(" + op.typed(2) + ")", op.type(0), a.shape, false), a.shape,
                [&](const Position &p) { return a.at({p[0], p[1], p[2]}) + gamma.at({p[2]}) * b.at({p[0], p[1], p[2]}); });
}

TEST_P(Reference, Pool) {
  Tensor x = Tensor::random({2, 5, 7}, 1);
  Operation op(GetParam(), {x});
  for (int64_t index : {0, 2, 4}) {
    std::string at = ", index = " + std::to_string(index) + " : i64}";
    expectFormula(op.run("vit.pool %a0 {kind = #vit.pool<token>" + at, op.type(0), {2, 7}), {2, 7},
                  [&](const Position &p) { return x.at({p[0], index, p[1]}); });
    expectFormula(op.run("vit.pool %a0 {kind = #vit.pool<avg>" + at, op.type(0), {2, 7}), {2, 7}, [&](const Position &p) {
      double sum = 0;
      for (int64_t t = index; t < 5; ++t)
        sum += x.at({p[0], t, p[1]});
      return sum / (5 - index);
    });
  }
}

TEST_P(Reference, Sdpa) {
  for (auto [tokens, heads, width] : {std::tuple(1, 1, 1), {1, 3, 5}, {5, 1, 4}, {5, 3, 7}}) {
    Tensor qkv = Tensor::random({2, tokens, 3 * heads * width}, 1), bias = Tensor::random({heads, tokens, tokens}, 2);
    Operation op(GetParam(), {qkv, bias});
    std::string attributes = " {heads = " + std::to_string(heads) + " : i64, scale = 0.75 : f32}";
    Position result{2, tokens, heads * width};
    expectRows(op.run("vit.sdpa %a0" + attributes, op.type(0), result), attend(Rows(qkv), heads, 0.75, nullptr));
    expectRows(op.run("vit.sdpa %a0 bias(" + op.typed(1) + ")" + attributes, op.type(0), result), attend(Rows(qkv), heads, 0.75, &bias));
  }
}

TEST_P(Reference, SdpaOfSomeQueries) {
  for (int64_t first : {0, 2}) {
    const int64_t tokens = 6, heads = 2, width = 3, inner = heads * width, count = 3;
    Tensor qkv = Tensor::random({2, tokens, 3 * inner}, 1), bias = Tensor::random({heads, tokens, tokens}, 2);
    Tensor query({2, count, inner}), kv({2, tokens, 2 * inner}), biasRows({heads, count, tokens});
    Rows all = attend(Rows(qkv), heads, 0.75, &bias), expected(2, count, inner);
    for (int64_t image = 0; image < 2; ++image)
      for (int64_t t = 0; t < count; ++t)
        for (int64_t i = 0; i < inner; ++i) {
          query.data[(image * count + t) * inner + i] = qkv.at({image, first + t, i});
          expected.at(image, t, i) = all.at(image, first + t, i);
        }
    for (int64_t row = 0; row < 2 * tokens; ++row)
      std::copy_n(qkv.data.begin() + row * 3 * inner + inner, 2 * inner, kv.data.begin() + row * 2 * inner);
    for (int64_t head = 0; head < heads; ++head)
      std::copy_n(bias.data.begin() + (head * tokens + first) * tokens, count * tokens, biasRows.data.begin() + head * count * tokens);

    Operation packed(GetParam(), {qkv, biasRows});
    expectRows(packed.run("vit.sdpa %a0 bias(" + packed.typed(1) +
                              ") {heads = 2 : i64, scale = 0.75 : f32, first_query = " + std::to_string(first) + " : i64}",
                          packed.type(0), {2, count, inner}),
               expected);
    Operation apart(GetParam(), {kv, query, biasRows}, 2);
    expectRows(apart.run("vit.sdpa %a0 query(" + apart.typed(1) + ") bias(" + apart.typed(2) + ") {heads = 2 : i64, scale = 0.75 : f32}",
                         apart.type(0), {2, count, inner}),
               expected);
  }
}

// exp overflows f32 from 89 on; scores of several hundred must still give a softmax.
TEST_P(Reference, SdpaOfLargeScores) {
  Tensor qkv = Tensor::random({2, 5, 12}, 1);
  Operation op(GetParam(), {qkv});
  expectRows(op.run("vit.sdpa %a0 {heads = 1 : i64, scale = 256.0 : f32}", op.type(0), {2, 5, 4}), attend(Rows(qkv), 1, 256.0, nullptr),
             2e-4);
}

TEST_P(Reference, AttentionProbabilities) {
  for (auto [tokens, heads, width] : {std::tuple(1, 1, 1), {1, 3, 5}, {5, 1, 4}, {5, 3, 7}}) {
    Tensor qkv = Tensor::random({2, tokens, 3 * heads * width}, 1), bias = Tensor::random({heads, tokens, tokens}, 2);
    Operation op(GetParam(), {qkv, bias});
    std::string attributes = " {heads = " + std::to_string(heads) + " : i64, scale = 0.75 : f32}";
    Position result{2, heads, tokens, tokens};
    for (const Tensor *added : {static_cast<const Tensor *>(nullptr), static_cast<const Tensor *>(&bias)}) {
      std::string text = "vit.attention_probabilities %a0" + (added ? " bias(" + op.typed(1) + ")" : "") + attributes;
      expectFormula(op.run(text, op.type(0), result), result, [&, heads = heads](const Position &p) {
        return attentionRow(Rows(qkv), heads, 0.75, added, p[0], p[1], p[2])[size_t(p[3])];
      });
    }
  }
}

TEST_P(Reference, HeadNormalize) {
  for (auto [tokens, heads, width] : {std::tuple(1, 1, 3), {5, 3, 7}}) {
    Tensor qkv = Tensor::random({2, tokens, 3 * heads * width}, 1);
    Tensor qGain = Tensor::random({width}, 2), qShift = Tensor::random({width}, 3), kGain = Tensor::random({width}, 4);
    Operation op(GetParam(), {qkv, qGain, qShift, kGain});
    std::string text = "vit.head_normalize %a0 q_gain(" + op.typed(1) + ") q_shift(" + op.typed(2) + ") k_gain(" + op.typed(3) +
                       ") {eps = 1.0e-3 : f32, heads = " + std::to_string(heads) + " : i64}";
    Rows expected(qkv);
    expected = withHeads(expected, heads, 0, layerNorm(headsOf(expected, heads, 0), &qGain, &qShift, 1e-3));
    expected = withHeads(expected, heads, 1, layerNorm(headsOf(expected, heads, 1), &kGain, nullptr, 1e-3));
    expectRows(op.run(text, op.type(0), qkv.shape, false), expected);
  }
}

TEST_P(Reference, Rotary) {
  for (bool interleaved : {false, true})
    for (bool perHead : {false, true})
      for (auto [tokens, prefix, heads, width] : {std::tuple(1, 0, 1, 2), {5, 1, 3, 6}, {6, 5, 1, 10}}) {
        Position table = perHead ? Position{heads, tokens - prefix, width} : Position{tokens - prefix, width};
        Tensor qkv = Tensor::random({2, tokens, 3 * heads * width}, 1), sin = Tensor::random(table, 2), cos = Tensor::random(table, 3);
        Operation op(GetParam(), {qkv, sin, cos});
        std::string text = "vit.rotary %a0 sin(" + op.typed(1) + ") cos(" + op.typed(2) + ") {heads = " + std::to_string(heads) +
                           " : i64, prefix = " + std::to_string(prefix) + " : i64, layout = #vit.rotary_layout<" +
                           (interleaved ? "interleaved" : "halves") + ">}";
        expectRows(op.run(text, op.type(0), qkv.shape, false), rotate(Rows(qkv), heads, prefix, interleaved, sin, cos));
      }
}

TEST_P(Reference, AttentionWithEveryPart) {
  Tensor x = Tensor::random({2, 5, 7}, 1), qkvWeight = Tensor::random({36, 7}, 2), qkvBias = Tensor::random({36}, 3);
  Tensor gain = Tensor::random({6}, 4), shift = Tensor::random({6}, 5), sin = Tensor::random({4, 6}, 6), cos = Tensor::random({4, 6}, 7);
  Tensor bias = Tensor::random({2, 5, 5}, 8), normGain = Tensor::random({12}, 9), projWeight = Tensor::random({11, 12}, 10);
  Tensor projBias = Tensor::random({11}, 11);
  Operation op(GetParam(), {x, qkvWeight, qkvBias, gain, shift, sin, cos, bias, normGain, projWeight, projBias});
  std::string start = "vit.attention %a0 qkv(" + op.typed(1) + ", " + op.typed(2) + ")",
              end = " proj(" + op.typed(9) + ", " + op.typed(10) + ")";
  Rows qkv = linear(Rows(x), qkvWeight, &qkvBias);
  expectRows(op.run(start + end + " {heads = 2 : i64, scale = 0.5 : f32}", op.type(0), {2, 5, 11}),
             linear(attend(qkv, 2, 0.5, nullptr), projWeight, &projBias));

  std::string norm = op.typed(3) + ", " + op.typed(4);
  std::string text = start + " q_norm(" + norm + ") k_norm(" + op.typed(4) + ") rotary(" + op.typed(5) + ", " + op.typed(6) +
                     ") position_bias(" + op.typed(7) + ") norm(" + op.typed(8) + ")" + end +
                     " {heads = 2 : i64, scale = 0.5 : f32, prefix = 1 : i64, norm_eps = 1.0e-3 : f32}";
  qkv = withHeads(qkv, 2, 0, layerNorm(headsOf(qkv, 2, 0), &gain, &shift, 1e-3));
  qkv = withHeads(qkv, 2, 1, layerNorm(headsOf(qkv, 2, 1), &shift, nullptr, 1e-3));
  Rows heads = attend(rotate(qkv, 2, 1, /*interleaved=*/true, sin, cos), 2, 0.5, &bias);
  expectRows(op.run(text, op.type(0), {2, 5, 11}), linear(layerNorm(heads, &normGain, nullptr, 1e-3), projWeight, &projBias), 5e-6);
}

TEST_P(Reference, MlpWithEveryPart) {
  Tensor x = Tensor::random({2, 5, 7}, 1), fc1 = Tensor::random({13, 7}, 2), fc1Bias = Tensor::random({13}, 3),
         gate = Tensor::random({13, 7}, 4);
  Tensor gateBias = Tensor::random({13}, 5), gain = Tensor::random({13}, 6), shift = Tensor::random({13}, 7),
         fc2 = Tensor::random({3, 13}, 8);
  Operation op(GetParam(), {x, fc1, fc1Bias, gate, gateBias, gain, shift, fc2});
  std::string start = "vit.mlp %a0 fc1(" + op.typed(1) + ", " + op.typed(2) + ")", end = " fc2(" + op.typed(7) + ") {";
  Rows hidden = apply(linear(Rows(x), fc1, &fc1Bias), silu);
  expectRows(op.run(start + end + "activation = #vit.activation<silu>}", op.type(0), {2, 5, 3}), linear(hidden, fc2, nullptr));
  hidden = layerNorm(multiply(hidden, linear(Rows(x), gate, &gateBias)), &gain, &shift, 1e-3);
  expectRows(op.run(start + " gate(" + op.typed(3) + ", " + op.typed(4) + ") norm(" + op.typed(5) + ", " + op.typed(6) + ")" + end +
                        "activation = #vit.activation<silu>, norm_eps = 1.0e-3 : f32}",
                    op.type(0), {2, 5, 3}),
             linear(hidden, fc2, nullptr), 5e-6);
}

TEST_P(Reference, AttentionPool) {
  for (auto [queries, tokens, heads, width] : {std::tuple(1, 1, 1, 1), {1, 5, 3, 7}, {2, 6, 2, 5}}) {
    int64_t all = heads * width;
    Tensor kv = Tensor::random({2, tokens, 2 * all}, 1), query = Tensor::random({queries, all}, 2);
    Operation op(GetParam(), {kv, query});
    Tensor y = op.run("vit.attention_pool %a1, %a0 {heads = " + std::to_string(heads) + " : i64, scale = 0.75 : f32}",
                      op.type(1) + ", " + op.type(0), {2, queries, all});
    expectFormula(y, {2, queries, all}, [&](const Position &p) {
      int64_t head = p[2] / width;
      double sum = 0, value = 0;
      for (int64_t t = 0; t < tokens; ++t) {
        double score = 0;
        for (int64_t e = 0; e < width; ++e)
          score += query.at({p[1], head * width + e}) * kv.at({p[0], t, head * width + e});
        sum += std::exp(0.75 * score);
        value += std::exp(0.75 * score) * kv.at({p[0], t, all + p[2]});
      }
      return value / sum;
    });
  }
}

INSTANTIATE_TEST_SUITE_P(Batch, Reference, testing::Bool(), [](const auto &info) { return info.param ? "Dynamic" : "Static"; });

} // namespace
