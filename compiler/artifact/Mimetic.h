//===- Mimetic.h - attention that begins near the token itself ------------------*- C++ -*-===//
//
// Part of the vitc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===--------------------------------------------------------------------------------------===//

#ifndef VITC_COMPILER_ARTIFACT_MIMETIC_H
#define VITC_COMPILER_ARTIFACT_MIMETIC_H

#include "compiler/model/ModelConfig.h"
#include "runtime/weights/RandomTensors.h"

#include "llvm/ADT/ArrayRef.h"

#include <vector>

namespace vitc::artifact {

/// The best approximation of rank `rank` to a matrix [n, n], as left * right': columns [rank][n], the i-th ones of both as long as the square
/// root of the i-th singular value, the largest first. One-sided Jacobi rotations (Hestenes 1958), exact to rounding.
struct Factors {
  std::vector<double> left, right;
};
Factors factorize(llvm::ArrayRef<double> matrix, int64_t n, int64_t rank);

/// Weights of one attention in canonical shapes: query, key and value [h, d, D], projection [D, h, d].
struct MimeticAttention {
  std::vector<float> query, key, value, proj;
};

/// Trockman and Kolter 2023, "Mimetic Initialization of Self-Attention Layers", section 4: of each head query' key is 0.7 Z + 0.7 I as far as
/// its rank allows, and projection value is 0.4 Z - 0.4 I, Z normal with deviation 1/sqrt(D). Where the heads are wider together than D,
/// the weights beyond a rank of D keep what is in `attention`.
void makeMimetic(const ModelConfig &config, const vitrt::RandomBits &scores, const vitrt::RandomBits &values, MimeticAttention &attention);

/// Sines and cosines of a patch's row, then of its column, with frequencies from 1 down to 1/10000, as rows of a position table
/// [rows, D] whose first ones, the prefix tokens', are 0.
std::vector<float> sineTable(const ModelConfig &config, int64_t rows);

} // namespace vitc::artifact

#endif // VITC_COMPILER_ARTIFACT_MIMETIC_H
