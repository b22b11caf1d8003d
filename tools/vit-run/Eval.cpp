//===- Eval.cpp - vit-run eval ---*- C++ -*-===//
//
// Part of the vitc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===--------------------------------------------------------------------------------------===//

#include "runtime/data/Dataset.h"
#include "runtime/data/Files.h"
#include "tools/support/Progress.h"
#include "tools/vit-run/Batcher.h"
#include "tools/vit-run/ClassMap.h"
#include "tools/vit-run/Page.h"
#include "tools/vit-run/Predictions.h"
#include "tools/vit-run/Runner.h"

#include <algorithm>
#include <nlohmann/json.hpp>
#include <optional>

namespace vitrun {
namespace {

struct EvalOptions {
  CommonOptions common;
  ImageOptions image;
  std::string file, data, split = "test", labels, page;
  size_t limit = 0;
  size_t pageCount = 48;
  bool json = false;
};

/// Everything that is counted while images go through.
class Evaluation {
public:
  Evaluation(const EvalOptions &options, Runner &runner, vitrt::Dataset &dataset) : options(options), runner(runner), dataset(dataset) {}

  vitrt::Error prepare();
  vitrt::Error run();
  int report();

private:
  vitrt::Error runBatch(const std::vector<size_t> &indices, ImageSpan images);
  void addToPage(size_t index, std::span<const float> logits, bool right);
  int64_t expectedClass(size_t index) const {
    int64_t label = dataset.label(index);
    return classMap.empty() || size_t(label) >= classMap.size() ? label : classMap[size_t(label)];
  }
  std::string className(int64_t index) const {
    return index >= 0 && size_t(index) < labels.size() ? labels[size_t(index)] : fmt::format("class {}", index);
  }

