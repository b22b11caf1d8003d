//===- Binder.h - from a framework's tensors to packed weights ----------------*- C++ -*-===//
//
// Part of the vitc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===--------------------------------------------------------------------------------------===//
//
// Which tensor is which weight is data in the manifest, what is made of it is the artifact's own code (docs/abi.md, "Bind functions"). Used
// by the runtime for external weights, and by vitc for embedded ones.
//
//===--------------------------------------------------------------------------------------===//

#ifndef VITC_RUNTIME_WEIGHTS_BINDER_H
#define VITC_RUNTIME_WEIGHTS_BINDER_H

#include "runtime/artifact/Artifact.h"
#include "runtime/weights/TensorFile.h"

#include <functional>

namespace vitrt {

class ThreadPool;

/// One weight of the model and where it was found.
struct BoundSource {
  std::string source;                ///< the compiler's name: "blocks.0.attn.query.weight"
  std::vector<uint64_t> shape;       ///< canonical
  std::string tensor;                ///< name in the file
  ElementType type;                  ///< of the tensor
  std::vector<uint64_t> tensorShape; ///< as it lies in the file
  uint64_t offset;                   ///< of the view, in elements
  std::vector<int64_t> strides;      ///< of the canonical axes, in elements
  bool sliced;                       ///< the tensor's first axis is longer than needed
  std::vector<std::string> packed;   ///< the packed weights that it went into
};

struct BindReport {
  std::string scheme;             ///< the naming that fitted best: "timm"
  std::vector<std::string> notes; ///< what was done to find the tensors (TensorFile::notes)
  std::vector<BoundSource> sources;
  std::vector<std::string> ignored; ///< there, known to the scheme, and of no use to this program
  std::vector<std::string> extra;   ///< there and unknown to the scheme
  /// One sentence each: extra tensors, values that are not finite.
  std::vector<std::string> warnings;
};

/// What `--explain-weights` prints: a line for each weight of the model (its tensor, what is done to it), a line for each packed weight
/// (what was folded into it), then a summary and what was left.
std::string explain(const BindReport &report);

struct BindOptions {
  unsigned threads = 0; ///< 0: every available core
  /// Whether the packed weight of that number is filled in; none: all of them are.
  std::function<bool(uint32_t weight)> wanted{};
  /// Called with bytes of packed weights done and in all, from one thread at a time.
  std::function<void(uint64_t done, uint64_t total)> progress{};
};

/// Fills `destination` (target().weights_bytes() bytes, 64-byte aligned, zeroed) with the packed weights of the artifact's target. The
/// artifact must have been opened for `Purpose::Bind` or `Run`. Of the file's naming schemes the one that fits best is taken; the error
/// lists all tensors that are missing or mis-shaped at once, a line each.
Expected<BindReport> bindWeights(const Artifact &artifact, const TensorFile &tensors, std::span<std::byte> destination,
                                 const BindOptions &options = {});

/// The tensors of a manifest's home scheme (schemes[0]) as functions of seed and name (RandomTensors.h).
Expected<std::unique_ptr<TensorFile>> randomTensors(const fb::Manifest &manifest, uint64_t seed);

} // namespace vitrt

#endif // VITC_RUNTIME_WEIGHTS_BINDER_H
