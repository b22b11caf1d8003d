//===- AttentionMap.cpp - attention drawn over the picture --------------------*- C++ -*-===//
//
// Part of the vitc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===--------------------------------------------------------------------------------------===//

#include "tools/vit-run/AttentionMap.h"

#include "runtime/image/Resize.h"
#include "tools/vit-run/Font.h"

#include <algorithm>
#include <cmath>
#include <fmt/format.h>

namespace vitrun {
namespace {

constexpr uint32_t margin = 24, gap = 20, shortestEdge = 392, titleScale = 2, barHeight = 14;
constexpr uint32_t titleHeight = glyphHeight * titleScale + 14, legendHeight = barHeight + glyphHeight * titleScale + 20;
constexpr Colour paper = {250, 250, 248}, ink = {40, 44, 52}, mark = {90, 220, 255};

/// Polynomials of degree 6 in t in [0, 1] for the colour map "inferno" of matplotlib (Nathaniel Smith and Stéfan van der Walt; the fit is
/// by Matt Zucker; both CC0).
Colour inferno(double t) {
  constexpr double terms[7][3] = {
      {0.0002189403691192265, 0.001651004631001012, -0.01948089843709184}, {0.1065134194856116, 0.5639564367884091, 3.932712388889277},
      {11.60249308247187, -3.972853965665698, -15.9423941062914},          {-41.70399613139459, 17.43639888205313, 44.35414519872813},
      {77.162935699427, -33.40235894210092, -81.80730925738993},           {-71.31942824499214, 32.62606426397723, 73.20951985803202},
      {25.13112622477341, -12.24266895238567, -23.07032500287172}};
  Colour colour;
  for (size_t channel = 0; channel < 3; ++channel) {
    double value = 0;
    for (size_t power = 7; power-- > 0;)
      value = value * t + terms[power][channel];
    colour[channel] = uint8_t(std::lround(255 * std::clamp(value, 0.0, 1.0)));
  }
  return colour;
}

/// Four weights around a position between two samples: Catmull-Rom, which goes through the samples.
std::array<double, 4> cubicWeights(double t) {
  return {((-t + 2) * t - 1) * t / 2, ((3 * t - 5) * t * t + 2) / 2, ((-3 * t + 4) * t + 1) * t / 2, (t - 1) * t * t / 2};
}

/// `values` [rows, columns] at the centres of the pixels of a picture, edges repeated, never outside of [0, the largest].
std::vector<float> enlarge(const AttentionMap &map, uint32_t height, uint32_t width) {
  float largest = *std::max_element(map.shares.begin(), map.shares.end());
  auto sampleAt = [](double position, uint32_t count, std::array<uint32_t, 4> &index) {
    double below = std::floor(position);
    for (int i = 0; i < 4; ++i)
      index[size_t(i)] = uint32_t(std::clamp<int64_t>(int64_t(below) - 1 + i, 0, int64_t(count) - 1));
    return cubicWeights(position - below);
  };
  std::vector<float> result(size_t(height) * width);
  for (uint32_t y = 0; y < height; ++y) {
    std::array<uint32_t, 4> rows, columns;
    std::array<double, 4> down = sampleAt((y + 0.5) * map.rows / height - 0.5, map.rows, rows);
    for (uint32_t x = 0; x < width; ++x) {
      std::array<double, 4> across = sampleAt((x + 0.5) * map.columns / width - 0.5, map.columns, columns);
      double sum = 0;
      for (size_t i = 0; i < 4; ++i)
        for (size_t j = 0; j < 4; ++j)
          sum += down[i] * across[j] * double(map.shares[size_t(rows[i]) * map.columns + columns[j]]);
      result[size_t(y) * width + x] = std::clamp(float(sum), 0.0f, largest);
    }
  }
  return result;
}

void copyInto(vitrt::Image &page, const vitrt::Image &picture, uint32_t left, uint32_t top) {
  for (uint32_t y = 0; y < picture.height; ++y)
    std::copy_n(picture.row(y), size_t(picture.width) * 3, page.row(top + y) + size_t(left) * 3);
}

/// The picture in grey with the map's colours over it, the more opaque the larger the share.
vitrt::Image overlay(const vitrt::Image &picture, const std::vector<float> &values, float largest) {
  constexpr double faintest = 0.45, strongest = 0.85;
  vitrt::Image result = picture;
  for (size_t i = 0; i < values.size(); ++i) {
    double value = largest > 0 ? double(values[i] / largest) : 0, cover = faintest + (strongest - faintest) * value;
    uint8_t *pixel = result.pixels.data() + i * 3;
    // ITU-R BT.601
    double grey = 0.299 * pixel[0] + 0.587 * pixel[1] + 0.114 * pixel[2];
    Colour colour = inferno(value);
    for (size_t channel = 0; channel < 3; ++channel)
      pixel[channel] = uint8_t(std::lround((1 - cover) * grey + cover * colour[channel]));
  }
  return result;
}

void drawFrame(vitrt::Image &image, uint32_t left, uint32_t top, uint32_t width, uint32_t height) {
  constexpr uint32_t thickness = 2;
  for (uint32_t y = top; y < top + height; ++y)
    for (uint32_t x = left; x < left + width; ++x)
      if (std::min({x - left, left + width - 1 - x, y - top, top + height - 1 - y}) < thickness)
        std::copy(mark.begin(), mark.end(), image.row(y) + size_t(x) * 3);
}

} // namespace

std::optional<std::pair<uint32_t, uint32_t>> patchGrid(size_t patches, uint32_t height, uint32_t width) {
  // Patches up to twice as high as wide, or the other way round.
  double nearest = std::log(2.0) + 1e-9;
  std::optional<std::pair<uint32_t, uint32_t>> grid;
  for (size_t rows = 1; rows <= patches; ++rows) {
    double distance = std::fabs(std::log(double(rows) / double(patches / rows) * width / height));
    if (patches % rows == 0 && distance < nearest) {
      nearest = distance;
      grid = {uint32_t(rows), uint32_t(patches / rows)};
    }
  }
  return grid;
}

vitrt::Image drawAttention(const vitrt::Image &original, const AttentionMap &map, const std::string &title) {
  uint32_t scale = std::max(1u, (shortestEdge + std::min(original.width, original.height) - 1) / std::min(original.width, original.height));
  uint32_t width = original.width * scale, height = original.height * scale;
  vitrt::Image picture = vitrt::convertChannels(vitrt::resize(original, width, height, vitrt::Filter::Nearest), 3);
  float largest = *std::max_element(map.shares.begin(), map.shares.end());

  uint32_t titleWidth = uint32_t(title.size()) * glyphWidth * titleScale;
  vitrt::Image page(2 * margin + std::max(2 * width + gap, titleWidth), 2 * margin + titleHeight + height + legendHeight, 3);
  for (size_t i = 0; i < page.pixels.size(); i += 3)
    std::copy(paper.begin(), paper.end(), page.pixels.begin() + ptrdiff_t(i));
  drawText(page, margin, margin, title, ink, titleScale);
  uint32_t top = margin + titleHeight, right = margin + width + gap;
  copyInto(page, picture, margin, top);
  copyInto(page, overlay(picture, enlarge(map, height, width), largest), right, top);
  if (map.query) {
    uint32_t row = *map.query / map.columns, column = *map.query % map.columns;
    uint32_t y = row * height / map.rows, x = column * width / map.columns;
    for (uint32_t left : {margin, right})
      drawFrame(page, left + x, top + y, (column + 1) * width / map.columns - x, (row + 1) * height / map.rows - y);
  }
  uint32_t bar = top + height + 12;
  for (uint32_t x = 0; x < width; ++x) {
    Colour colour = inferno(double(x) / std::max(1u, width - 1));
    for (uint32_t y = bar; y < bar + barHeight; ++y)
      std::copy(colour.begin(), colour.end(), page.row(y) + size_t(right + x) * 3);
  }
  std::string most = fmt::format("{:.2f} %", 100 * double(largest));
  drawText(page, right, bar + barHeight + 6, "0 %", ink, titleScale);
  drawText(page, right + width - std::min(width, uint32_t(most.size()) * glyphWidth * titleScale), bar + barHeight + 6, most, ink,
           titleScale);
  return page;
}

} // namespace vitrun
