//===- TrainReport.h - what a training run says while it runs -------------------*- C++ -*-===//
//
// Part of the vitc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===--------------------------------------------------------------------------------------===//

#ifndef VITC_TOOLS_VITRUN_TRAINREPORT_H
#define VITC_TOOLS_VITRUN_TRAINREPORT_H

#include "runtime/train/Trainer.h"
#include "tools/support/Progress.h"

#include <chrono>

namespace vitrun {

/// From now on the first Ctrl-C (SIGINT, SIGTERM, SIGHUP) asks the run to stop where it can be resumed; the second ends the process at once.
void stopOnInterrupt();
bool isInterrupted();

/// A sentence about classes without an image, the first few by their names, as this is more often a mistake in the folders than meant; empty
/// if there are none, or classes have no names.
std::string emptyClasses(const vitrt::Dataset &images);

/// A progress bar and a line an epoch, or lines of JSON.
class TrainReport final : public vitrt::TrainingListener {
public:
  /// `images` are those that are still to be trained on, `epochs` all of the run.
  TrainReport(bool json, size_t images, uint64_t epochs) : json(json), epochs(epochs), bar("training", images) {}

  void stepped(const vitrt::StepReport &report) override;
  void epochEnded(uint64_t epoch, const vitrt::EpochRecord &record) override;
  void warned(const std::string &sentence) override;
  bool stops() override { return isInterrupted(); }

  void finish() { bar.finish(); }

private:
  bool json;
  uint64_t epochs;
  vitc::tool::Progress bar;
  size_t imagesOfEpoch = 0;
  double secondsOfEpoch = 0;
};

} // namespace vitrun

#endif // VITC_TOOLS_VITRUN_TRAINREPORT_H
