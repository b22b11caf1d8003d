//===- Images.h - images as a program takes them ------------------------------*- C++ -*-===//
//
// Part of the vitc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===--------------------------------------------------------------------------------------===//

#ifndef VITC_TOOLS_VITRUN_IMAGES_H
#define VITC_TOOLS_VITRUN_IMAGES_H

#include <cstdint>
#include <span>
#include <vector>

namespace vitrun {

/// Images of a batch: f32 [N, C, H, W], normalised, or pixels [N, H, W, C] as decoded.
class ImageSpan {
public:
  ImageSpan() = default;
  ImageSpan(std::span<const float> values) : values(values) {}
  ImageSpan(const std::vector<float> &values) : values(values) {}
  ImageSpan(std::span<const uint8_t> pixels) : pixels(pixels), ofPixels(true) {}

  bool arePixels() const { return ofPixels; }
  /// Numbers of all images.
  size_t size() const { return ofPixels ? pixels.size() : values.size(); }
  ImageSpan subspan(size_t first, size_t count) const {
    return ofPixels ? ImageSpan(pixels.subspan(first, count)) : ImageSpan(values.subspan(first, count));
  }
  /// As a session takes them, whatever they are.
  const float *data() const { return ofPixels ? reinterpret_cast<const float *>(pixels.data()) : values.data(); }

private:
  std::span<const float> values;
  std::span<const uint8_t> pixels;
  bool ofPixels = false;
};

/// The same with memory of its own; one of the two is used.
struct ImageBuffer {
  bool arePixels = false;
  std::vector<float> values;
  std::vector<uint8_t> pixels;

  operator ImageSpan() const { return arePixels ? ImageSpan(std::span(pixels)) : ImageSpan(values); }
  void resize(size_t numbers) { arePixels ? pixels.resize(numbers) : values.resize(numbers); }
};

} // namespace vitrun

#endif // VITC_TOOLS_VITRUN_IMAGES_H
