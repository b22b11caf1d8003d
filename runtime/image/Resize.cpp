//===- Resize.cpp - Pillow's resampling, bit for bit, and that of tensors -----------------------------------------------------------===//
//
// Part of the vitc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===------------------------------------------------------------------------------------------------------===//

#include "runtime/image/Resize.h"

#include <algorithm>
#include <cmath>
#include <numbers>
#include <type_traits>

namespace vitrt {
namespace {

constexpr int fractionBits = 32 - 8 - 2; // a byte times weights whose absolute values sum to less than 2 fits an int32
constexpr double pi = std::numbers::pi;

struct Kernel {
  double support;
  double (*weight)(double x);
};

double boxWeight(double x) { return x > -0.5 && x <= 0.5 ? 1.0 : 0.0; }

double bilinearWeight(double x) {
  x = std::fabs(x);
  return x < 1.0 ? 1.0 - x : 0.0;
}

double hammingWeight(double x) {
  x = std::fabs(x);
  if (x == 0.0)
    return 1.0;
  if (x >= 1.0)
    return 0.0;
  x *= pi;
  return std::sin(x) / x * (0.54f + 0.46f * std::cos(x)); // f32 constants, as in Pillow
}

/// Keys' cubic with a = -0.5.
double bicubicWeight(double x) {
  constexpr double a = -0.5;
  x = std::fabs(x);
  if (x < 1.0)
    return ((a + 2.0) * x - (a + 3.0)) * x * x + 1;
  if (x < 2.0)
    return (((x - 5) * x + 8) * x - 4) * a;
  return 0.0;
}

double sinc(double x) { return x == 0.0 ? 1.0 : std::sin(x * pi) / (x * pi); }
double lanczosWeight(double x) { return -3.0 <= x && x < 3.0 ? sinc(x) * sinc(x / 3) : 0.0; }

Kernel kernelOf(Filter filter) {
  switch (filter) {
  case Filter::Bilinear:
    return {1.0, bilinearWeight};
  case Filter::Bicubic:
    return {2.0, bicubicWeight};
  case Filter::Lanczos:
    return {3.0, lanczosWeight};
  case Filter::Hamming:
    return {1.0, hammingWeight};
  case Filter::Box:
  case Filter::Nearest:
    break;
  }
  return {0.5, boxWeight};
}

/// The taps of one axis: output i sums weights[i * stride + t] * input[first[i] + t] for t < count[i].
template <typename Weight> struct Taps {
  std::vector<int> first, count;
  std::vector<Weight> weights;
  size_t stride;

  Taps(uint32_t in, uint32_t out, Kernel kernel, bool antialias) : first(out), count(out) {
    double scale = double(in) / out, stretch = antialias ? std::max(scale, 1.0) : 1.0, support = kernel.support * stretch;
    stride = size_t(std::ceil(support)) * 2 + 1;
    weights.resize(stride * out);
    std::vector<double> exact(stride);
    double inverse = 1.0 / stretch;
    for (uint32_t i = 0; i < out; ++i) {
      double centre = (i + 0.5) * scale, sum = 0.0;
      int begin = std::max(int(centre - support + 0.5), 0);
      int n = std::min(int(centre + support + 0.5), int(in)) - begin;
      for (int t = 0; t < n; ++t)
        sum += exact[t] = kernel.weight((t + begin - centre + 0.5) * inverse);
      for (int t = 0; t < n; ++t)
        weights[i * stride + t] = rounded(sum != 0.0 ? exact[t] / sum : exact[t]);
      first[i] = begin;
      count[i] = n;
    }
  }

  /// Half away from zero to fractionBits, or to f32.
  static Weight rounded(double weight) {
    if constexpr (std::is_floating_point_v<Weight>)
      return Weight(weight);
    weight *= 1 << fractionBits;
    return Weight(weight < 0 ? weight - 0.5 : weight + 0.5);
  }
};

/// How samples are summed: bytes by weights of fixed point, rounded and clamped after each pass; floats as they are.
struct ByteSums {
  using Weight = int32_t;
  static constexpr int32_t start = 1 << (fractionBits - 1);
  static uint8_t finish(int32_t sum) { return uint8_t(std::clamp(sum >> fractionBits, 0, 255)); }
};
struct FloatSums {
  using Weight = float;
  static constexpr float start = 0.0f;
  static float finish(float sum) { return sum; }
};
template <typename Sample> using SumsOf = std::conditional_t<std::is_same_v<Sample, uint8_t>, ByteSums, FloatSums>;

template <unsigned Channels, typename Sample, typename Weight> void resampleRow(const Sample *from, Sample *to, const Taps<Weight> &taps) {
  for (size_t x = 0; x < taps.first.size(); ++x, to += Channels) {
    const Sample *in = from + size_t(taps.first[x]) * Channels;
    const Weight *weights = &taps.weights[x * taps.stride];
    Weight sums[Channels];
    std::fill_n(sums, Channels, SumsOf<Sample>::start);
    for (int t = 0; t < taps.count[x]; ++t, in += Channels)
      for (unsigned c = 0; c < Channels; ++c)
        sums[c] += in[c] * weights[t];
    for (unsigned c = 0; c < Channels; ++c)
      to[c] = SumsOf<Sample>::finish(sums[c]);
  }
}

template <typename Sample>
BasicImage<Sample> resampleHorizontally(const BasicImage<Sample> &image, uint32_t width, Kernel kernel, bool antialias) {
  if (width == image.width)
    return image;
  Taps<typename SumsOf<Sample>::Weight> taps(image.width, width, kernel, antialias);
  BasicImage<Sample> result(width, image.height, image.channels);
  for (uint32_t y = 0; y < image.height; ++y)
    image.channels == 1 ? resampleRow<1>(image.row(y), result.row(y), taps) : resampleRow<3>(image.row(y), result.row(y), taps);
  return result;
}

template <typename Sample>
BasicImage<Sample> resampleVertically(const BasicImage<Sample> &image, uint32_t height, Kernel kernel, bool antialias) {
  if (height == image.height)
    return image;
  using Weight = typename SumsOf<Sample>::Weight;
  Taps<Weight> taps(image.height, height, kernel, antialias);
  BasicImage<Sample> result(image.width, height, image.channels);
  std::vector<Weight> sums(image.rowSamples());
  for (uint32_t y = 0; y < height; ++y) {
    std::fill(sums.begin(), sums.end(), SumsOf<Sample>::start);
    for (int t = 0; t < taps.count[y]; ++t) {
      const Sample *in = image.row(taps.first[y] + t);
      Weight weight = taps.weights[y * taps.stride + t];
      for (size_t x = 0; x < sums.size(); ++x)
        sums[x] += in[x] * weight;
    }
    std::transform(sums.begin(), sums.end(), result.row(y), SumsOf<Sample>::finish);
  }
  return result;
}

/// Source index of every output: positions are accumulated in f64, as in Pillow, so that the same ties fall the same way.
std::vector<uint32_t> nearestIndices(uint32_t in, uint32_t out) {
  std::vector<uint32_t> indices(out);
  double step = double(in) / out, position = step * 0.5;
  for (uint32_t &index : indices) {
    index = std::min(uint32_t(position), in - 1);
    position += step;
  }
  return indices;
}

Image resizeNearest(const Image &image, uint32_t width, uint32_t height) {
  std::vector<uint32_t> columns = nearestIndices(image.width, width), rows = nearestIndices(image.height, height);
  Image result(width, height, image.channels);
  for (uint32_t y = 0; y < height; ++y)
    for (uint32_t x = 0; x < width; ++x)
      std::copy_n(image.row(rows[y]) + size_t(columns[x]) * image.channels, image.channels, result.row(y) + size_t(x) * image.channels);
  return result;
}

} // namespace

Image resize(const Image &image, uint32_t width, uint32_t height, Filter filter, PassOrder order, bool antialias) {
  if (width == image.width && height == image.height)
    return image;
  if (filter == Filter::Nearest)
    return resizeNearest(image, width, height);
  Kernel kernel = kernelOf(filter);
  int64_t fewerRows = int64_t(image.height) - height, fewerColumns = int64_t(image.width) - width;
  if (order == PassOrder::Pillow13 && fewerRows > 0 && fewerRows > 2 * fewerColumns)
    return resampleHorizontally(resampleVertically(image, height, kernel, antialias), width, kernel, antialias);
  return resampleVertically(resampleHorizontally(image, width, kernel, antialias), height, kernel, antialias);
}

FloatImage resizeToFloats(const Image &image, uint32_t width, uint32_t height, Filter filter, bool antialias) {
  const Image &from = filter == Filter::Nearest ? resizeNearest(image, width, height) : image;
  FloatImage floats(from.width, from.height, from.channels);
  std::copy(from.pixels.begin(), from.pixels.end(), floats.pixels.begin());
  Kernel kernel = kernelOf(filter);
  return resampleVertically(resampleHorizontally(floats, width, kernel, antialias), height, kernel, antialias);
}

} // namespace vitrt
