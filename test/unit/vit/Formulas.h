//===- Formulas.h - a Vision Transformer's layers in double precision ---------*- C++ -*-===//
//
// Part of the vitc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Written from the papers, without a look at dialects/vit/Reference.cpp, as loops over images, tokens and columns.
//
//===--------------------------------------------------------------------------------------===//

#ifndef VITC_TEST_UNIT_VIT_FORMULAS_H
#define VITC_TEST_UNIT_VIT_FORMULAS_H

#include "Evaluate.h"

namespace vitc::test {

/// Activations [B, T, D] in double precision.
struct Rows {
  int64_t batch = 0, tokens = 0, width = 0;
  std::vector<double> data;

  Rows(int64_t batch, int64_t tokens, int64_t width) : batch(batch), tokens(tokens), width(width), data(batch * tokens * width) {}
  explicit Rows(const Tensor &tensor);
  double &at(int64_t image, int64_t token, int64_t column) { return data[(image * tokens + token) * width + column]; }
  double at(int64_t image, int64_t token, int64_t column) const { return data[(image * tokens + token) * width + column]; }
  /// Each row, as a function of the old one.
  Rows mapRows(int64_t newWidth, const std::function<std::vector<double>(const double *)> &row) const;
};

using Function = double (*)(double);
double geluErf(double x);
double geluTanh(double x);
double quickGelu(double x);
double silu(double x);
double sigmoid(double x);
double relu(double x);

Rows linear(const Rows &x, const Tensor &weight, const Tensor *bias);
Rows apply(const Rows &x, Function function);
Rows multiply(const Rows &a, const Rows &b);
/// Each row normalized over its width.
Rows layerNorm(const Rows &x, const Tensor *gain, const Tensor *shift, double eps);
Rows rmsNorm(const Rows &x, const Tensor *gain, double eps);
/// Query (part 0) or key (part 1) of every head of qkv, as rows [B, T * h, d] in the order token, head; and back.
Rows headsOf(const Rows &qkv, int64_t heads, int64_t part);
Rows withHeads(Rows qkv, int64_t heads, int64_t part, const Rows &rows);
/// Query and key of the tokens after `prefix` turned by their angles; tables [T - prefix, d], or [h, T - prefix, d] for each head its own.
Rows rotate(const Rows &qkv, int64_t heads, int64_t prefix, bool interleaved, const Tensor &sin, const Tensor &cos);
/// The row of softmax(scale Q K' + bias) of one head's query, by key.
std::vector<double> attentionRow(const Rows &qkv, int64_t heads, double scale, const Tensor *bias, int64_t image, int64_t head,
                                 int64_t query);
Rows attend(const Rows &qkv, int64_t heads, double scale, const Tensor *bias);

void expectRows(const Tensor &actual, const Rows &expected, double tolerance = 2e-6);

} // namespace vitc::test

#endif // VITC_TEST_UNIT_VIT_FORMULAS_H
