//===- Artifact.h - writing .vitx files ---------------------------------------*- C++ -*-===//
//
// Part of the vitc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===--------------------------------------------------------------------------------------===//

#ifndef VITC_COMPILER_ARTIFACT_ARTIFACT_H
#define VITC_COMPILER_ARTIFACT_ARTIFACT_H

#include "compiler/codegen/cpu/CpuCodegen.h"
#include "compiler/frontend/AdaptToWeights.h"
#include "compiler/frontend/InitialWeights.h"
#include "compiler/frontend/WeightNaming.h"
#include "compiler/model/ModelConfig.h"
#include "compiler/plan/Plan.h"

#include "llvm/Support/Error.h"

#include <functional>
#include <optional>

namespace vitc::artifact {

/// A packed weight and the function that makes it.
struct Binding {
  std::string name;                 ///< as plan::Buffer names it
  std::string symbol;               ///< of the bind function
  std::vector<std::string> sources; ///< names of WeightNaming::sources, in the order of the function's arguments
  int64_t bytes = 0;
  int64_t scratchBytes = 0;
};

/// What a training program needs besides its plan; the tables mirror runtime/artifact/vitx.fbs.
struct Training {
  struct Parameter {
    std::string source, binding;
    int64_t offset; ///< bytes
    bool trained;
  };
  struct Update {
    uint32_t kernel; ///< index into `kernels`
    bool momentum, nesterov, average;
  };
  std::string optimizer;
  bool bf16Momentum = false;
  std::vector<Parameter> parameters;
  int64_t parameterBytes = 0, gradientBytes = 0, derivedBytes = 0;
  std::vector<plan::Kernel> kernels; ///< that no program launches: updates, the square sum
  std::vector<Update> updates;
  uint32_t squareSum = 0; ///< index into `kernels`
};

/// Everything that one target adds to a file.
struct Target {
  std::string name; ///< "cpu", "reference", "emulator", "cuda"
  cpu::CpuTarget machine;
  std::string code;                     ///< a shared object
  std::string architecture, ptx, cubin; ///< of "cuda"; cubin empty: there is no machine code
  std::vector<plan::Program> programs;
  std::vector<Binding> bindings;
  std::optional<Training> training;
};

struct Contents {
  ModelConfig config;
  WeightNaming naming;
  uint64_t parameters = 0;
  std::vector<Target> targets;
};

/// Where the weights come from. None of the three: the file has none, they are bound at load.
struct WeightsFrom {
  std::string path;
  std::optional<uint64_t> randomSeed;
  std::optional<InitialWeights> initial;
  std::vector<FreshTensor> fresh; ///< tensors that take the place of the file's
  bool external() const { return path.empty() && !randomSeed && !initial; }
};

/// What the binding of weights had to say, for people.
struct BindingNotes {
  std::string explanation;           ///< `--explain-weights`: which tensor went where
  std::vector<std::string> notes;    ///< which part of a checkpoint was taken
  std::vector<std::string> warnings; ///< unused tensors, NaN values
};

/// Names and shapes of the tensors in a weight file.
llvm::Expected<std::vector<FileShape>> readShapes(const std::string &path);

/// Called while weights are bound: bytes done and in all.
using Progress = std::function<void(uint64_t done, uint64_t total)>;

/// The file without weights: header, manifest, code. 64-byte aligned memory is not needed to write it, but is to open it.
std::string assembleExternal(const Contents &contents);

/// Writes the file to a temporary name beside `path`, binds the weights straight into it, syncs it and renames it; on an error nothing is left behind and
/// an older file at `path` is untouched. Weights need no memory of their own.
llvm::Error write(const Contents &contents, const WeightsFrom &weights, llvm::StringRef path, const Progress &progress,
                  BindingNotes &notes);

} // namespace vitc::artifact

#endif // VITC_COMPILER_ARTIFACT_ARTIFACT_H
