//===- SchemeTables.h - each framework's names and layouts, as data ----------------*- C++ -*-===//
//
// Part of the vitc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===--------------------------------------------------------------------------------------===//

#ifndef VITC_COMPILER_FRONTEND_SCHEMETABLES_H
#define VITC_COMPILER_FRONTEND_SCHEMETABLES_H

#include <cstdint>
#include <string>
#include <vector>

namespace vitc {

struct ModelConfig;

/// A tensor's part in the model. Most have a weight (gain, table) and a bias (shift).
enum class Role {
  Stem, ///< all tensors of the stem: their names are not patterns (StemLayout.h)
  Patch,
  PatchNorm,
  ClassToken,
  DistillationToken,
  RegisterTokens,
  Position,
  PositionRows,    ///< of position=factorized
  PositionColumns, ///< of position=factorized
  RopeFrequencies,
  NormPre,
  Norm1,
  Query,
  Key,
  Value,
  QueryNorm,
  KeyNorm,
  RelativeTable,
  RelativeFc1,
  RelativeFc2,
  RelativeRows,    ///< of relative_position=decomposed
  RelativeColumns, ///< of relative_position=decomposed
  TalkBefore,      ///< of a talking heads' attention, before the softmax
  TalkAfter,
  LambdaQuery1,
  LambdaKey1,
  LambdaQuery2,
  LambdaKey2,
  SubNorm, ///< of a differential attention's heads
  AttentionNorm,
  Proj,
  Scale1,
  Norm2,
  Fc1,
  Gate,
  MlpNorm,
  Fc2,
  Scale2,
  ClassNorm1, ///< and the following: of class_blocks
  ClassQuery,
  ClassKey,
  ClassValue,
  ClassProj,
  ClassScale1,
  ClassNorm2,
  ClassFc1,
  ClassFc2,
  ClassScale2,
  Norm,
  NeckConv1,
  NeckNorm1,
  NeckConv2,
  NeckNorm2,
  FcNorm,
  PoolLatent,
  PoolQuery,
  PoolKey,
  PoolValue,
  PoolProj,
  PoolNorm,
  PoolFc1,
  PoolFc2,
  HeadHidden,
  Head,
  HeadDistillation
};

/// Names of a role's tensors, alternatives after the scheme's own. `#` stands for the block's number, `@` for the branch's. A scheme that
/// packs query, key and value gives them all the same names.
struct RoleNames {
  Role role;
  std::vector<std::string> weight;
  std::vector<std::string> bias;
};

enum class LinearLayout { OutIn, InOut };
enum class PatchLayout {
  Conv,     ///< [D, C, P, Q]
  ConvHwio, ///< [P, Q, C, D]
  Rows,     ///< [P Q C, D]
  Linear    ///< [D, P Q C]
};
enum class QkvLayout {
  Separate,       ///< three linear weights
  Packed,         ///< [3 h d, D], query rows, key rows, value rows
  PackedByConfig, ///< [D, 3 h d], columns by the config's qkv_packing
  DenseGeneral,   ///< three [D, h, d], output [h, d, D]
  InProjection    ///< [M + 3 h d, D]: the mlp's rows before those of Packed (timm's ParallelScalingBlock)
};
enum class StemNames {
  None,
  Timm,         ///< the canonical names and shapes
  Flax,         ///< kernels [P, Q, in, out]
  FlaxPublished ///< and vectors [1, 1, 1, out]
};
enum class PoolLayout {
  KeyValue, ///< query [D, D], key and value [2 D, D]
  Packed,   ///< [3 D, D]
  Separate, ///< three linear weights
};
enum class TokenLayout { OneOneD, D };                   ///< of the class token: [1, 1, D]; [D]
enum class TableLayout { OneRows, Rows, RowsOne, Grid }; ///< of positions: [1, T, D]; [T, D]; [T, 1, D]; [1, H, W, D]

struct SchemeTable {
  std::string name;
  std::vector<RoleNames> roles;
  std::vector<std::string> prefixes = {""}; ///< of all names but those of `unprefixed` roles
  std::vector<Role> unprefixed = {};
  std::vector<std::string> ignored = {};
  LinearLayout linear = LinearLayout::OutIn;
  LinearLayout head = LinearLayout::OutIn;
  PatchLayout patch = PatchLayout::Conv;
  QkvLayout qkv = QkvLayout::Separate;
  StemNames stem = StemNames::None;
  PoolLayout pool = PoolLayout::KeyValue;
  TokenLayout token = TokenLayout::OneOneD;
  TableLayout table = TableLayout::OneRows;
  bool gateInFc1 = false;       ///< fc1 holds the activated half, then the gate
  bool packsUnusedBias = false; ///< a packed bias has rows for a key that gets none
};

/// Names of a role's weight or bias in a block and branch, the scheme's own first; none if it has no such tensor.
std::vector<std::string> tensorNames(const SchemeTable &table, Role role, bool bias, int64_t block, int64_t branch);

/// Every scheme in whose names the model's tensors may come, its home first.
std::vector<SchemeTable> schemeTables(const ModelConfig &config);

} // namespace vitc

#endif // VITC_COMPILER_FRONTEND_SCHEMETABLES_H
