//===- Classify.cpp - vit-run classify ---*- C++ -*-===//
//
// Part of the vitc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===--------------------------------------------------------------------------------------===//

#include "runtime/data/Dataset.h"
#include "tools/support/Progress.h"
#include "tools/vit-run/Batcher.h"
#include "tools/vit-run/Predictions.h"
#include "tools/vit-run/Runner.h"

#include <filesystem>
#include <nlohmann/json.hpp>

namespace vitrun {
namespace {

struct ClassifyOptions {
  CommonOptions common;
  ImageOptions image;
  std::string file;
  std::vector<std::string> images;
  size_t topk = 5;
  std::string labels;
  bool json = false;
};

/// Folders are replaced by the images below them.
vitrt::Expected<std::vector<std::string>> expandFolders(const std::vector<std::string> &arguments) {
  std::vector<std::string> paths;
  for (const std::string &argument : arguments) {
    std::error_code code;
    if (!std::filesystem::is_directory(argument, code)) {
      paths.push_back(argument);
      continue;
    }
    auto images = vitrt::listImages(argument);
    if (!images)
      return std::move(images.error());
    if (images->empty())
      return vitrt::makeError(VITRT_ERROR_IO, "{}: the folder holds no .jpg, .jpeg or .png file", argument);
    paths.insert(paths.end(), images->begin(), images->end());
  }
  return paths;
}

void printJson(const std::string &path, const std::vector<Prediction> &predictions, const std::vector<std::string> &labels) {
  nlohmann::ordered_json classes = nlohmann::ordered_json::array();
  for (const Prediction &prediction : predictions)
    classes.push_back({{"index", prediction.index},
                       {"label", labels.empty() ? nlohmann::ordered_json() : nlohmann::ordered_json(labels[prediction.index])},
                       {"probability", prediction.probability}});
  // Paths are bytes; what is no UTF-8 is replaced instead of ending the run.
  nlohmann::ordered_json line = {{"path", path}, {"classes", std::move(classes)}};
  fmt::print("{}\n", line.dump(-1, ' ', false, nlohmann::json::error_handler_t::replace));
}

void printText(const std::string &path, const std::vector<Prediction> &predictions, const std::vector<std::string> &labels) {
  fmt::print("{}\n", path);
  for (const Prediction &prediction : predictions)
    fmt::print("  {:6.2f} %  {:4}  {}\n", 100 * prediction.probability, prediction.index, labels.empty() ? "" : labels[prediction.index]);
}

int classify(const ClassifyOptions &options) {
  auto paths = expandFolders(options.images);
  if (!paths)
    return fail(paths.error());
  auto runner = Runner::load(options.file, options.common);
  if (!runner)
    return fail(runner.error());
  auto logitsOutput = runner->logitsOutput(options.file);
  if (!logitsOutput)
    return fail(logitsOutput.error());
  size_t classes = runner->outputElements(*logitsOutput);
  auto labels = runner->labels(options.labels, classes);
  if (!labels)
    return fail(labels.error());
  auto preprocessor = runner->preprocessor();
  if (!preprocessor)
    return fail(preprocessor.error());
  auto batcher = Batcher::create(std::move(*preprocessor), options.common.threads, runner->takesPixels());
  if (!batcher)
    return fail(batcher.error());

  bool failed = false;
  std::vector<std::vector<float>> outputs;
  vitc::tool::Progress progress("classifying", paths->size());
  for (size_t begin = 0; begin < paths->size(); begin += Batcher::batchImages) {
    size_t end = std::min(begin + Batcher::batchImages, paths->size());
    auto start = Trace::Clock::now();
    Batcher::Batch batch = batcher->load(
        begin, end, [&](size_t i) { return vitrt::readImage((*paths)[i], options.image.decode()); }, [&](size_t i) { return (*paths)[i]; });
    runner->tracePhase("preprocess", start);
    progress.finish();
    for (const std::string &error : batch.errors)
      failed = fail(error);
    if (!batch.indices.empty())
      if (vitrt::Error error = runner->run(batch.indices.size(), batch.images, outputs))
        return fail(error);
    for (size_t i = 0; i < batch.indices.size(); ++i) {
      const std::string &path = (*paths)[batch.indices[i]];
      std::span<const float> logits = std::span(outputs[*logitsOutput]).subspan(i * classes, classes);
      if (size_t undefined = countUndefined(logits))
        failed = fail(fmt::format("{}: {} of the model's {} class scores are NaN or infinite, expected numbers", path, undefined, classes));
      else
        (options.json ? printJson : printText)(path, topClasses(logits, options.topk), *labels);
    }
    std::fflush(stdout);
    progress.advance(end - begin);
  }
  if (vitrt::Error error = runner->finish())
    return fail(error);
  return failed ? ExitFailed : ExitDone;
}

} // namespace

void addClassifyCommand(CLI::App &tool, Action &action) {
  auto options = std::make_shared<ClassifyOptions>();
  CLI::App *command = tool.add_subcommand("classify", "Say what is on images");
  command->add_option("FILE.vitx", options->file, "The compiled model")->required();
  command->add_option("IMAGE-OR-FOLDER", options->images, "JPEG or PNG files, or folders to search for them")->required();
  command->add_option("--topk", options->topk, "How many classes to print for each image (default: 5)")
      ->check(CLI::Range(1u, 1000000u))
      ->type_name("N");
  command->add_option("--labels", options->labels, "Names of the classes, one a line (default: the artifact's own)")->type_name("FILE");
  command->add_flag("--json", options->json, "One object a line: {\"path\", \"classes\": [{\"index\", \"label\", \"probability\"}]}");
  addImageOptions(*command, options->image);
  addCommonOptions(*command, options->common);
  command->footer("Example:\n  vit-run classify tiny.vitx photographs/ cat.jpg --topk=3 --labels=labels.txt");
  command->callback([options, &action] { action = [options] { return classify(*options); }; });
}

} // namespace vitrun
