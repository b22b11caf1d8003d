//===- Preprocess.cpp - a picture to a model's input ---------------------------*- C++ -*-===//
//
// Part of the vitc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===--------------------------------------------------------------------------------------===//

#include "runtime/image/Preprocess.h"

#include "runtime/artifact/vitx_generated.h"
#include "runtime/image/Decode.h"

#include <algorithm>
#include <cmath>

namespace vitrt {
namespace {

static_assert(int(Filter::Nearest) == int(fb::Interpolation::Nearest) && int(Filter::Bilinear) == int(fb::Interpolation::Bilinear) &&
              int(Filter::Bicubic) == int(fb::Interpolation::Bicubic) && int(Filter::Lanczos) == int(fb::Interpolation::Lanczos) &&
              int(Filter::Box) == int(fb::Interpolation::Box) && int(Filter::Hamming) == int(fb::Interpolation::Hamming));

/// Where the crop's origin lies and how much is padded before it, on one axis; at most one of the two is not 0.
struct AxisCrop {
  uint32_t origin, before;
};

AxisCrop cropAxis(uint32_t from, uint32_t to, CropRounding rounding) {
  if (from >= to) {
    uint32_t margin = from - to, half = margin / 2;
    return {rounding == CropRounding::HalfToEven && margin % 2 ? half + half % 2 : half, 0};
  }
  uint32_t margin = to - from;
  return {0, rounding == CropRounding::HalfToEven ? margin / 2 : (margin + 1) / 2};
}

/// ToTensor and Normalize of torchvision; rescale and normalize of transformers. Every step is rounded to f32.
float normalizedLevel(unsigned byte, fb::Rescale rescale, float mean, float std) {
  float level = rescale == fb::Rescale::Multiply255 ? float(double(byte) * (1.0 / 255.0)) : float(byte) / 255.0f;
  float centred = level - mean;
  return centred / std;
}

} // namespace

Extent shorterEdgeExtent(Extent from, uint32_t edge) {
  uint64_t longer = std::max(from.height, from.width), shorter = std::min(from.height, from.width);
  uint32_t other = uint32_t(std::min<uint64_t>(edge * longer / shorter, UINT32_MAX)); // oblong beyond what anyone accepts
  return from.width <= from.height ? Extent{other, edge} : Extent{edge, other};
}

Extent longestEdgeExtent(Extent from, Extent box) {
  double ratio = std::max(double(from.height) / box.height, double(from.width) / box.width);
  auto scaled = [&](uint32_t edge) { return std::max(uint32_t(std::nearbyint(edge / ratio)), 1u); };
  return {scaled(from.height), scaled(from.width)};
}

template <typename Sample>
BasicImage<Sample> centreCrop(const BasicImage<Sample> &image, Extent to, CropRounding rounding, std::array<uint8_t, 3> fill) {
  AxisCrop rows = cropAxis(image.height, to.height, rounding), columns = cropAxis(image.width, to.width, rounding);
  BasicImage<Sample> result(to.width, to.height, image.channels);
  for (size_t i = 0; i < result.pixels.size(); ++i)
    result.pixels[i] = fill[i % image.channels];
  uint32_t height = std::min(image.height, to.height), width = std::min(image.width, to.width);
  for (uint32_t y = 0; y < height; ++y)
    std::copy_n(image.row(rows.origin + y) + size_t(columns.origin) * image.channels, size_t(width) * image.channels,
                result.row(rows.before + y) + size_t(columns.before) * image.channels);
  return result;
}

template Image centreCrop(const Image &, Extent, CropRounding, std::array<uint8_t, 3>);
template FloatImage centreCrop(const FloatImage &, Extent, CropRounding, std::array<uint8_t, 3>);

Expected<Preprocessor> Preprocessor::create(const fb::Preprocess *table, uint32_t channels, uint32_t height, uint32_t width) {
  if (channels != 1 && channels != 3)
    return makeError(VITRT_ERROR_ARGUMENT, "the model takes {} channels, images have 1 or 3; give it tensors instead", channels);
  if (!table)
    return makeError(VITRT_ERROR_ARGUMENT, "the artifact does not say how images become inputs; give the model tensors instead");
  size_t means = table->mean() ? table->mean()->size() : 0, stds = table->std() ? table->std()->size() : 0;
  if (means != channels || stds != channels)
    return makeError(VITRT_ERROR_ARGUMENT, "the artifact's preprocessing has {} means and {} standard deviations for {} channels", means,
                     stds, channels);
  Preprocessor result;
  result.extent = {height, width};
  result.resizeKind = uint32_t(table->resize());
  result.resizeTo = {table->resize_height(), table->resize_width()};
  bool edgesMissing = table->resize() != fb::Resize::None &&
                      (!table->resize_height() || (table->resize() != fb::Resize::ShorterEdge && !table->resize_width()));
  if (edgesMissing)
    return makeError(VITRT_ERROR_ARGUMENT, "the artifact's preprocessing resizes images to {} x {} pixels", table->resize_width(),
                     table->resize_height());
  result.filter = Filter(table->interpolation());
  result.antialias = table->antialias();
  result.rounds = table->resize_rounding();
  result.multiplies = table->rescale() == fb::Rescale::Multiply255;
  result.cropTo = {table->crop_height(), table->crop_width()};
  bool crops = result.cropTo.height && result.cropTo.width;
  if (crops && result.cropTo != result.extent)
    return makeError(VITRT_ERROR_ARGUMENT, "the artifact's preprocessing crops to {} x {} pixels and its model takes {} x {}",
                     result.cropTo.width, result.cropTo.height, width, height);
  if (!crops)
    result.cropTo = {};
  result.rounding = table->crop_rounding() == fb::CropRounding::Floor ? CropRounding::Floor : CropRounding::HalfToEven;
  result.levels.resize(channels);
  for (uint32_t c = 0; c < channels; ++c) {
    float mean = table->mean()->Get(c), std = table->std()->Get(c);
    if (std == 0.0f || !std::isfinite(std) || !std::isfinite(mean))
      return makeError(VITRT_ERROR_ARGUMENT, "the artifact's preprocessing normalises channel {} by mean {} and standard deviation {}", c,
                       mean, std);
    result.means.push_back(mean);
    result.stds.push_back(std);
    for (unsigned byte = 0; byte < 256; ++byte)
      result.levels[c][byte] = normalizedLevel(byte, table->rescale(), mean, std);
    // timm pads what it fits into a box by the mean colour, everything else is padded by black.
    if (table->resize() == fb::Resize::LongestEdge)
      result.padding[c] = uint8_t(std::clamp(std::nearbyint(255.0 * mean), 0.0, 255.0));
  }
  return result;
}

template <typename Sample> Expected<Crop> Preprocessor::finish(BasicImage<Sample> image, std::string_view name) const {
  if (cropTo.height)
    image = centreCrop(image, cropTo, rounding, padding);
  if (Extent{image.height, image.width} != extent)
    return makeError(VITRT_ERROR_ARGUMENT, "{}: {} x {} pixels, the model takes {} x {} and its preprocessing does not resize", name,
                     image.width, image.height, extent.width, extent.height);
  return Crop(std::move(image));
}

Expected<Crop> Preprocessor::crop(Image image, std::string_view name) const {
  image = convertChannels(std::move(image), channels());
  Extent from{image.height, image.width}, to = from;
  if (resizeKind == uint32_t(fb::Resize::ShorterEdge))
    to = shorterEdgeExtent(from, resizeTo.height);
  else if (resizeKind == uint32_t(fb::Resize::LongestEdge))
    to = longestEdgeExtent(from, resizeTo);
  else if (resizeKind == uint32_t(fb::Resize::Squash))
    to = resizeTo;
  if (uint64_t(to.height) * to.width > kMaxImagePixels)
    return makeError(VITRT_ERROR_ARGUMENT, "{}: {} x {} pixels are too oblong: resized they would be {} x {}", name, from.width,
                     from.height, to.width, to.height);
  if (rounds || to == from)
    return finish(resize(image, to.width, to.height, filter, PassOrder::Pillow13, antialias), name);
  return finish(resizeToFloats(image, to.width, to.height, filter, antialias), name);
}

void Preprocessor::normalizeSamples(const Image &image, float *to) const {
  size_t pixels = size_t(image.width) * image.height;
  for (uint32_t c = 0; c < image.channels; ++c)
    for (size_t i = 0; i < pixels; ++i)
      *to++ = levels[c][image.pixels[i * image.channels + c]];
}

void Preprocessor::normalizeSamples(const FloatImage &image, float *to) const {
  size_t pixels = size_t(image.width) * image.height;
  for (uint32_t c = 0; c < image.channels; ++c)
    for (size_t i = 0; i < pixels; ++i) {
      float value = image.pixels[i * image.channels + c], level = multiplies ? value * (1.0f / 255.0f) : value / 255.0f;
      *to++ = (level - means[c]) / stds[c];
    }
}

void Preprocessor::normalize(const Crop &crop, float *to) const {
  std::visit([&](const auto &image) { normalizeSamples(image, to); }, crop);
}

} // namespace vitrt
