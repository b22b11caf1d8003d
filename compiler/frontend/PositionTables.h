//===- PositionTables.h - numbers of positions that follow from the config ------*- C++ -*-===//
//
// Part of the vitc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Computed in double precision and rounded once.
//
//===--------------------------------------------------------------------------------------===//

#ifndef VITC_COMPILER_FRONTEND_POSITIONTABLES_H
#define VITC_COMPILER_FRONTEND_POSITIONTABLES_H

#include <cstdint>
#include <vector>

namespace vitc {

struct ModelConfig;

/// position=sincos1d and sincos2d: [patches, embed_dim], patches row by row. The layouts are those of the slides, MAE's
/// `get_2d_sincos_pos_embed` and big_vision's `posemb_sincos_2d` (SincosLayout).
std::vector<float> sincosTable(const ModelConfig &config);

/// rope=cat and dinov3: sines and cosines [patches, head width] (timm/layers/pos_embed_sincos.py: build_rotary_pos_embed with
/// in_pixels=False; RotaryEmbeddingDinoV3).
struct RotaryTables {
  std::vector<float> sin, cos;
};
RotaryTables rotaryTables(const ModelConfig &config);

/// rope=mixed: the two coordinates of each patch that its frequencies are multiplied by [patches, 2] (get_mixed_grid there).
std::vector<float> mixedRotaryCoordinates(const ModelConfig &config);

/// relative_position=mlp: sign(c) ln(1 + |c|) of each distance [(2H-1)(2W-1), 2], rows, then columns (timm/layers/pos_embed_rel.py:
/// gen_relative_log_coords, mode 'cr').
std::vector<float> logDistances(const ModelConfig &config);

} // namespace vitc

#endif // VITC_COMPILER_FRONTEND_POSITIONTABLES_H
