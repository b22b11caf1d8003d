//===- Train.cpp - vit-run train ---*- C++ -*-===//
//
// Part of the vitc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===--------------------------------------------------------------------------------------===//

#include "runtime/artifact/FileFormat.h"
#include "runtime/data/Files.h"
#include "runtime/train/FineTune.h"
#include "runtime/train/LossCurve.h"
#include "tools/vit-run/ClassMap.h"
#include "tools/vit-run/Runner.h"
#include "tools/vit-run/TrainOptions.h"
#include "tools/vit-run/TrainReport.h"

#include <algorithm>
#include <filesystem>

namespace vitrun {

using vitrt::Error;
using vitrt::Expected;
using vitrt::makeError;

namespace {

/// Everything between the options and the trainer.
class TrainingRun {
public:
  explicit TrainingRun(const TrainOptions &options) : options(options) {}

  Error prepare();
  /// Trains and writes what was asked for. Gives the exit code.
  Expected<int> run();

private:
  Error openData();
  Expected<std::unique_ptr<vitrt::BatchReader>> read(const vitrt::Dataset &data, bool validates, vitrt::Cursor start = {});
  Error openTeacher();
  Error groupParameters();
  Error prepareFolder();
  Error resume();
  vitrt::RunOptions recorded() const;
  vitrt::TrainerOptions trainerOptions() const;
  Error writeResults(const vitrt::TrainingPosition &position, bool complete);
  void describe() const;

  const vitrt::fb::Model &description() const { return model->artifact().model(); }
  uint64_t stepsPerEpoch() const { return trainReader->batchesPerEpoch(); }

