//===- Font.h - a small bitmap font ---*- C++ -*-===//
//
// Part of the vitc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===--------------------------------------------------------------------------------------===//

#ifndef VITC_TOOLS_VITRUN_FONT_H
#define VITC_TOOLS_VITRUN_FONT_H

#include "runtime/image/Image.h"

#include <array>
#include <string_view>

namespace vitrun {

using Colour = std::array<uint8_t, 3>;

/// Glyphs are 5 x 7 pixels in cells of 6 x 8; each pixel is drawn as `scale` x `scale`.
inline constexpr uint32_t glyphWidth = 6, glyphHeight = 8;

/// Draws ASCII text into an RGB image with its top left corner at (x, y); what lies outside the image is cut off, other bytes show as a
/// box.
void drawText(vitrt::Image &image, uint32_t x, uint32_t y, std::string_view text, Colour colour, uint32_t scale);

} // namespace vitrun

#endif // VITC_TOOLS_VITRUN_FONT_H
