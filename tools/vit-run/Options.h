//===- Options.h - what the commands share ---------------------------------------*- C++ -*-===//
//
// Part of the vitc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===--------------------------------------------------------------------------------------===//

#ifndef VITC_TOOLS_VITRUN_OPTIONS_H
#define VITC_TOOLS_VITRUN_OPTIONS_H

#include "runtime/Error.h"
#include "runtime/image/Decode.h"

#include <CLI/CLI.hpp>
#include <cstdint>
#include <functional>
#include <optional>
#include <string>

namespace vitrun {

/// Exit codes of all tools of the project.
enum ExitCode { ExitDone = 0, ExitFailed = 1, ExitUsage = 2, ExitInterrupted = 130 };

/// Options that every command which runs a model takes.
struct CommonOptions {
  unsigned threads = 0;       ///< 0: the cores this process may run on
  std::string device = "cpu"; ///< "cpu", "emulator", "cuda" or "cuda:N"
  int64_t group = 0;          ///< images; 0: as the file says
  bool dependentLaunch = false;
  std::string target; ///< empty: the file's first that runs here
  std::string weights;
  std::optional<uint64_t> randomWeights;
  std::string verify = "all";
  std::string trace;
};

/// The target that device and target name together, and which GPU; empty: the file's first that runs here.
std::string targetOf(const CommonOptions &options);
int gpuOf(const CommonOptions &options);
/// What the order of an emulated GPU's threads is drawn from.
uint64_t emulatorSeedOf(const CommonOptions &options);

void addCommonOptions(CLI::App &command, CommonOptions &options);

/// `--exif=on|off` of commands that read photographs.
struct ImageOptions {
  std::string exif = "on";

  vitrt::DecodeOptions decode() const { return {.applyOrientation = exif != "off"}; }
};
void addImageOptions(CLI::App &command, ImageOptions &options);

/// A command declares itself to the tool; parsing its name sets `action` to what it does, which returns the exit code.
using Action = std::function<int()>;
void addClassifyCommand(CLI::App &tool, Action &action);
void addInferCommand(CLI::App &tool, Action &action);
void addEvalCommand(CLI::App &tool, Action &action);
void addBenchCommand(CLI::App &tool, Action &action);
void addTrainCommand(CLI::App &tool, Action &action);
void addAttentionCommand(CLI::App &tool, Action &action);
void addCompareCommand(CLI::App &tool, Action &action);
void addInspectCommand(CLI::App &tool, Action &action);

/// Prints "vit-run: error: SENTENCE" and gives the exit code of a failure, or of bad usage.
int fail(const vitrt::Error &error);
int fail(const std::string &sentence);
int failUsage(const std::string &sentence);
/// Bad usage if what was given cannot be (VITRT_ERROR_ARGUMENT), else a failure.
int failArgument(const vitrt::Error &error);
void warn(const std::string &sentence);

} // namespace vitrun

#endif // VITC_TOOLS_VITRUN_OPTIONS_H
