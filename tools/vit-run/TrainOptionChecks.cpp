//===- TrainOptionChecks.cpp - options of vit-run train that do not go together -*- C++ -*-===//
//
// Part of the vitc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===--------------------------------------------------------------------------------------===//

#include "tools/vit-run/TrainOptions.h"

#include <algorithm>
#include <fmt/ranges.h>
#include <vector>

namespace vitrun {
namespace {

/// An option, and the schedules or optimizers whose numbers depend on it.
struct Reader {
  std::string_view option;
  std::vector<std::string_view> by;
};

const std::vector<Reader> &scheduleReaders() {
  static const std::vector<Reader> readers = {{"--schedule-every", {"step", "exponential", "cosine", "cosine-annealing", "linear"}},
                                              {"--min-lr", {"cosine", "cosine-annealing", "linear"}},
                                              {"--t-max", {"cosine", "cosine-annealing", "linear"}},
                                              {"--cycles", {"cosine"}},
                                              {"--cycle-decay", {"cosine"}},
                                              {"--gamma", {"step", "exponential"}},
                                              {"--step-size", {"step"}}};
  return readers;
}

const std::vector<Reader> &optimizerReaders() {
  static const std::vector<std::string_view> adam = {"adam", "adamw", "labml-adam"};
  static const std::vector<Reader> readers = {
      {"--momentum", {"sgd"}}, {"--nesterov", {"sgd"}}, {"--beta1", adam}, {"--beta2", adam}, {"--eps", adam}};
  return readers;
}

/// The first reader of `readers` whose option was given though `chosen` does not read it; null if there is none.
const Reader *findUnread(const std::vector<Reader> &readers, const TrainOptions &options, std::string_view chosen) {
  auto found = std::ranges::find_if(readers, [&](const Reader &reader) {
    return options.isGiven(reader.option) && std::ranges::find(reader.by, chosen) == reader.by.end();
  });
  return found == readers.end() ? nullptr : &*found;
}

std::string checkEnding(std::string_view option, const std::string &path, std::initializer_list<std::string_view> endings) {
  if (path.empty() || std::ranges::any_of(endings, [&](std::string_view ending) { return path.ends_with(ending); }))
    return "";
  return fmt::format("{}={}: a file of this ending cannot be written, expected {}", option, path, fmt::join(endings, " or "));
}

} // namespace

std::string contradiction(const TrainOptions &options) {
  if (const Reader *unread = findUnread(scheduleReaders(), options, options.schedule))
    return fmt::format("{} is for --schedule={}, not for {}", unread->option, fmt::join(unread->by, ", "), options.schedule);
  for (std::string_view option : {"--warmup", "--warmup-lr"})
    if (options.isGiven(option) && !options.isGiven("--warmup-steps"))
      return fmt::format("{} says how the rate rises over the --warmup-steps, and none are given", option);
  if (options.isGiven("--teacher-kind") && options.teacher.empty() && options.teacherModel.empty())
    return "--teacher-kind says what is taken from the --teacher or --teacher-model, and none is given";
  if (options.isGiven("--clip-kind") && !options.clipNorm)
    return "--clip-kind says how the norm is limited to --clip-norm, which is not given";
  if (options.tMax && options.every == "step" && options.warmup == "delays" && options.warmupSteps >= *options.tMax)
    return fmt::format("--warmup-steps={} leaves nothing of --t-max={}", options.warmupSteps, *options.tMax);
  if (options.data.starts_with("tensors:") && options.augment != "none" && !options.augment.empty())
    return fmt::format("--augment is for pictures, and {} holds tensors", options.data);
  if (!options.common.trace.empty())
    return "--trace shows inference, and train writes none";
  if (options.nesterov && options.momentum == 0)
    return "--nesterov needs a --momentum that is not 0";
  std::string sentences[] = {checkEnding("--save", options.save, {".safetensors", ".npz"}),
                             checkEnding("--gradients", options.gradients, {".npz", ".safetensors"}),
                             checkEnding("--plot", options.plot, {".svg"})};
  auto first = std::ranges::find_if(sentences, [](const std::string &sentence) { return !sentence.empty(); });
  return first == std::end(sentences) ? "" : *first;
}

std::string unreadOption(const TrainOptions &options, std::string_view optimizer) {
  const Reader *unread = findUnread(optimizerReaders(), options, optimizer);
  if (!unread)
    return "";
  std::vector<std::string_view> own;
  for (const Reader &reader : optimizerReaders())
    if (std::ranges::find(reader.by, optimizer) != reader.by.end())
      own.push_back(reader.option);
  return fmt::format("{} is for {}, and {} was compiled with --optimizer={}, whose numbers are {}", unread->option,
                     fmt::join(unread->by, ", "), options.file, optimizer, fmt::join(own, ", "));
}

} // namespace vitrun
