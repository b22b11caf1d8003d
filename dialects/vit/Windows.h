//===- Windows.h - what convolutions and pooling have in common ---------------*- C++ -*-===//
//
// Part of the vitc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===--------------------------------------------------------------------------------------===//

#ifndef VITC_DIALECTS_VIT_WINDOWS_H
#define VITC_DIALECTS_VIT_WINDOWS_H

#include "dialects/vit/ReferenceBuilder.h"
#include "dialects/vit/VitDialect.h"

namespace vitc::vit {

/// Windows of `size` pixels [P, Q], each `stride` further, of a grid of `grid` pixels [H, W] with `padding` [top, bottom, left, right].
struct Windows {
  llvm::ArrayRef<int64_t> grid, size, stride, padding;

  int64_t paddedHeight() const { return grid[0] + padding[0] + padding[1]; }
  int64_t paddedWidth() const { return grid[1] + padding[2] + padding[3]; }
  int64_t down() const { return (paddedHeight() - size[0]) / stride[0] + 1; }
  int64_t across() const { return (paddedWidth() - size[1]) / stride[1] + 1; }
};

/// Fails unless there are the right numbers of numbers, none too small, and the padded grid holds the window. The size is that of
/// `sizeName`, or of a verified kernel.
mlir::LogicalResult verifyWindows(mlir::Operation *op, const Windows &windows, llvm::StringRef sizeName);

/// Fails unless every window has a pixel, as pooling requires.
mlir::LogicalResult verifyNoEmptyWindow(mlir::Operation *op, const Windows &windows);

/// Where the axes of a feature map are: [B, C, H, W] or [B, H, W, C].
enum class Layout { ChannelsFirst, ChannelsLast };

/// `images` with the windows' padding of `value` around them.
mlir::Value pad(ReferenceBuilder &b, mlir::Value images, Layout layout, const Windows &windows, double value);

/// The maximum or mean of each window. -> [B, C, H', W'] or [B, H', W', C].
mlir::Value poolWindows(ReferenceBuilder &b, mlir::Value images, Layout layout, const Windows &windows, WindowPool kind);

} // namespace vitc::vit

#endif // VITC_DIALECTS_VIT_WINDOWS_H
