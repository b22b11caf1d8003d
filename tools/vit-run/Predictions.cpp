//===- Predictions.cpp - logits to classes ---------------------------------------*- C++ -*-===//
//
// Part of the vitc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===--------------------------------------------------------------------------------------===//

#include "tools/vit-run/Predictions.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <numeric>

namespace vitrun {
namespace {

/// Logits as they are ordered: NaN is worse than any number, so that sorting has an order at all.
double key(float logit) { return std::isnan(logit) ? -std::numeric_limits<double>::infinity() : double(logit); }

} // namespace

size_t countUndefined(std::span<const float> logits) {
  return size_t(
      std::count_if(logits.begin(), logits.end(), [](float logit) { return std::isnan(logit) || (std::isinf(logit) && logit > 0); }));
}

std::vector<Prediction> topClasses(std::span<const float> logits, size_t count) {
  std::vector<size_t> order(logits.size());
  std::iota(order.begin(), order.end(), size_t(0));
  count = std::min(count, order.size());
  std::partial_sort(order.begin(), order.begin() + ptrdiff_t(count), order.end(), [&](size_t a, size_t b) {
    double x = key(logits[a]), y = key(logits[b]);
    return x > y || (x == y && a < b);
  });
  double sum = 0, largest = order.empty() || !count ? 0 : key(logits[order[0]]);
  for (float logit : logits)
    sum += std::exp(double(logit) - largest);
  std::vector<Prediction> result;
  for (size_t i = 0; i < count; ++i)
    result.push_back({order[i], std::exp(double(logits[order[i]]) - largest) / sum});
  return result;
}

size_t rankOf(std::span<const float> logits, long long label) {
  if (label < 0 || size_t(label) >= logits.size() || std::isnan(logits[size_t(label)]))
    return logits.size();
  size_t own = size_t(label), before = 0;
  for (size_t i = 0; i < logits.size(); ++i)
    before += key(logits[i]) > key(logits[own]) || (logits[i] == logits[own] && i < own);
  return before;
}

} // namespace vitrun
