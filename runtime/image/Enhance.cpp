//===- Enhance.cpp - Pillow's colour operations, bit for bit --------------------*- C++ -*-===//
//
// Part of the vitc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===--------------------------------------------------------------------------------------===//

#include "runtime/image/Enhance.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <span>

namespace vitrt {
namespace {

using Level = std::array<uint8_t, 256>;

/// from + factor (to - from): truncated, in f32, and clamped where it is an extrapolation (Blend.c).
uint8_t blend(uint8_t from, uint8_t to, float factor) {
  float change = factor * float(int(to) - int(from)); // a statement of its own: never fused with the sum
  float value = float(from) + change;
  return uint8_t(std::clamp(value, 0.0f, 255.0f));
}

void mapChannel(Image &image, uint32_t channel, const Level &level) {
  for (size_t i = channel; i < image.pixels.size(); i += image.channels)
    image.pixels[i] = level[image.pixels[i]];
}

/// One table for every channel.
template <typename Function> void mapSamples(Image &image, Function function) {
  Level level;
  for (unsigned byte = 0; byte < level.size(); ++byte)
    level[byte] = function(uint8_t(byte));
  for (uint8_t &sample : image.pixels)
    sample = level[sample];
}

std::array<uint32_t, 256> histogramOf(const Image &image, uint32_t channel) {
  std::array<uint32_t, 256> counts{};
  for (size_t i = channel; i < image.pixels.size(); i += image.channels)
    ++counts[image.pixels[i]];
  return counts;
}

struct Hsv {
  uint8_t hue, saturation, value;
};

/// rgb2hsv_row of Convert.c, with its mixture of f32 and f64.
Hsv toHsv(const uint8_t *rgb) {
  uint8_t most = std::max({rgb[0], rgb[1], rgb[2]}), least = std::min({rgb[0], rgb[1], rgb[2]});
  if (most == least)
    return {0, 0, most};
  float range = float(most - least), saturation = range / float(most);
  float red = float(most - rgb[0]) / range, green = float(most - rgb[1]) / range, blue = float(most - rgb[2]) / range;
  float sixths;
  if (rgb[0] == most)
    sixths = blue - green;
  else if (rgb[1] == most)
    sixths = float(2.0 + red - blue);
  else
    sixths = float(4.0 + green - red);
  double turns = sixths / 6.0 + 1.0; // from 5/6 to less than 2
  float hue = float(turns >= 1.0 ? turns - 1.0 : turns);
  auto byte = [](double unit) { return uint8_t(unit * 255.0); };
  return {byte(hue), byte(saturation), most};
}

/// hsv2rgb of Convert.c.
void toRgb(Hsv hsv, uint8_t *rgb) {
  uint8_t v = hsv.value;
  if (hsv.saturation == 0) {
    rgb[0] = rgb[1] = rgb[2] = v;
    return;
  }
  double sixths = float(hsv.hue) * 6.0 / 255.0;
  int sector = int(sixths);
  float rest = float(sixths - sector), saturation = float(hsv.saturation / 255.0);
  auto byte = [&](double part) { return uint8_t(v * part + 0.5); };
  uint8_t p = byte(1.0 - saturation), q = byte(1.0 - saturation * rest), t = byte(1.0 - saturation * (1.0 - rest));
  const uint8_t colors[6][3] = {{v, t, p}, {q, v, p}, {p, v, t}, {p, q, v}, {t, p, v}, {v, p, q}};
  std::copy_n(colors[sector % 6], 3, rgb);
}

Level stretchedLevels(const std::array<uint32_t, 256> &counts) {
  Level level;
  int darkest = 0, lightest = 255;
  while (darkest < 255 && !counts[size_t(darkest)])
    ++darkest;
  while (lightest > 0 && !counts[size_t(lightest)])
    --lightest;
  bool flat = lightest <= darkest;
  double scale = flat ? 1.0 : 255.0 / (lightest - darkest), offset = flat ? 0.0 : -darkest * scale;
  for (int byte = 0; byte < 256; ++byte) {
    double scaled = byte * scale;
    level[size_t(byte)] = uint8_t(std::clamp(int(scaled + offset), 0, 255));
  }
  return level;
}

Level equalizedLevels(const std::array<uint32_t, 256> &counts) {
  Level level;
  uint64_t total = 0, last = 0, step = 0;
  int used = 0;
  for (uint32_t count : counts)
    if (count) {
      total += last = count;
      ++used;
    }
  if (used > 1)
    step = (total - last) / 255;
  uint64_t sum = step / 2;
  for (size_t byte = 0; byte < level.size(); ++byte) {
    level[byte] = uint8_t(step ? std::min<uint64_t>(sum / step, 255) : byte); // Pillow clips what the last count makes 256
    sum += counts[byte];
  }
  return level;
}

} // namespace

void adjustBrightness(Image &image, float factor) {
  mapSamples(image, [&](uint8_t byte) { return blend(0, byte, factor); });
}

void adjustContrast(Image &image, float factor) {
  Image grey = convertChannels(image, 1);
  uint64_t sum = 0;
  for (uint8_t sample : grey.pixels)
    sum += sample;
  uint8_t mean = uint8_t(double(sum) / double(grey.pixels.size()) + 0.5);
  mapSamples(image, [&](uint8_t byte) { return blend(mean, byte, factor); });
}

void adjustSaturation(Image &image, float factor) {
  if (image.channels == 1)
    return;
  Image grey = convertChannels(image, 1);
  uint8_t *sample = image.pixels.data();
  for (uint8_t level : grey.pixels)
    for (int c = 0; c < 3; ++c, ++sample)
      *sample = blend(level, *sample, factor);
}

void adjustSharpness(Image &image, float factor) {
  if (image.width < 3 || image.height < 3)
    return; // all of it is border
  Image from = image;
  for (uint32_t y = 1; y + 1 < image.height; ++y)
    for (size_t x = image.channels; x < image.rowSamples() - image.channels; ++x) {
      const uint8_t *above = from.row(y - 1) + x, *here = from.row(y) + x, *below = from.row(y + 1) + x;
      unsigned sum = 4u * *here;
      for (const uint8_t *centre : {above, here, below})
        sum += unsigned(*(centre - image.channels)) + *centre + *(centre + image.channels);
      uint8_t smooth = uint8_t((2 * sum + 13) / 26); // sum / 13, rounded; 13 is odd, so there are no ties
      image.row(y)[x] = blend(smooth, *here, factor);
    }
}

void adjustHue(Image &image, double turns) {
  if (image.channels == 1)
    return;
  uint8_t shift = uint8_t(int(turns * 255));
  for (size_t i = 0; i < image.pixels.size(); i += 3) {
    Hsv hsv = toHsv(&image.pixels[i]);
    hsv.hue = uint8_t(hsv.hue + shift);
    toRgb(hsv, &image.pixels[i]);
  }
}

void posterize(Image &image, unsigned bits) {
  mapSamples(image, [&](uint8_t byte) { return uint8_t(byte & (0xffu << (8 - bits))); });
}

void solarize(Image &image, float threshold) {
  mapSamples(image, [&](uint8_t byte) { return float(byte) < threshold ? byte : uint8_t(255 - byte); });
}

void autoContrast(Image &image) {
  for (uint32_t c = 0; c < image.channels; ++c)
    mapChannel(image, c, stretchedLevels(histogramOf(image, c)));
}

void equalize(Image &image) {
  for (uint32_t c = 0; c < image.channels; ++c)
    mapChannel(image, c, equalizedLevels(histogramOf(image, c)));
}

} // namespace vitrt
