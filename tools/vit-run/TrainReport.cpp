//===- TrainReport.cpp - what a training run says while it runs -----------------*- C++ -*-===//
//
// Part of the vitc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===--------------------------------------------------------------------------------------===//

#include "tools/vit-run/TrainReport.h"
#include "tools/vit-run/Options.h"

#include "runtime/data/Files.h"

#include <algorithm>
#include <csignal>
#include <cstdio>
#include <fmt/ranges.h>
#include <unistd.h>

namespace vitrun {
namespace {

volatile std::sig_atomic_t interrupted = 0;

/// Only async-signal-safe calls are made.
void onInterrupt(int) {
  if (!interrupted) {
    interrupted = 1;
    return;
  }
  vitrt::removeUncommittedFiles();
  _exit(ExitInterrupted);
}

} // namespace

void stopOnInterrupt() {
  for (int signal : {SIGINT, SIGTERM, SIGHUP})
    std::signal(signal, onInterrupt);
}

bool isInterrupted() { return interrupted != 0; }

std::string emptyClasses(const vitrt::Dataset &images) {
  constexpr size_t maxNamed = 3;
  std::span<const std::string> names = images.classNames();
  std::vector<bool> isSeen(names.size());
  for (size_t i = 0; i < images.size() && !names.empty(); ++i)
    isSeen[size_t(images.label(i))] = true;
  auto empty = size_t(std::count(isSeen.begin(), isSeen.end(), false));
  if (empty == 0)
    return "";
  std::vector<std::string> named;
  for (size_t i = 0; i < names.size() && named.size() < maxNamed; ++i)
    if (!isSeen[i])
      named.push_back(names[i]);
  if (empty == 1)
    return fmt::format("there is no image of the class {} to train on", named[0]);
  return fmt::format("there is no image of {} of the {} classes to train on: {}{}", empty, names.size(), fmt::join(named, ", "),
                     empty > maxNamed ? fmt::format(" and {} more", empty - maxNamed) : "");
}

void TrainReport::stepped(const vitrt::StepReport &report) {
  double rate = report.seconds > 0 ? double(report.images) / report.seconds : 0;
  imagesOfEpoch += report.images;
  secondsOfEpoch += report.seconds;
  if (json) {
    // 9 digits tell every f32 apart.
    fmt::print("{{\"step\": {}, \"loss\": {:.9g}, \"lr\": {:.9g}, \"grad_norm\": {:.9g}, \"images_per_second\": {:.1f}}}\n", report.step,
               report.loss, report.learningRate, report.gradientNorm.value_or(0), rate);
    std::fflush(stdout); // who reads along sees each step as it ends
  }
  bar.note(fmt::format("loss {:.4f}, lr {:.3g}", report.loss, report.learningRate));
  bar.advance(report.images);
}

void TrainReport::epochEnded(uint64_t epoch, const vitrt::EpochRecord &record) {
  bar.finish();
  double rate = secondsOfEpoch > 0 ? double(imagesOfEpoch) / secondsOfEpoch : 0;
  if (json)
    fmt::print("{{\"epoch\": {}, \"train_loss\": {:.9g}, \"val_top1\": {}}}\n", epoch, record.trainLoss,
               record.valTop1 ? fmt::format("{:.9g}", *record.valTop1) : "null");
  else
    fmt::print("epoch {:{}}/{}: loss {:.4f}{}, {:.0f} images/s\n", epoch + 1, fmt::formatted_size("{}", epochs), epochs, record.trainLoss,
               record.valTop1 ? fmt::format(", top-1 {:.2f} %", 100 * *record.valTop1) : "", rate);
  std::fflush(stdout);
  imagesOfEpoch = 0;
  secondsOfEpoch = 0;
}

void TrainReport::warned(const std::string &sentence) {
  bar.finish();
  warn(sentence);
}

} // namespace vitrun