  const TrainOptions &options;
  std::unique_ptr<vitrt::Model> model, teacherModel;
  std::unique_ptr<vitrt::TrainableModel> session;
  std::optional<vitrt::TrainingData> data;
  std::vector<int64_t> classMap;
  std::unique_ptr<vitrt::BatchReader> trainReader, valReader;
  std::unique_ptr<vitrt::Teacher> teacher;
  vitrt::TrainingPosition start;
};

/// Says now what would else be said after hours of training.
Error checkWritable(const std::string &path) {
  if (path.empty())
    return Error::success();
  auto file = vitrt::OutputFile::create(path);
  return file ? Error::success() : std::move(file.error());
}

/// Of the files that are written at the end those in the checkpoints' folder, which waits to be made, or those elsewhere.
Error checkResultsWritable(const TrainOptions &options, bool inFolder) {
  for (const std::string &path : {options.save, options.gradients, options.plot}) {
    bool isThere = !options.checkpoint.empty() && std::filesystem::path(path).parent_path() == std::filesystem::path(options.checkpoint);
    if (Error error = isThere == inFolder ? checkWritable(path) : Error::success())
      return error;
  }
  return Error::success();
}

Error TrainingRun::prepare() {
  if (Error error = checkResultsWritable(options, false))
    return error;
  auto opened = openModel(options.file, options.common);
  if (!opened)
    return std::move(opened.error());
  model = std::move(*opened);
  auto created = createTrainable(*model, options.common, (options.batch + options.accumulate - 1) / options.accumulate, options.ema > 0);
  if (!created)
    return std::move(created.error());
  session = std::move(*created);
  if (std::string sentence = unreadOption(options, session->optimizer()); !sentence.empty())
    return Error{VITRT_ERROR_ARGUMENT, sentence};
  if (options.ema > 0)
    if (Error error = session->keepAverages())
      return error;
  if (Error error = openData())
    return error;
  if (Error error = openTeacher())
    return error;
  if (Error error = groupParameters())
    return error;
  if (!options.fineTune.empty()) {
    auto weights = vitrt::openTensorFile(options.fineTune);
    if (!weights)
      return std::move(weights.error());
    auto notes = vitrt::loadForFineTuning(*session, **weights);
    if (!notes)
      return std::move(notes.error());
    for (const std::string &note : *notes)
      fmt::print(stderr, "vit-run: note: {}\n", note);
  }
  if (auto schedule = options.makeSchedule(stepsPerEpoch()); !schedule)
    return std::move(schedule.error());
  // What a GPU has no memory for is said now, and not after the first epoch; larger batches become smaller groups there.
  if (model->gpu() && valReader) {
    std::vector<float> blank(session->imageElements()), scores(session->classes());
    if (Error error = session->logits(1, blank.data(), scores.data()))
      return error;
  }
  if (!options.checkpoint.empty())
    if (Error error = prepareFolder())
      return error;
  return options.resume ? resume() : Error::success();
}

Error TrainingRun::openData() {
  auto opened = vitrt::TrainingData::open(options.data, options.split());
  if (!opened)
    return std::move(opened.error());
  data.emplace(std::move(*opened));
  std::vector<std::string> labels;
  if (auto *embedded = description().labels())
    for (const flatbuffers::String *label : *embedded)
      labels.push_back(label->str());
  if (!data->classNames().empty()) {
    auto map = matchClasses(data->classNames(), labels, session->classes(), options.data);
    if (!map)
      return std::move(map.error());
    classMap = std::move(*map);
  }
  auto reader = read(data->train(), false);
  if (!reader)
    return std::move(reader.error());
  trainReader = std::move(*reader);
  start.images = data->train().size();
  if (!data->val()) {
    if (options.patience)
      return makeError(VITRT_ERROR_ARGUMENT,
                       "--patience waits for a better accuracy, and {} has nothing to validate on; --val-fraction=0.1 "
                       "sets images aside",
                       options.data);
    return Error::success();
  }
  auto validation = read(*data->val(), true);
  if (!validation)
    return std::move(validation.error());
  valReader = std::move(*validation);
  return Error::success();
}

Expected<std::unique_ptr<vitrt::BatchReader>> TrainingRun::read(const vitrt::Dataset &images, bool validates, vitrt::Cursor from) {
  vitrt::BatchReaderOptions reader{.batch = options.batch,
                                   .classes = session->classes(),
                                   .shape = {description().channels(), description().height(), description().width()},
                                   .labelSmoothing = validates ? 0 : options.labelSmoothing,
                                   .seed = options.seed,
                                   .shuffle = !validates && options.shuffle == "on",
                                   .start = from,
                                   .threads = options.readers,
                                   .ahead = model->gpu() ? 2u : 1u, // one is copied while the one before is computed
                                   .strict = options.strict,
                                   .replaces = !validates,
                                   .classMap = classMap};
  if (images.hasPictures()) {
    auto preprocessor =
        vitrt::Preprocessor::create(description().preprocess(), description().channels(), description().height(), description().width());
    if (!preprocessor)
      return std::move(preprocessor.error());
    reader.preprocessor = std::move(*preprocessor);
  }
  if (!validates)
    reader.augmentation = *vitrt::Augmentation::parse(options.augment);
  return vitrt::BatchReader::create(images, std::move(reader));
}

Error TrainingRun::openTeacher() {
  bool isModel = options.teacher.empty();
  const std::string &path = isModel ? options.teacherModel : options.teacher;
  if (path.empty())
    return Error::success();
  if (!session->hasTeacher())
    return makeError(VITRT_ERROR_ARGUMENT,
                     "{}: a teacher is for a model with a distillation token (vitc --list-models distilled), and {} has none", path,
                     options.file);
  auto kind = options.teacherKind == "soft" ? vitrt::TeacherKind::Soft : vitrt::TeacherKind::Hard;
  auto opened = vitrt::Expected<std::unique_ptr<vitrt::Teacher>>(nullptr);
  if (isModel) {
    // Target, device and weights that the options name are the student's.
    auto loaded = vitrt::Model::open(path, {.verify = options.common.verify == "header" ? VITRT_VERIFY_HEADER : VITRT_VERIFY_ALL,
                                            .target = {},
                                            .threads = options.common.threads});
    if (!loaded)
      return std::move(loaded.error());
    if (!(*loaded)->hasWeights())
      return makeError(VITRT_ERROR_WEIGHTS,
                       "{}: the artifact holds no weights, and a teacher needs its own; compile it with vitc --weights=FILE", path);
    teacherModel = std::move(*loaded);
    opened = vitrt::createTeacher(*teacherModel, kind, description(), session->classes(), session->threads());
  } else {
    opened = vitrt::openTeacherFile(path, kind, data->images(), session->classes());
  }
  if (!opened)
    return std::move(opened.error());
  teacher = std::move(*opened);
  return Error::success();
}

Error TrainingRun::groupParameters() {
  vitrt::DecayRule rule = options.decayRule();
  std::vector<std::string> names;
  for (const vitrt::TrainedTensor &tensor : session->tensors())
    names.push_back(tensor.name);
  if (rule.exclude && !options.noDecay.empty())
    for (const std::string &pattern : rule.patterns)
      if (std::none_of(names.begin(), names.end(), [&](const std::string &name) { return vitrt::DecayRule::matches(pattern, name); }))
        return makeError(VITRT_ERROR_ARGUMENT, "--no-decay: `{}` names none of the model's {} tensors, the first of which is {}", pattern,
                         names.size(), names.empty() ? "none" : names[0]);
  std::vector<float> factors = vitrt::layerFactors(names, options.layerDecay);
  for (size_t i = 0; i < names.size(); ++i)
    if (const vitrt::TrainedTensor &tensor = session->tensors()[i]; tensor.trained)
      session->setFactors(i, factors[i], rule.decays(tensor.name, tensor.shape.size()) ? 1.0f : 0.0f);
  return Error::success();
}

Error TrainingRun::prepareFolder() {
  std::error_code failed;
  std::filesystem::create_directories(options.checkpoint, failed);
  if (failed)
    return makeError(VITRT_ERROR_IO, "{}: cannot be created: {}", options.checkpoint, failed.message());
  std::string state = vitrt::CheckpointFiles(options.checkpoint).state();
  bool there = std::filesystem::exists(state, failed);
  if (there && !options.resume)
    return makeError(VITRT_ERROR_ARGUMENT, "{}: a run is there already; --resume goes on with it, another folder begins anew", state);
  if (!there && options.resume)
    return makeError(VITRT_ERROR_ARGUMENT, "{}: no such file, so there is nothing to --resume", state);
  if (Error error = checkWritable(state))
    return error;
  return checkResultsWritable(options, true);
}

/// With what the artifact was compiled from, and what the teacher is: others would come to other numbers.
vitrt::RunOptions TrainingRun::recorded() const {
  vitrt::RunOptions result = options.recorded(session->optimizer(), stepsPerEpoch());
  std::string_view config = flatbuffers::GetStringView(description().config());
  const vitrt::fb::Target &target = model->artifact().target();
  // A GPU's kernels are in the text that its machine code is made from.
  result["FILE.vitx"] = fmt::format("{:016x}, {:016x}", (target.ptx() ? target.ptx() : target.code())->hash(),
                                    vitrt::hashBytes(config.data(), config.size()));
  if (teacher)
    result["teacher"] = fmt::format("{:016x}", teacher->fingerprint());
  return result;
}

Error TrainingRun::resume() {
  auto loaded = vitrt::loadTrainingState(vitrt::CheckpointFiles(options.checkpoint).state(), *session, recorded());
  if (!loaded)
    return std::move(loaded.error());
  start = std::move(*loaded);
  if (start.images && start.images != data->train().size())
    return makeError(VITRT_ERROR_ARGUMENT, "{}: {} images are trained on, {} when the run was started; --resume goes on with the same ones",
                     options.data, data->train().size(), start.images);
  auto reader = read(data->train(), false, start.next);
  if (!reader)
    return std::move(reader.error());
  trainReader = std::move(*reader);
  return Error::success();
}

vitrt::TrainerOptions TrainingRun::trainerOptions() const {
  vitrt::TrainerOptions result{.steps = options.totalSteps(stepsPerEpoch()),
                               .batch = options.batch,
                               .parts = options.accumulate,
                               .seed = options.seed,
                               .update = options.update(session->optimizer()),
                               .teacher = teacher.get(),
                               .wantsNorm = options.json,
                               .gradients = options.gradients,
                               .folder = options.checkpoint,
                               .checkpointEvery = options.checkpointEvery,
                               .patience = options.patience,
                               .recorded = recorded()};
  if (options.clipNorm)
    result.clipping = {*options.clipNorm, options.clipKind == "optax" ? vitrt::ClipKind::Optax : vitrt::ClipKind::Torch};
  return result;
}

void TrainingRun::describe() const {
  uint64_t elements = 0, trained = 0;
  for (const vitrt::TrainedTensor &tensor : session->tensors()) {
    elements += tensor.elements();
    trained += tensor.trained ? tensor.elements() : 0;
  }
  uint64_t steps = options.totalSteps(stepsPerEpoch());
  fmt::print("{}: {:.2f} M parameters{}, {}\n", flatbuffers::GetStringView(description().name()), double(elements) / 1e6,
             trained == elements ? "" : fmt::format(", {:.2f} M of them trained", double(trained) / 1e6), session->optimizer());
  size_t images = data->train().size(), batch = data->hasPictures() ? std::min(options.batch, images) : options.batch;
  fmt::print("{}: {} image{}, {} to validate on; {} step{} of {} image{}, {:.1f} epochs\n", options.data, images, images == 1 ? "" : "s",
             data->val() ? data->val()->size() : 0, steps, steps == 1 ? "" : "s", batch, batch == 1 ? "" : "s",
             double(steps) / double(stepsPerEpoch()));
  if (start.step)
    fmt::print("resumed after {} steps\n", start.step);
  std::fflush(stdout);
}

Expected<int> TrainingRun::run() {
  auto schedule = options.makeSchedule(stepsPerEpoch());
  if (!schedule)
    return std::move(schedule.error());
  vitrt::TrainerOptions trainer = trainerOptions();
  if (start.step > trainer.steps) {
    fmt::print(stderr, "vit-run: note: {}: {} steps are done, and the options ask for {}; the run stays as it is\n", options.checkpoint,
               start.step, trainer.steps);
    if (Error error = writeResults(start, true))
      return error;
    return ExitDone;
  }
  uint64_t left = trainer.steps - start.step;
  if (!options.json)
    describe();
  if (std::string sentence = emptyClasses(data->train()); !sentence.empty())
    warn(fmt::format("{}: {}", options.data, sentence));
  TrainReport report(options.json, left * options.batch, (trainer.steps + stepsPerEpoch() - 1) / stepsPerEpoch());
  vitrt::Trainer training(*session, *trainReader, valReader.get(), data->val() ? data->val()->size() : 0, *schedule, std::move(trainer));
  training.resume(std::move(start));
  stopOnInterrupt();
  auto end = training.run(report);
  report.finish();
  if (!end)
    return std::move(end.error());
  if (Error error = writeResults(training.position(), *end != vitrt::TrainingEnd::Stopped))
    return error;
  if (*end == vitrt::TrainingEnd::Stopped) {
    fmt::print(stderr, "vit-run: interrupted after {} steps{}\n", training.position().step,
               options.checkpoint.empty() ? ", and nothing is kept without --checkpoint=DIR" : "; --resume goes on from there");
    return ExitInterrupted;
  }
  if (*end == vitrt::TrainingEnd::OutOfPatience && !options.json)
    fmt::print("stopped: no better accuracy than that of epoch {} in {} epochs\n", training.position().bestEpoch + 1, options.patience);
  if (size_t skipped = trainReader->skippedImages() + (valReader ? valReader->skippedImages() : 0))
    warn(fmt::format("{}: {} could not be read and {} skipped", options.data, skipped == 1 ? "1 image" : fmt::format("{} images", skipped),
                     skipped == 1 ? "was" : "were"));
  return ExitDone;
}

Error TrainingRun::writeResults(const vitrt::TrainingPosition &position, bool complete) {
  if (!options.save.empty() && complete)
    if (Error error = vitrt::saveWeights(options.save, *session))
      return error;
  if (options.plot.empty())
    return Error::success();
  std::string title = fmt::format("{} on {}", flatbuffers::GetStringView(description().name()), options.data);
  std::string svg = vitrt::drawLossCurve(position, stepsPerEpoch(), title);
  return vitrt::writeFile(options.plot, {reinterpret_cast<const uint8_t *>(svg.data()), svg.size()});
}

int train(const TrainOptions &options) {
  if (std::string sentence = contradiction(options); !sentence.empty())
    return failUsage(sentence);
  TrainingRun run(options);
  if (Error error = run.prepare())
    return failArgument(error);
  auto code = run.run();
  return code ? *code : fail(code.error());
}

} // namespace

void addTrainCommand(CLI::App &tool, Action &action) {
  auto options = std::make_shared<TrainOptions>();
  CLI::App *command = tool.add_subcommand("train", "Train a model that was compiled with vitc --train");
  addTrainOptions(*command, *options);
  command->footer("Examples:\n"
                  "  vitc vit_tiny_patch16_224 --set num_classes=10 --init=timm --train -o tiny.vitx\n"
                  "  vit-run train tiny.vitx --data=photographs/ --val-fraction=0.1 --epochs=20 --schedule=cosine --warmup-steps=100 \\\n"
                  "    --augment=rrc,flip --checkpoint=run --plot=run/loss.svg\n"
                  "  vit-run train tiny.vitx ... --checkpoint=run --resume");
  command->callback([command, options, &action] {
    for (const CLI::Option *option : command->get_options())
      if (option->count() > 0)
        for (const std::string &name : option->get_lnames())
          options->given.insert("--" + name);
    action = [options] { return train(*options); };
  });
}

} // namespace vitrun
