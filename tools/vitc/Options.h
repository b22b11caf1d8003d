//===- Options.h - the command line of vitc ---------------------------------*- C++ -*-===//
//
// Part of the vitc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===--------------------------------------------------------------------------------------===//

#ifndef VITC_TOOLS_VITC_OPTIONS_H
#define VITC_TOOLS_VITC_OPTIONS_H

#include "compiler/driver/Compile.h"

#include <optional>

namespace vitc::tool {

/// What the command line asks for.
struct Request {
  enum class Action { Compile, ListModels, ListTargets, PrintConfig } action = Action::Compile;
  std::string model; ///< or the filter of --list-models
  std::vector<std::string> overrides;
  std::string preprocessor;
  artifact::WeightsFrom weights;
  bool externalWeights = false;
  bool explainWeights = false;
  bool remarks = false;
  bool tune = false;
  std::optional<int> tuneGpu; ///< the GPU that --tune measures; nothing: the CPU
  std::string calibration;    ///< images that int8 takes its ranges from; empty: none
  Phase emit = Phase::Artifact;
  std::string output; ///< empty: not given
  CompileOptions compile;
};

/// Parses the command line. Returns nothing when the process is to end at once, with `exitCode` (0 after --help, 2 after a bad usage that was reported).
std::optional<Request> parseCommandLine(int argc, char **argv, int &exitCode);

/// Prints `vitc: error: TEXT`.
void reportError(const llvm::Twine &text);

} // namespace vitc::tool

#endif // VITC_TOOLS_VITC_OPTIONS_H
