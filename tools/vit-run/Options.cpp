//===- Options.cpp - what the commands share --------------------------------------*- C++ -*-===//
//
// Part of the vitc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===--------------------------------------------------------------------------------------===//

#include "tools/vit-run/Options.h"

#include "runtime/artifact/FileFormat.h"
#include "runtime/device/cpu/ThreadPool.h"

#include <charconv>
#include <cstdio>
#include <optional>

namespace vitrun {
namespace {

constexpr std::string_view kGpuPrefix = "cuda:";

constexpr std::string_view kEmulatorPrefix = "emulator:";

/// The number behind the device's colon.
template <typename T> std::optional<T> numberBehind(std::string_view prefix, std::string_view device) {
  T number = 0;
  const char *end = device.data() + device.size();
  if (device.starts_with(prefix))
    if (auto [rest, error] = std::from_chars(device.data() + prefix.size(), end, number); error == std::errc() && rest == end)
      return number;
  return std::nullopt;
}

std::string checkDevice(const std::string &device) {
  if (device == "cpu" || device == "emulator" || device == "cuda" || numberBehind<int>(kGpuPrefix, device) ||
      numberBehind<uint64_t>(kEmulatorPrefix, device))
    return "";
  return fmt::format("there is no device `{}`, only cpu, cuda, cuda:N, emulator and emulator:SEED", device);
}

} // namespace

std::string targetOf(const CommonOptions &options) {
  if (!options.target.empty() || options.device == "cpu")
    return options.target;
  return options.device.substr(0, options.device.find(':'));
}

int gpuOf(const CommonOptions &options) { return numberBehind<int>(kGpuPrefix, options.device).value_or(0); }

uint64_t emulatorSeedOf(const CommonOptions &options) { return numberBehind<uint64_t>(kEmulatorPrefix, options.device).value_or(0); }

void addCommonOptions(CLI::App &command, CommonOptions &options) {
  constexpr const char *group = "Common options";
  command.add_option("--threads", options.threads, "Threads (default: the cores that this process may run on)")
      ->check(CLI::Range(1u, vitrt::ThreadPool::kMaxThreads))
      ->type_name("N")
      ->group(group);
  command
      .add_option("--device", options.device,
                  "Where to run: cpu (default), cuda, cuda:N (the N-th NVIDIA GPU, from 0), or emulator (a GPU's kernels\non the CPU; "
                  "emulator:SEED: their threads in another order)")
      ->check(CLI::Validator(checkDevice, ""))
      ->type_name("NAME")
      ->group(group);
  command
      .add_option("--target", options.target,
                  "Which target of the file: cpu, reference, cuda:sm_80, ... (default: the first that runs on the device)")
      ->type_name("NAME")
      ->group(group);
  command
      .add_flag("--dependent-launch", options.dependentLaunch,
                "On GPUs of compute capability 9.0: a launch may begin before the one before it is over")
      ->group(group);
  command.add_option("--group", options.group, "Images that go through all layers together (default: as vitc chose)")
      ->check(CLI::Range(int64_t(1), int64_t(vitrt::kMaxGroup)))
      ->type_name("N")
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
