//===- WeightNaming.h - which tensor of which framework is which weight -------*- C++ -*-===//
//
// Part of the vitc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===--------------------------------------------------------------------------------------===//

#ifndef VITC_COMPILER_FRONTEND_WEIGHTNAMING_H
#define VITC_COMPILER_FRONTEND_WEIGHTNAMING_H

#include <cstdint>
#include <string>
#include <vector>

namespace vitc {

struct ModelConfig;

/// A tensor as it lies in a weight file of one naming scheme.
struct FileTensor {
  std::vector<std::string> names; ///< accepted names, the scheme's own first
  std::vector<int64_t> shape;     ///< row-major
  bool sliceable = false;         ///< a longer first axis (of size > 1) is fine: a position table longer than needed
  bool statistic = false;         ///< what training has measured, not learned: no parameter
};

/// One framework's names for a model's tensors.
struct Scheme {
  std::string name; ///< "timm", "huggingface", "torchvision", "flax", "labml", ...
  std::vector<FileTensor> tensors;
  std::vector<std::string> ignored; ///< glob patterns of tensors that may be there and are not used
};

/// Where a weight lies in a scheme: element (i, j, ...) is file[offset + i * strides[0] + j * strides[1] + ...], in elements.
struct SourceView {
  uint32_t tensor = 0; ///< index into Scheme::tensors
  int64_t offset = 0;
  std::vector<int64_t> strides;
};

/// A weight by the name that the IR uses (`vit.weight @NAME`), at the finest granularity: query, key and value apart.
///
/// Canonical shapes, so that every framework's layout is a strided view: patch kernel [D, C, P, Q]; query, key, value weight [h, d, D],
/// bias [h, d]; attention output weight [D, h, d]; linear weight [out, in]; tokens [k, D]; position table [T or N, D].
struct Source {
  std::string name;
  std::vector<int64_t> shape;    ///< rank at most 5
  std::vector<SourceView> views; ///< one for each scheme, in order
};

/// All a binder needs to know of a model's weights. schemes[0] is the model's home, whose names and shapes define random weights.
struct WeightNaming {
  std::vector<Scheme> schemes;
  std::vector<Source> sources;
};

/// Of a validated config that `unsupportedSwitches` (Import.h) has nothing against. A weight that the home framework does not have keeps
/// its canonical name and shape; any other scheme without a place for one of the weights is left out.
WeightNaming describeWeights(const ModelConfig &config);

/// Elements of all tensors of the model's home scheme.
uint64_t parameterCount(const WeightNaming &naming);

} // namespace vitc

#endif // VITC_COMPILER_FRONTEND_WEIGHTNAMING_H
