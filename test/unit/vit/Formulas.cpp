//===- Formulas.cpp - a Vision Transformer's layers in double precision -------------------===//
//
// Part of the vitc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===--------------------------------------------------------------------------------------===//

#include "Formulas.h"

#include <cmath>

namespace vitc::test {

Rows::Rows(const Tensor &tensor) : Rows(tensor.shape[0], tensor.shape[1], tensor.shape[2]) {
  data.assign(tensor.data.begin(), tensor.data.end());
}

Rows Rows::mapRows(int64_t newWidth, const std::function<std::vector<double>(const double *)> &row) const {
  Rows result(batch, tokens, newWidth);
  for (int64_t i = 0; i < batch * tokens; ++i) {
    std::vector<double> values = row(&data[i * width]);
    std::copy(values.begin(), values.end(), result.data.begin() + i * newWidth);
  }
  return result;
}

double geluErf(double x) { return x * 0.5 * std::erfc(-x / std::sqrt(2.0)); }
double geluTanh(double x) { return 0.5 * x * (1 + std::tanh(std::sqrt(2 / M_PI) * (x + 0.044715 * std::pow(x, 3)))); }
double sigmoid(double x) { return 1 / (1 + std::exp(-x)); }
double quickGelu(double x) { return x * sigmoid(1.702 * x); }
double silu(double x) { return x * sigmoid(x); }
double relu(double x) { return x > 0 ? x : 0; }

Rows linear(const Rows &x, const Tensor &weight, const Tensor *bias) {
  int64_t outputs = weight.shape[0];
  return x.mapRows(outputs, [&](const double *row) {
    std::vector<double> y(outputs);
    for (int64_t n = 0; n < outputs; ++n) {
      y[n] = bias ? bias->data[n] : 0.0;
      for (int64_t k = 0; k < x.width; ++k)
        y[n] += row[k] * weight.data[n * x.width + k];
    }
    return y;
  });
}

Rows apply(const Rows &x, Function function) {
  Rows y = x;
  for (double &value : y.data)
    value = function(value);
  return y;
}

Rows multiply(const Rows &a, const Rows &b) {
  Rows y = a;
  for (size_t i = 0; i < y.data.size(); ++i)
    y.data[i] *= b.data[i];
  return y;
}

Rows layerNorm(const Rows &x, const Tensor *gain, const Tensor *shift, double eps) {
  return x.mapRows(x.width, [&](const double *row) {
    double mean = 0, variance = 0;
    for (int64_t i = 0; i < x.width; ++i)
      mean += row[i] / x.width;
    for (int64_t i = 0; i < x.width; ++i)
      variance += std::pow(row[i] - mean, 2) / x.width;
    std::vector<double> y(x.width);
    for (int64_t i = 0; i < x.width; ++i)
      y[i] = (row[i] - mean) / std::sqrt(variance + eps) * (gain ? gain->data[i] : 1.0) + (shift ? shift->data[i] : 0.0);
    return y;
  });
}

Rows rmsNorm(const Rows &x, const Tensor *gain, double eps) {
  return x.mapRows(x.width, [&](const double *row) {
    double squares = 0;
    for (int64_t i = 0; i < x.width; ++i)
      squares += row[i] * row[i];
    std::vector<double> y(x.width);
    for (int64_t i = 0; i < x.width; ++i)
      y[i] = row[i] / std::sqrt(squares / x.width + eps) * (gain ? gain->data[i] : 1.0);
    return y;
  });
}

Rows headsOf(const Rows &qkv, int64_t heads, int64_t part) {
  int64_t width = qkv.width / (3 * heads);
  Rows rows(qkv.batch, qkv.tokens * heads, width);
  for (int64_t image = 0; image < qkv.batch; ++image)
    for (int64_t token = 0; token < qkv.tokens; ++token)
      for (int64_t head = 0; head < heads; ++head)
        for (int64_t e = 0; e < width; ++e)
          rows.at(image, token * heads + head, e) = qkv.at(image, token, (part * heads + head) * width + e);
  return rows;
}

Rows withHeads(Rows qkv, int64_t heads, int64_t part, const Rows &rows) {
  for (int64_t image = 0; image < qkv.batch; ++image)
    for (int64_t token = 0; token < qkv.tokens; ++token)
      for (int64_t head = 0; head < heads; ++head)
        for (int64_t e = 0; e < rows.width; ++e)
          qkv.at(image, token, (part * heads + head) * rows.width + e) = rows.at(image, token * heads + head, e);
  return qkv;
}

Rows rotate(const Rows &qkv, int64_t heads, int64_t prefix, bool interleaved, const Tensor &sin, const Tensor &cos) {
  Rows result = qkv;
  int64_t width = qkv.width / (3 * heads), patches = qkv.tokens - prefix;
  for (int64_t image = 0; image < qkv.batch; ++image)
    for (int64_t patch = 0; patch < patches; ++patch)
      for (int64_t group = 0; group < 2 * heads; ++group)
        for (int64_t pair = 0; pair < width / 2; ++pair) {
          int64_t a = interleaved ? 2 * pair : pair, b = interleaved ? 2 * pair + 1 : pair + width / 2;
          int64_t table = ((sin.shape.size() == 3 ? group % heads * patches : 0) + patch) * width;
          double x = qkv.at(image, prefix + patch, group * width + a), y = qkv.at(image, prefix + patch, group * width + b);
          result.at(image, prefix + patch, group * width + a) = x * cos.data[table + a] - y * sin.data[table + a];
          result.at(image, prefix + patch, group * width + b) = y * cos.data[table + b] + x * sin.data[table + b];
        }
  return result;
}

std::vector<double> attentionRow(const Rows &qkv, int64_t heads, double scale, const Tensor *bias, int64_t image, int64_t head,
                                 int64_t query) {
  int64_t width = qkv.width / (3 * heads);
  std::vector<double> weights(qkv.tokens);
  double sum = 0;
  for (int64_t key = 0; key < qkv.tokens; ++key) {
    double score = 0;
    for (int64_t e = 0; e < width; ++e)
      score += qkv.at(image, query, head * width + e) * qkv.at(image, key, (heads + head) * width + e);
    score = score * scale + (bias ? bias->at({head, query, key}) : 0.0);
    sum += weights[key] = std::exp(score);
  }
  for (double &weight : weights)
    weight /= sum;
  return weights;
}

Rows attend(const Rows &qkv, int64_t heads, double scale, const Tensor *bias) {
  int64_t tokens = qkv.tokens, width = qkv.width / (3 * heads);
  Rows result(qkv.batch, tokens, heads * width);
  for (int64_t image = 0; image < qkv.batch; ++image)
    for (int64_t head = 0; head < heads; ++head)
      for (int64_t query = 0; query < tokens; ++query) {
        std::vector<double> weights = attentionRow(qkv, heads, scale, bias, image, head, query);
        for (int64_t key = 0; key < tokens; ++key)
          for (int64_t e = 0; e < width; ++e)
            result.at(image, query, head * width + e) += weights[key] * qkv.at(image, key, (2 * heads + head) * width + e);
      }
  return result;
}

void expectRows(const Tensor &actual, const Rows &expected, double tolerance) {
  expectFormula(
      actual, {expected.batch, expected.tokens, expected.width},
      [&](const std::vector<int64_t> &p) { return expected.at(p[0], p[1], p[2]); }, tolerance);
}

} // namespace vitc::test
