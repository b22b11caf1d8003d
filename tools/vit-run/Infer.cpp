//===- Infer.cpp - vit-run infer ---*- C++ -*-===//
//
// Part of the vitc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===--------------------------------------------------------------------------------------===//

#include "runtime/data/Arrays.h"
#include "tools/support/Progress.h"
#include "tools/vit-run/Runner.h"

#include <cmath>

namespace vitrun {
namespace {

struct InferOptions {
  CommonOptions common;
  std::string file, input, output, expected;
  double tolerance = 1e-4;
};

/// Images of one call: large enough for every thread to have groups of its own, small enough to show progress.
constexpr size_t callImages = 256;

int checkExpected(const vitrt::NpyArray &expected, double tolerance, const std::string &what, std::span<const float> output,
                  const std::vector<int64_t> &shape) {
  auto values = expected.floats();
  if (!values)
    return fail(values.error());
  if (expected.shape() != shape)
    return fail(fmt::format("{}: the array has the shape {}, {} is {}", expected.name(), vitrt::formatShape(expected.shape()), what,
                            vitrt::formatShape(shape)));
  double largest = 0;
  size_t where = 0;
  for (size_t i = 0; i < output.size(); ++i) {
    double difference = std::fabs(double(output[i]) - double((*values)[i]));
    if (std::isnan(difference))
      difference = std::isnan(output[i]) && std::isnan((*values)[i]) ? 0 : INFINITY;
    if (difference > largest) {
      largest = difference;
      where = i;
    }
  }
  fmt::print("largest difference to {}: {:.3g}, tolerance {:.3g}\n", expected.name(), largest, tolerance);
  if (largest <= tolerance)
    return ExitDone;
  size_t perImage = output.size() / size_t(shape[0]);
  return fail(fmt::format("{} differs from {} by {:.3g} at element {} of image {}: {:.9g} instead of {:.9g}", what, expected.name(),
                          largest, where % perImage, where / perImage, output[where], (*values)[where]));
}

/// One output against an array, several against the arrays of their names.
int checkOutputs(const InferOptions &options, const Runner &runner, size_t n, const std::vector<std::vector<float>> &outputs) {
  auto shapeOf = [&](size_t i) {
    std::vector<int64_t> shape = {int64_t(n)};
    shape.insert(shape.end(), runner.outputShape(i).begin(), runner.outputShape(i).end());
    return shape;
  };
  if (outputs.size() == 1) {
    auto expected = vitrt::readNpy(options.expected);
    return expected ? checkExpected(*expected, options.tolerance, "the output", outputs[0], shapeOf(0)) : fail(expected.error());
  }
  auto arrays = vitrt::readNpz(options.expected);
  if (!arrays)
    return fail(arrays.error());
  int code = ExitDone;
  for (size_t i = 0; i < outputs.size(); ++i) {
    const std::string &name = runner.outputName(i);
    auto expected = arrays->find(name);
    if (expected == arrays->end())
      return fail(fmt::format("{}: there is no array '{}', which the model returns", options.expected, name));
    code = std::max(code, checkExpected(expected->second, options.tolerance, name, outputs[i], shapeOf(i)));
  }
  return code;
}

int infer(const InferOptions &options) {
  if (options.output.empty() && options.expected.empty())
    return failUsage("infer needs --output=Y.npy, --expected=Y.npy or both");
  auto input = vitrt::readNpy(options.input);
  if (!input)
    return fail(input.error());
  auto runner = Runner::load(options.file, options.common);
  if (!runner)
    return fail(runner.error());
  auto images = checkedImages(*input, runner->inputShape(), runner->takesPixels());
  if (!images)
    return fail(images.error());
  if (runner->outputCount() > 1)
    for (const std::string &path : {options.output, options.expected})
      if (path.ends_with(".npy"))
        return failUsage(
            fmt::format("{} returns {} outputs, which go into one .npz, not into {}", options.file, runner->outputCount(), path));

  size_t n = size_t(input->shape()[0]), elements = runner->inputElements();
  std::vector<std::vector<float>> results(runner->outputCount()), outputs;
  vitc::tool::Progress progress("infer", n);
  for (size_t begin = 0; begin < n; begin += callImages) {
    size_t count = std::min(callImages, n - begin);
    if (vitrt::Error error = runner->run(count, images->subspan(begin * elements, count * elements), outputs))
      return fail(error);
    for (size_t i = 0; i < outputs.size(); ++i)
      results[i].insert(results[i].end(), outputs[i].begin(), outputs[i].end());
    progress.advance(count);
  }
  progress.finish();
  if (vitrt::Error error = runner->finish())
    return fail(error);

  if (!options.output.empty())
    if (vitrt::Error error = runner->writeOutputs(options.output, n, results))
      return fail(error);
  return options.expected.empty() ? ExitDone : checkOutputs(options, *runner, n, results);
}

} // namespace

void addInferCommand(CLI::App &tool, Action &action) {
  auto options = std::make_shared<InferOptions>();
  CLI::App *command = tool.add_subcommand("infer", "Run a model on arrays");
  command->add_option("FILE.vitx", options->file, "The compiled model")->required();
  command
      ->add_option("--input", options->input,
                   "Images f32 [N, C, H, W], already normalised, or for a model that takes pixels u8 [N, H, W, C]; N >= 1")
      ->type_name("X.npy")
      ->required();
  command->add_option("--output", options->output, "Where the output [N, ...] goes; several outputs: an .npz")->type_name("Y.npy");
  command->add_option("--expected", options->expected, "Compare the output with this array (several: an .npz); exit 1 if they differ")
      ->type_name("Y.npy");
  command->add_option("--tolerance", options->tolerance, "Largest accepted absolute difference (default: 1e-4)")
      ->check(CLI::NonNegativeNumber)
      ->type_name("T");
  addCommonOptions(*command, options->common);
  command->footer("Example:\n  vit-run infer tiny.vitx --input=images.npy --output=logits.npy --expected=reference.npy --tolerance=1e-4");
  command->callback([options, &action] { action = [options] { return infer(*options); }; });
}

} // namespace vitrun
