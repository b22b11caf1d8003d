//===- Mixing.cpp - mixup, cutmix and soft targets -------------------------------*- C++ -*-===//
//
// Part of the vitc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===--------------------------------------------------------------------------------------===//

#include "runtime/data/Mixing.h"

#include <algorithm>
#include <cmath>
#include <vector>

namespace vitrt {

/// The logarithm of a number of Gamma(alpha): small alphas give numbers that are no doubles. Below 1 by Gamma(alpha + 1) U^(1 / alpha).
static double drawLogGamma(double alpha, RandomStream &random) {
  double boost = alpha < 1.0 ? std::log(random.uniform()) / alpha : 0.0;
  double d = (alpha < 1.0 ? alpha + 1.0 : alpha) - 1.0 / 3.0, c = 1.0 / std::sqrt(9.0 * d);
  for (;;) {
    double x = random.normal(), root = 1.0 + c * x, u = random.uniform();
    if (root <= 0.0)
      continue;
    double v = root * root * root;
    if (std::log(u) < 0.5 * x * x + d - d * v + d * std::log(v))
      return std::log(d * v) + boost;
  }
}

double drawBeta(double alpha, RandomStream &random) {
  double own = drawLogGamma(alpha, random), other = drawLogGamma(alpha, random);
  return 1.0 / (1.0 + std::exp(other - own));
}

Mix Mix::cut(Extent size, double lambda, uint32_t x, uint32_t y) {
  double ratio = std::sqrt(1.0 - lambda);
  auto side = [&](uint32_t centre, uint32_t length) {
    uint32_t half = uint32_t(length * ratio) / 2;
    return std::pair(centre - std::min(half, centre), std::min(centre + half, length));
  };
  auto [left, right] = side(x, size.width);
  auto [top, bottom] = side(y, size.height);
  Mix mix{.cuts = true, .box = {left, top, right - left, bottom - top}};
  mix.lambda = 1.0 - double(mix.box.width) * mix.box.height / (double(size.width) * size.height);
  return mix;
}

Mix Mix::draw(const Augmentation &augmentation, Extent size, RandomStream random) {
  bool cuts = augmentation.cutmix > 0.0 && (augmentation.mixup <= 0.0 || random.chance(0.5));
  double alpha = cuts ? augmentation.cutmix : augmentation.mixup;
  if (alpha <= 0.0)
    return {};
  double lambda = drawBeta(alpha, random);
  if (!cuts)
    return {.lambda = lambda};
  uint32_t y = random.below(size.height), x = random.below(size.width);
  return cut(size, lambda, x, y);
}

void mixImage(float *image, const float *partner, uint32_t channels, Extent size, const Mix &mix) {
  if (!mix.cuts) {
    float own = float(mix.lambda), other = float(1.0 - mix.lambda);
    for (size_t i = 0; i < size_t(channels) * size.height * size.width; ++i)
      image[i] = image[i] * own + partner[i] * other;
    return;
  }
  for (uint32_t c = 0; c < channels; ++c)
    for (uint32_t y = mix.box.y; y < mix.box.y + mix.box.height; ++y) {
      size_t offset = (size_t(c) * size.height + y) * size.width + mix.box.x;
      std::copy_n(partner + offset, mix.box.width, image + offset);
    }
}

void mixTargets(std::span<float> target, std::span<const float> partner, const Mix &mix) {
  float own = float(mix.lambda), other = float(1.0 - mix.lambda);
  for (size_t k = 0; k < target.size(); ++k)
    target[k] = target[k] * own + partner[k] * other;
}

void mixBatch(std::span<float> images, std::span<float> targets, size_t count, uint32_t channels, Extent size, const Mix &mix) {
  if (mix.lambda == 1.0)
    return;
  size_t elements = images.size() / count;
  std::vector<float> image(elements); // the first of a pair, as it was
  for (size_t i = 0; i < (count + 1) / 2; ++i) {
    size_t j = count - 1 - i;
    float *first = images.data() + i * elements, *second = images.data() + j * elements;
    std::copy_n(first, elements, image.data());
    mixImage(first, second, channels, size, mix);
    if (i != j)
      mixImage(second, image.data(), channels, size, mix);
  }
  mixBatchTargets(targets, count, mix);
}

void mixBatchTargets(std::span<float> targets, size_t count, const Mix &mix) {
  if (mix.lambda == 1.0)
    return;
  size_t classes = targets.size() / count;
  std::vector<float> target(classes); // of the first of a pair, as it was
  for (size_t i = 0; i < (count + 1) / 2; ++i) {
    size_t j = count - 1 - i;
    std::span<float> first = targets.subspan(i * classes, classes), second = targets.subspan(j * classes, classes);
    std::copy(first.begin(), first.end(), target.begin());
    mixTargets(first, second, mix);
    if (i != j)
      mixTargets(second, target, mix);
  }
}

void smoothTarget(std::span<float> target, size_t label, double smoothing) {
  double off = smoothing / double(target.size());
  std::fill(target.begin(), target.end(), float(off));
  target[label] = float(1.0 - smoothing + off);
}

void smoothTarget(std::span<float> target, std::span<const float> soft, double smoothing) {
  double off = smoothing / double(target.size());
  for (size_t k = 0; k < target.size(); ++k)
    target[k] = smoothing == 0.0 ? soft[k] : float((1.0 - smoothing) * soft[k] + off);
}

} // namespace vitrt
