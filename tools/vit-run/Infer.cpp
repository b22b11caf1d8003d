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

int checkExpected(const InferOptions &options, std::span<const float> output, const std::vector<int64_t> &shape) {
  auto expected = vitrt::readNpy(options.expected);
  if (!expected)
    return fail(expected.error());
  auto values = expected->floats();
  if (!values)
    return fail(values.error());
  if (expected->shape() != shape)
    return fail(fmt::format("{}: the array has the shape {}, the output is {}", options.expected, vitrt::formatShape(expected->shape()),
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
  fmt::print("largest difference to {}: {:.3g}, tolerance {:.3g}\n", options.expected, largest, options.tolerance);
  if (largest <= options.tolerance)
    return ExitDone;
  size_t perImage = output.size() / size_t(shape[0]);
  return fail(fmt::format("the output differs from {} by {:.3g} at element {} of image {}: {:.9g} instead of {:.9g}", options.expected,
                          largest, where % perImage, where / perImage, output[where], (*values)[where]));
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
  auto images = checkedImages(*input, *runner);
  if (!images)
    return fail(images.error());
  const vitrt::Program &program = runner->program();
  if (program.outputs.size() > 1 && (options.output.ends_with(".npy") || !options.expected.empty()))
    return failUsage(fmt::format("{} returns {} outputs; write them with --output=Y.npz", options.file, program.outputs.size()));

  size_t n = size_t(input->shape()[0]), elements = runner->inputElements();
  std::vector<std::vector<float>> results(program.outputs.size()), outputs;
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

  std::vector<vitrt::NpyOutput> arrays;
  for (size_t i = 0; i < results.size(); ++i) {
    std::vector<int64_t> shape = {int64_t(n)};
    shape.insert(shape.end(), runner->outputShape(i).begin(), runner->outputShape(i).end());
    arrays.push_back({program.buffers[program.outputs[i]].name, std::move(shape), results[i]});
  }
  if (!options.output.empty()) {
    bool npz = arrays.size() > 1 || options.output.ends_with(".npz");
    if (vitrt::Error error = npz ? vitrt::writeNpz(options.output, arrays) : vitrt::writeNpy(options.output, arrays[0]))
      return fail(error);
  }
  return options.expected.empty() ? ExitDone : checkExpected(options, results[0], arrays[0].shape);
}

} // namespace

void addInferCommand(CLI::App &tool, Action &action) {
  auto options = std::make_shared<InferOptions>();
  CLI::App *command = tool.add_subcommand("infer", "Run a model on arrays");
  command->add_option("FILE.vitx", options->file, "The compiled model")->required();
  command->add_option("--input", options->input, "Images f32 [N, C, H, W], already normalised, N >= 1")->type_name("X.npy")->required();
  command->add_option("--output", options->output, "Where the output [N, ...] goes; several outputs: an .npz")->type_name("Y.npy");
  command->add_option("--expected", options->expected, "Compare the output with this array; exit 1 if they differ")->type_name("Y.npy");
  command->add_option("--tolerance", options->tolerance, "Largest accepted absolute difference (default: 1e-4)")
      ->check(CLI::NonNegativeNumber)
      ->type_name("T");
  addCommonOptions(*command, options->common);
  command->footer("Example:\n  vit-run infer tiny.vitx --input=images.npy --output=logits.npy --expected=reference.npy --tolerance=1e-4");
  command->callback([options, &action] { action = [options] { return infer(*options); }; });
}

} // namespace vitrun
