//===- SchemeMatch.h - which framework's names does a file have ---------------*- C++ -*-===//
//
// Part of the vitc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===--------------------------------------------------------------------------------------===//

#ifndef VITC_RUNTIME_WEIGHTS_SCHEMEMATCH_H
#define VITC_RUNTIME_WEIGHTS_SCHEMEMATCH_H

#include "runtime/artifact/vitx_generated.h"
#include "runtime/weights/TensorFile.h"

namespace vitrt {

/// One naming scheme held against a file, for the tensors that a target needs.
struct SchemeMatch {
  uint32_t scheme = 0; ///< index into Manifest.schemes
  /// By tensor of the scheme: index in the file, -1 if it is missing, or of no use because of its shape or type, or not needed.
  std::vector<ptrdiff_t> files;
  std::vector<bool> sliced;            ///< the file's tensor is longer than needed
  size_t found = 0;                    ///< needed tensors that fit
  std::vector<std::string> missing;    ///< "head.weight [10, 192]"
  std::vector<std::string> mismatched; ///< "head.weight is f32 [1000, 192], expected [10, 192]"

  bool fits() const { return missing.empty() && mismatched.empty(); }
};

/// The scheme that fits best: the first that fits wholly, otherwise the one with the most tensors found.
SchemeMatch matchSchemes(const fb::Manifest &manifest, const fb::Target &target, const TensorFile &file);

/// The error for a match that does not fit: a sentence, then a line for each tensor.
Error describeMismatch(const fb::Manifest &manifest, const SchemeMatch &match, const TensorFile &file);

/// Sorts what the file holds beyond the match into tensors that the scheme knows and tensors that it does not.
void listUnused(const fb::Manifest &manifest, const SchemeMatch &match, const TensorFile &file, std::vector<std::string> &known,
                std::vector<std::string> &unknown);

/// Whether `text` matches a pattern in which `*` stands for any number of any characters and `?` for one.
bool matchesGlob(std::string_view pattern, std::string_view text);

} // namespace vitrt

#endif // VITC_RUNTIME_WEIGHTS_SCHEMEMATCH_H
