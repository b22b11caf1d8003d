//===- Manifest.h - the manifest of a file and where its sections lie ---------*- C++ -*-===//
//
// Part of the vitc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===--------------------------------------------------------------------------------------===//

#ifndef VITC_COMPILER_ARTIFACT_MANIFEST_H
#define VITC_COMPILER_ARTIFACT_MANIFEST_H

#include "compiler/artifact/Artifact.h"

namespace vitc::artifact {

struct SectionLayout {
  uint64_t offset = 0, size = 0, hash = 0;
};

/// Where everything of a file lies. A weights section has no hash of its own: its packed weights have one each. Weight i of target t lies at weights[t].offset + weightOffsets[t][i].
struct Layout {
  bool external = false;
  uint64_t manifestSize = 0, fileSize = 0;
  std::vector<SectionLayout> code, ptx, cubin, weights;           ///< one a target; equal ones lie once in the file
  std::vector<std::vector<uint64_t>> weightOffsets, weightHashes; ///< a target's packed weights
  std::vector<size_t> weightsOf; ///< the first target that binds the same weights in the same way, which may be the target itself
};

/// Places header, manifest, code and weights; the hashes of the weights are still 0.
Layout layOut(const Contents &contents, bool external);

/// The manifest as a FlatBuffer. Its size depends on nothing but `contents`, so it can be made again once the hashes are known.
std::string makeManifest(const Contents &contents, const Layout &layout);

} // namespace vitc::artifact

#endif // VITC_COMPILER_ARTIFACT_MANIFEST_H