  const EvalOptions &options;
  Runner &runner;
  vitrt::Dataset &dataset;
  size_t logitsOutput = 0, classes = 0, total = 0;
  std::vector<std::string> labels;
  std::vector<int64_t> classMap;
  std::optional<Batcher> batcher;
  std::vector<std::vector<float>> outputs;
  std::vector<PageEntry> page;
  size_t done = 0, top1 = 0, top5 = 0;
  bool failed = false;
  double seconds = 0;
};

vitrt::Error Evaluation::prepare() {
  total = options.limit ? std::min(options.limit, dataset.size()) : dataset.size();
  auto found = runner.logitsOutput(options.file);
  if (!found)
    return std::move(found.error());
  logitsOutput = *found;
  classes = runner.outputElements(logitsOutput);
  auto names = runner.labels(options.labels, classes);
  if (!names)
    return std::move(names.error());
  labels = std::move(*names);
  std::span<const std::string> dataNames = dataset.classNames();
  if (!dataNames.empty()) {
    auto map = matchClasses(dataNames, labels, classes, options.data);
    if (!map)
      return std::move(map.error());
    classMap = std::move(*map);
    if (labels.empty() && dataNames.size() == classes)
      labels.assign(dataNames.begin(), dataNames.end());
  }
  if (!dataset.hasPictures() && runner.takesPixels())
    return vitrt::makeError(VITRT_ERROR_ARGUMENT,
                            "{}: images that are normalised, and the model takes pixels; vitc --images=f32 makes one that takes them",
                            options.data);
  if (!dataset.hasPictures()) {
    std::span<const int64_t> shape = dataset.tensorShape(), expected = runner.inputShape();
    if (!std::equal(shape.begin(), shape.end(), expected.begin(), expected.end()))
      return vitrt::makeError(VITRT_ERROR_ARGUMENT, "{}: images of the shape {}, the model takes {}", options.data,
                              vitrt::formatShape(shape), vitrt::formatShape(expected));
    return vitrt::Error::success();
  }
  auto preprocessor = runner.preprocessor();
  if (!preprocessor)
    return std::move(preprocessor.error());
  auto result = Batcher::create(std::move(*preprocessor), options.common.threads, runner.takesPixels());
  if (!result)
    return std::move(result.error());
  batcher.emplace(std::move(*result));
  return vitrt::Error::success();
}

vitrt::Error Evaluation::run() {
  auto start = Trace::Clock::now();
  vitc::tool::Progress progress("evaluating", total);
  for (size_t begin = 0; begin < total; begin += Batcher::batchImages) {
    size_t end = std::min(begin + Batcher::batchImages, total);
    auto batchStart = Trace::Clock::now();
    Batcher::Batch batch;
    if (batcher) {
      batch = batcher->load(begin, end, [&](size_t i) { return dataset.picture(i); }, [&](size_t i) { return dataset.name(i); });
    } else {
      for (size_t i = begin; i < end; ++i) {
        std::span<const float> tensor = dataset.tensor(i);
        batch.indices.push_back(i);
        batch.images.values.insert(batch.images.values.end(), tensor.begin(), tensor.end());
      }
    }
    runner.tracePhase("preprocess", batchStart);
    for (const std::string &error : batch.errors) {
      progress.finish();
      failed = fail(error);
    }
    if (!batch.indices.empty())
      if (vitrt::Error error = runBatch(batch.indices, batch.images))
        return error;
    progress.advance(end - begin);
  }
  seconds = std::chrono::duration<double>(Trace::Clock::now() - start).count();
  return vitrt::Error::success();
}

vitrt::Error Evaluation::runBatch(const std::vector<size_t> &indices, ImageSpan images) {
  if (vitrt::Error error = runner.run(indices.size(), images, outputs))
    return error;
  // Entries of the page are spread over the whole data.
  size_t wanted = std::min(options.pageCount, total);
  for (size_t i = 0; i < indices.size(); ++i) {
    std::span<const float> logits = std::span(outputs[logitsOutput]).subspan(i * classes, classes);
    size_t rank = rankOf(logits, expectedClass(indices[i]));
    top1 += rank < 1;
    top5 += rank < 5;
    ++done;
    if (!options.page.empty() && indices[i] * wanted / total >= page.size() && page.size() < wanted)
      addToPage(indices[i], logits, rank == 0);
  }
  return vitrt::Error::success();
}

void Evaluation::addToPage(size_t index, std::span<const float> logits, bool right) {
  Prediction best = topClasses(logits, 1)[0];
  if (auto picture = dataset.picture(index))
    page.push_back({std::move(*picture), className(int64_t(best.index)), className(expectedClass(index)), best.probability, right});
}

int Evaluation::report() {
  if (done == 0)
    return fail(fmt::format("{}: no image could be read", options.data));
  double rate = seconds > 0 ? double(done) / seconds : 0, accuracy1 = double(top1) / double(done), accuracy5 = double(top5) / double(done);
  if (options.json) {
    nlohmann::ordered_json line = {{"n", done}, {"top1", accuracy1}, {"top5", accuracy5}, {"images_per_second", rate}};
    fmt::print("{}\n", line.dump());
  } else {
    fmt::print("{}: {} images, top-1 {:.2f} %, top-5 {:.2f} %, {:.0f} images/s on {} thread{}\n", options.data, done, 100 * accuracy1,
               100 * accuracy5, rate, runner.threads(), runner.threads() == 1 ? "" : "s");
  }
  if (!options.page.empty()) {
    std::string title = fmt::format("{} on {}: {:.2f} % right", flatbuffers::GetStringView(runner.model().artifact().model().name()),
                                    options.data, 100 * accuracy1);
    auto bytes = vitrt::encodePng(drawPage(page, title));
    if (!bytes)
      return fail(bytes.error());
    if (vitrt::Error error = vitrt::writeFile(options.page, *bytes))
      return fail(error);
  }
  return failed ? ExitFailed : ExitDone;
}

int eval(const EvalOptions &options) {
  auto split = options.split == "train" ? vitrt::Split::Train : vitrt::Split::Test;
  auto dataset = vitrt::openDataset(options.data, split, options.image.decode());
  if (!dataset)
    return fail(dataset.error());
  if (!options.page.empty() && !(*dataset)->hasPictures())
    return failUsage(fmt::format("{}: tensors cannot be drawn; --page needs pictures", options.data));
  auto runner = Runner::load(options.file, options.common);
  if (!runner)
    return fail(runner.error());
  Evaluation evaluation(options, *runner, **dataset);
  if (vitrt::Error error = evaluation.prepare())
    return fail(error);
  if (vitrt::Error error = evaluation.run())
    return fail(error);
  if (vitrt::Error error = runner->finish())
    return fail(error);
  return evaluation.report();
}

} // namespace

void addEvalCommand(CLI::App &tool, Action &action) {
  auto options = std::make_shared<EvalOptions>();
  CLI::App *command = tool.add_subcommand("eval", "Measure accuracy on labelled images");
  command->add_option("FILE.vitx", options->file, "The compiled model")->required();
  command
      ->add_option("--data", options->data,
                   "A folder with one folder a class, fashion-mnist[:DIR], cifar10:DIR, cifar100:DIR, or tensors:FILE.npz with `images` "
                   "and `labels`")
      ->type_name("DATASET")
      ->required();
  command->add_option("--split", options->split, "test (default) or train, of data that has both")
      ->check(CLI::IsMember({"test", "train"}))
      ->type_name("SPLIT");
  command->add_option("--limit", options->limit, "Only the first N images")->check(CLI::Range(1u, UINT32_MAX))->type_name("N");
  command->add_option("--labels", options->labels, "Names of the model's classes, one a line (default: the artifact's own)")
      ->type_name("FILE");
  command->add_option("--page", options->page, "Draw a page of predictions")->type_name("OUT.png");
  command->add_option("--page-count", options->pageCount, "Images on that page (default: 48)")
      ->check(CLI::Range(1u, 1000u))
      ->type_name("N");
  command->add_flag("--json", options->json, "One object: {\"n\", \"top1\", \"top5\", \"images_per_second\"}");
  addImageOptions(*command, options->image);
  addCommonOptions(*command, options->common);
  command->footer("Speed counts reading, preprocessing and running.\n\nExample:\n  vit-run eval fashion.vitx --data=fashion-mnist "
                  "--page=predictions.png");
  command->callback([options, &action] { action = [options] { return eval(*options); }; });
}

} // namespace vitrun
