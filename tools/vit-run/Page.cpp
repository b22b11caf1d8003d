//===- Page.cpp - a page of predictions ---*- C++ -*-===//
//
// Part of the vitc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===--------------------------------------------------------------------------------------===//

#include "tools/vit-run/Page.h"

#include "runtime/image/Resize.h"
#include "tools/vit-run/Font.h"

#include <algorithm>
#include <cmath>
#include <fmt/format.h>

namespace vitrun {
namespace {

// In pixels.
constexpr uint32_t pictureEdge = 184, gap = 20, margin = 24, frame = 4, textScale = 2, titleScale = 3;
constexpr uint32_t lineHeight = glyphHeight * textScale + 4, captionHeight = 2 * lineHeight + 6,
                   titleHeight = glyphHeight * titleScale + 20;
constexpr uint32_t cellWidth = pictureEdge + gap, cellHeight = pictureEdge + captionHeight + gap;
constexpr Colour paper = {250, 250, 248}, ink = {40, 44, 52}, green = {26, 127, 55}, red = {200, 35, 40}, shade = {228, 228, 224};

void fillRectangle(vitrt::Image &image, uint32_t x, uint32_t y, uint32_t width, uint32_t height, Colour colour) {
  for (uint32_t v = y; v < y + height; ++v)
    for (uint32_t u = x; u < x + width; ++u)
      std::copy(colour.begin(), colour.end(), image.row(v) + size_t(u) * 3);
}

/// The picture in a square: small ones by whole factors so that pixels stay square, large ones by area.
vitrt::Image fitPicture(const vitrt::Image &picture, uint32_t edge) {
  uint32_t longest = std::max(picture.width, picture.height);
  uint32_t width, height;
  if (longest <= edge / 2) {
    width = picture.width * (edge / longest);
    height = picture.height * (edge / longest);
  } else {
    width = std::max<uint32_t>(1, uint32_t(uint64_t(picture.width) * edge / longest));
    height = std::max<uint32_t>(1, uint32_t(uint64_t(picture.height) * edge / longest));
  }
  vitrt::Filter filter = longest <= edge / 2 ? vitrt::Filter::Nearest : vitrt::Filter::Bicubic;
  return vitrt::convertChannels(vitrt::resize(picture, width, height, filter), 3);
}

/// Text cut to what fits below a picture.
std::string shorten(const std::string &text, size_t reserved = 0) {
  size_t most = pictureEdge / (glyphWidth * textScale) - reserved;
  return text.size() <= most ? text : text.substr(0, most - 2) + "..";
}

void drawEntry(vitrt::Image &page, uint32_t x, uint32_t y, const PageEntry &entry) {
  Colour colour = entry.right ? green : red;
  fillRectangle(page, x, y, pictureEdge, pictureEdge, colour);
  uint32_t inner = pictureEdge - 2 * frame;
  fillRectangle(page, x + frame, y + frame, inner, inner, shade);
  vitrt::Image picture = fitPicture(entry.picture, inner);
  uint32_t left = x + (pictureEdge - picture.width) / 2, top = y + (pictureEdge - picture.height) / 2;
  for (uint32_t v = 0; v < picture.height; ++v)
    std::copy_n(picture.row(v), picture.rowSamples(), page.row(top + v) + size_t(left) * 3);

  std::string percent = fmt::format(" {:.0f}%", 100 * entry.probability);
  uint32_t caption = y + pictureEdge + 6;
  drawText(page, x, caption, shorten(entry.predicted, percent.size()) + percent, colour, textScale);
  if (!entry.right)
    drawText(page, x, caption + lineHeight, shorten("is " + entry.actual), ink, textScale);
}

} // namespace

vitrt::Image drawPage(const std::vector<PageEntry> &entries, const std::string &title) {
  // A page somewhat wider than high.
  uint32_t columns = std::max(1u, uint32_t(std::ceil(std::sqrt(double(entries.size()) * 4 / 3))));
  uint32_t rows = uint32_t((entries.size() + columns - 1) / columns);
  uint32_t titleWidth = uint32_t(title.size()) * glyphWidth * titleScale;
  vitrt::Image page(2 * margin + std::max(columns * cellWidth - gap, titleWidth), 2 * margin + titleHeight + rows * cellHeight, 3);
  fillRectangle(page, 0, 0, page.width, page.height, paper);
  drawText(page, margin, margin, title, ink, titleScale);
  for (size_t i = 0; i < entries.size(); ++i)
    drawEntry(page, margin + uint32_t(i % columns) * cellWidth, margin + titleHeight + uint32_t(i / columns) * cellHeight, entries[i]);
  return page;
}

} // namespace vitrun
