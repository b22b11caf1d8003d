//===- Runner.h - an opened artifact, ready to run -----------------------------*- C++ -*-===//
//
// Part of the vitc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===--------------------------------------------------------------------------------------===//

#ifndef VITC_TOOLS_VITRUN_RUNNER_H
#define VITC_TOOLS_VITRUN_RUNNER_H

#include "runtime/data/Arrays.h"
#include "runtime/image/Preprocess.h"
#include "runtime/plan/Session.h"
#include "runtime/train/TrainableModel.h"
#include "tools/vit-run/Images.h"
#include "tools/vit-run/Options.h"
#include "tools/vit-run/Trace.h"

#include <array>
#include <functional>
#include <memory>
#include <span>
#include <vector>

namespace vitrun {

/// Opens the artifact and binds weights if the options name some. Warnings of binding go to stderr, phases to the trace if there is one.
vitrt::Expected<std::unique_ptr<vitrt::Model>> openModel(const std::string &path, const CommonOptions &options, Trace *trace = nullptr);

/// The training program of a model where the options say, with memory for up to `batch` images at a time, and for averages of the
/// parameters if they are to be kept. VITRT_ERROR_ARGUMENT if the artifact holds none.
vitrt::Expected<std::unique_ptr<vitrt::TrainableModel>> createTrainable(vitrt::Model &model, const CommonOptions &options, size_t batch,
                                                                        bool averages);

/// A model with its weights, a session and the trace that was asked for.
class Runner {
public:
  /// Opens the artifact as openModel does and starts threads.
  static vitrt::Expected<Runner> load(const std::string &path, const CommonOptions &options, bool pin = false);

  const vitrt::Model &model() const { return *theModel; }
  const vitrt::fb::Model &description() const { return theModel->artifact().model(); }
  const vitrt::Program &program() const { return theModel->program(); }
  unsigned threads() const { return session->threads(); }
  /// Of the last run on a GPU, null if there is none.
  const vitrt::DeviceTimes *deviceTimes() const { return session->deviceTimes(); }
  /// From opening the file to a session that can run.
  double loadSeconds() const { return seconds; }

  /// Shape of the one image that the model takes, [C, H, W]; of pixels [H, W, C].
  std::span<const int64_t> inputShape() const;
  /// Whether it takes bytes as they are decoded, and normalises them itself.
  bool takesPixels() const;
  /// Height and width of an image.
  std::array<uint32_t, 2> inputSize() const;
  size_t inputElements() const;
  std::span<const int64_t> outputShape(size_t output) const;
  size_t outputElements(size_t output) const;

  size_t outputCount() const { return program().outputs.size(); }
  const std::string &outputName(size_t output) const;

  /// The output with a vector of class scores, "logits"; VITRT_ERROR_ARGUMENT if the program returns none. `path` is for the message.
  vitrt::Expected<size_t> logitsOutput(const std::string &path) const;
  /// Writes outputs of a batch: one as `.npy` unless the path ends in `.npz`, several as an `.npz` by their names.
  vitrt::Error writeOutputs(const std::string &path, size_t batch, const std::vector<std::vector<float>> &outputs) const;
  vitrt::Expected<vitrt::Preprocessor> preprocessor() const;
  /// The artifact's labels, or the lines of `file`; empty if there are none. There must be as many as classes.
  vitrt::Expected<std::vector<std::string>> labels(const std::string &file, size_t classes) const;

  /// Runs a batch; outputs are resized to fit. `observer` sees the launches instead of the trace.
  vitrt::Error run(size_t batch, ImageSpan input, std::vector<std::vector<float>> &outputs, vitrt::LaunchObserver *observer = nullptr);

  /// A phase for the trace, if there is one.
  void tracePhase(const std::string &name, Trace::Clock::time_point start);
  /// Closes the trace.
  vitrt::Error finish();

private:
  Runner() = default;

  std::unique_ptr<vitrt::Model> theModel;
  std::unique_ptr<vitrt::Session> session;
  std::unique_ptr<Trace> trace;
  double seconds = 0;
};

/// Checks an .npy of images against those that the model takes: f32 [N, C, H, W] or u8 [N, H, W, C] with N >= 1.
vitrt::Expected<ImageSpan> checkedImages(const vitrt::NpyArray &array, std::span<const int64_t> shape, bool pixels);

} // namespace vitrun

#endif // VITC_TOOLS_VITRUN_RUNNER_H
