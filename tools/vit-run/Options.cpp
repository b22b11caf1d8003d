//===- Options.cpp - what the commands share --------------------------------------*- C++ -*-===//
//
// Part of the vitc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===--------------------------------------------------------------------------------------===//

#include "tools/vit-run/Options.h"

#include "runtime/device/cpu/ThreadPool.h"

#include <cstdio>

namespace vitrun {
namespace {

std::string checkDevice(const std::string &device) {
  if (device == "cpu" || device == "emulator")
    return "";
  return fmt::format("this build has no device `{}`, only cpu and emulator", device);
}

} // namespace

void addCommonOptions(CLI::App &command, CommonOptions &options) {
  constexpr const char *group = "Common options";
  command.add_option("--threads", options.threads, "Threads (default: the cores that this process may run on)")
      ->check(CLI::Range(1u, vitrt::ThreadPool::kMaxThreads))
      ->type_name("N")
      ->group(group);
  command.add_option("--device", options.device, "Where to run: cpu, or emulator (a GPU's kernels on the CPU)")
      ->check(CLI::Validator(checkDevice, ""))
      ->type_name("NAME")
      ->group(group);
  command.add_option("--target", options.target, "Which target of the file: cpu, reference (default: the first that runs here)")
      ->type_name("NAME")
      ->group(group);
  auto *weights = command.add_option("--weights", options.weights, "Weights for an artifact without: .safetensors, .npz or a folder")
                      ->type_name("FILE")
                      ->group(group);
  command.add_option("--random-weights", options.randomWeights, "The same numbers from a seed everywhere, for an artifact without weights")
      ->type_name("SEED")
      ->excludes(weights)
      ->group(group);
  command.add_option("--verify", options.verify, "Which checksums to check before use: all, or header (all but the weights')")
      ->check(CLI::IsMember({"all", "header"}))
      ->type_name("WHAT")
      ->group(group);
  command.add_option("--trace", options.trace, "Write a trace for Perfetto or chrome://tracing, with the model's layer names")
      ->type_name("FILE.json")
      ->group(group);
}

void addImageOptions(CLI::App &command, ImageOptions &options) {
  command.add_option("--exif", options.exif, "off: do not turn photographs as their EXIF orientation says")
      ->check(CLI::IsMember({"on", "off"}))
      ->type_name("on|off");
}

int fail(const std::string &sentence) {
  std::fflush(stdout);
  fmt::print(stderr, "vit-run: error: {}\n", sentence);
  return ExitFailed;
}

int fail(const vitrt::Error &error) { return fail(error.message); }

int failUsage(const std::string &sentence) {
  fail(sentence);
  return ExitUsage;
}

int failArgument(const vitrt::Error &error) { return error.status == VITRT_ERROR_ARGUMENT ? failUsage(error.message) : fail(error); }

void warn(const std::string &sentence) { fmt::print(stderr, "vit-run: warning: {}\n", sentence); }

} // namespace vitrun
