//===- AttentionMap.h - attention drawn over the picture ----------------------*- C++ -*-===//
//
// Part of the vitc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===--------------------------------------------------------------------------------------===//

#ifndef VITC_TOOLS_VITRUN_ATTENTIONMAP_H
#define VITC_TOOLS_VITRUN_ATTENTIONMAP_H

#include "runtime/image/Image.h"

#include <optional>
#include <string>
#include <vector>

namespace vitrun {

/// How much of one token's (or of the mean token's) attention goes to each patch.
struct AttentionMap {
  uint32_t rows, columns;
  std::vector<float> shares;     ///< [rows, columns]
  std::optional<uint32_t> query; ///< the patch that looks, to be marked; nothing for other tokens and the mean
};

/// The grid into which `patches` tokens of a picture of that size fall: the one nearest in shape, of one patch's aspect; nothing if none is
/// near.
std::optional<std::pair<uint32_t, uint32_t>> patchGrid(size_t patches, uint32_t height, uint32_t width);

/// The picture (grey or RGB) on the left; on the right the same under the map, which is resized by cubic interpolation and coloured from 0
/// to its largest share by the colours of the scale below.
vitrt::Image drawAttention(const vitrt::Image &picture, const AttentionMap &map, const std::string &title);

} // namespace vitrun

#endif // VITC_TOOLS_VITRUN_ATTENTIONMAP_H
