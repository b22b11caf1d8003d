//===- TrainerTest.cpp - runs of a model that is a matrix ----------------------------------===//
//
// Part of the vitc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===--------------------------------------------------------------------------------------===//

#include "runtime/train/Trainer.h"
#include "runtime/data/Arrays.h"
#include "runtime/data/Files.h"
#include "test/unit/data/TemporaryFolder.h"
#include "test/unit/data/TrainingFixtures.h"

#include <algorithm>
#include <cmath>
#include <csignal>
#include <filesystem>
#include <gtest/gtest.h>
#include <sys/wait.h>
#include <unistd.h>

namespace vitrt {
namespace {

constexpr size_t pixels = 4, classCount = 3;

/// Softmax regression: scores = weight * image, SGD with momentum.
class Matrix final : public TrainableModel {
public:
  Matrix() {
    for (size_t i = 0; i < pixels * classCount; ++i)
      states[0].push_back(0.1f * std::sin(float(i)));
    for (auto &state : states)
      state.resize(pixels * classCount);
  }

  std::span<const TrainedTensor> tensors() const override { return all; }
  bool holds(TensorState state) const override { return state != TensorState::SecondMoment; }
  Error read(TensorState state, size_t, std::span<float> into) const override {
    std::ranges::copy(states[size_t(state)], into.begin());
    return Error::success();
  }
  Error write(TensorState state, size_t, std::span<const float> from) override {
    states[size_t(state)].assign(from.begin(), from.end());
    return Error::success();
  }
  size_t imageElements() const override { return pixels; }
  size_t classes() const override { return classCount; }
  std::string_view optimizer() const override { return "sgd"; }
  unsigned threads() const override { return 1; }
  Error keepAverages() override { return Error::success(); }
  void setFactors(size_t, float, float) override {}
  Error beginStep() override {
    std::ranges::fill(at(TensorState::Gradient), 0);
    return Error::success();
  }

  Error accumulate(uint64_t, uint64_t, size_t first, size_t count, const float *images, const float *targets, float lossWeight,
                   float *losses) override {
    parts.push_back({first, count});
    std::vector<float> scores(count * classCount);
    if (Error error = logits(count, images, scores.data()))
      return error;
    for (size_t i = 0; i < count; ++i) {
      float sum = 0;
      for (size_t k = 0; k < classCount; ++k)
        sum += std::exp(scores[i * classCount + k]);
      losses[i] = poison;
      for (size_t k = 0; k < classCount; ++k) {
        float target = targets[i * classCount + k], score = scores[i * classCount + k];
        losses[i] += target * (std::log(sum) - score);
        for (size_t p = 0; p < pixels; ++p)
          at(TensorState::Gradient)[k * pixels + p] += lossWeight * (std::exp(score) / sum - target) * images[i * pixels + p];
      }
    }
    return Error::success();
  }
  Expected<double> gradientNorm() override {
    double squares = double(gradientPoison);
    for (float g : at(TensorState::Gradient))
      squares += double(g) * double(g);
    return std::sqrt(squares);
  }
  Error update(const UpdateScalars &scalars) override {
    updates.push_back(scalars);
    for (size_t i = 0; i < pixels * classCount; ++i) {
      float &moment = at(TensorState::FirstMoment)[i], &value = at(TensorState::Parameter)[i], &average = at(TensorState::Average)[i];
      moment = float(scalars.beta1) * moment + float(scalars.gradientFactor) * at(TensorState::Gradient)[i];
      value -= float(scalars.learningRate) * moment;
      average = float(scalars.averageDecay) * average + float(1 - scalars.averageDecay) * value;
    }
    return Error::success();
  }
  Error logits(size_t count, const float *images, float *scores) override {
    for (size_t i = 0; i < count; ++i)
      for (size_t k = 0; k < classCount; ++k) {
        scores[i * classCount + k] = 0;
        for (size_t p = 0; p < pixels; ++p)
          scores[i * classCount + k] += at(TensorState::Parameter)[k * pixels + p] * images[i * pixels + p];
      }
    evaluated = at(TensorState::Parameter);
    return Error::success();
  }
  std::string firstNonFinite(uint64_t, uint64_t, size_t, size_t, const float *, const float *) override { return "the matrix"; }

  const std::vector<float> &weights() const { return states[0]; }
  std::vector<float> &at(TensorState state) { return states[size_t(state)]; }

  float poison = 0, gradientPoison = 0;         ///< added to each loss, to the squares of the gradients
  std::vector<UpdateScalars> updates;           ///< so far
  std::vector<std::pair<size_t, size_t>> parts; ///< first image and images of each accumulate()
  std::vector<float> evaluated;                 ///< the weights that the last scores came from

private:
  std::vector<TrainedTensor> all = {{"weight", {classCount, pixels}, true}};
  std::vector<float> states[5];
};

class Listener : public TrainingListener {
public:
  void stepped(const StepReport &report) override {
    steps.push_back(report);
    if (killAt && report.step + 1 == *killAt)
      raise(SIGKILL);
  }
  void epochEnded(uint64_t epoch, const EpochRecord &record) override { epochs.emplace_back(epoch, record); }
  void warned(const std::string &sentence) override { warnings.push_back(sentence); }
  bool stops() override { return stopAt && steps.size() >= *stopAt; }

  std::vector<StepReport> steps;
  std::vector<std::pair<uint64_t, EpochRecord>> epochs;
  std::vector<std::string> warnings;
  std::optional<uint64_t> stopAt, killAt;
};

/// Ten images of three classes, five of which are validated on too.
class TrainerTest : public testing::Test {
protected:
  void SetUp() override {
    std::vector<float> images, soft;
    for (size_t i = 0; i < 10; ++i) {
      for (size_t p = 0; p < pixels; ++p)
        images.push_back(std::sin(float(i * pixels + p)) + (p == i % classCount ? 1.0f : 0.0f));
      for (size_t k = 0; k < classCount; ++k)
        soft.push_back(k == i % classCount ? 1.0f : 0.0f);
    }
    train = makeData("train.npz", images, soft, 10);
    images.resize(5 * pixels);
    soft.resize(5 * classCount);
    validation = makeData("val.npz", images, soft, 5);
    options = {.steps = 13, .batch = 4, .update = {.learningRate = 0.5, .averageDecay = 0.5}};
  }

  std::unique_ptr<Dataset> makeData(const std::string &name, const std::vector<float> &images, const std::vector<float> &soft,
                                    int64_t count) {
    std::string path = folder.path(name);
    NpyOutput arrays[] = {{"images", {count, 1, 2, 2}, images}, {"labels", {count, int64_t(classCount)}, soft}};
    EXPECT_FALSE(bool(writeNpz(path, arrays)));
    auto data = openTensors(path);
    EXPECT_TRUE(bool(data)) << data.error().message;
    return std::move(*data);
  }

  std::unique_ptr<BatchReader> read(const Dataset &data, Cursor start = {}) {
    auto reader =
        BatchReader::create(data, {.batch = options.batch, .classes = classCount, .shape = {1, 2, 2}, .start = start, .threads = 0});
    EXPECT_TRUE(bool(reader)) << reader.error().message;
    return std::move(*reader);
  }

  /// A run from the beginning, or from the state in the folder of checkpoints.
  Expected<TrainingEnd> run(Matrix &model, Listener &listener, bool resumes = false, bool validates = true) {
    TrainingPosition from;
    if (resumes) {
      auto loaded = loadTrainingState(CheckpointFiles(options.folder).state(), model, options.recorded);
      if (!loaded)
        return std::move(loaded.error());
      from = std::move(*loaded);
    }
    auto data = read(*train, from.next), val = read(*validation);
    auto schedule = Schedule::create({.kind = ScheduleKind::Linear, .base = 0.5, .period = 13});
    Trainer trainer(model, *data, validates ? val.get() : nullptr, validation->size(), *schedule, options);
    trainer.resume(std::move(from));
    auto end = trainer.run(listener);
    position = trainer.position();
    return end;
  }

  vitc::test::TemporaryFolder folder;
  std::unique_ptr<Dataset> train, validation;
  TrainerOptions options;
  TrainingPosition position;
};

TEST_F(TrainerTest, StepsEpochsAndRates) {
  Matrix model;
  Listener listener;
  auto end = run(model, listener);
  ASSERT_TRUE(bool(end)) << end.error().message;
  EXPECT_EQ(*end, TrainingEnd::Done);
  ASSERT_EQ(listener.steps.size(), 13u);
  EXPECT_EQ(listener.steps[0].step, 0u);
  EXPECT_EQ(listener.steps[0].learningRate, 0.5);
  EXPECT_DOUBLE_EQ(listener.steps[12].learningRate, 0.5 / 13);
  EXPECT_EQ(listener.steps[0].gradientNorm, std::nullopt) << "nobody wants it";
  EXPECT_LT(listener.steps[12].loss, 0.5 * listener.steps[0].loss);
  EXPECT_EQ(model.updates[12].step, 13u);
  size_t perEpoch = read(*train)->batchesPerEpoch();
  ASSERT_EQ(listener.epochs.size(), 13 / perEpoch);
  EXPECT_EQ(listener.epochs[1].first, 1u);
  double mean = 0;
  for (size_t i = 0; i < perEpoch; ++i)
    mean += listener.steps[i].loss / double(perEpoch);
  EXPECT_DOUBLE_EQ(listener.epochs[0].second.trainLoss, mean);
  EXPECT_EQ(listener.epochs.back().second.valTop1, 1.0);
}

TEST_F(TrainerTest, PartsOfABatchComeToTheSame) {
  Matrix whole, parts;
  Listener listener;
  ASSERT_TRUE(bool(run(whole, listener)));
  options.parts = 3;
  ASSERT_TRUE(bool(run(parts, listener)));
  EXPECT_EQ(parts.weights(), whole.weights());
  EXPECT_EQ(parts.parts[0], std::pair(size_t(0), size_t(2)));
  EXPECT_EQ(parts.parts[1], std::pair(size_t(2), size_t(2)));
}

TEST_F(TrainerTest, Clips) {
  Matrix model;
  Listener listener;
  options.clipping = Clipping{.limit = 0.25, .kind = ClipKind::Optax};
  ASSERT_TRUE(bool(run(model, listener)));
  ASSERT_TRUE(listener.steps[0].gradientNorm.has_value());
  EXPECT_GT(*listener.steps[0].gradientNorm, 0.25);
  EXPECT_EQ(model.updates[0].gradientFactor, 0.25 / *listener.steps[0].gradientNorm);
}

TEST_F(TrainerTest, EvaluatesTheAverages) {
  Matrix model;
  Listener listener;
  options.steps = read(*train)->batchesPerEpoch();
  ASSERT_TRUE(bool(run(model, listener)));
  EXPECT_EQ(model.evaluated, model.at(TensorState::Average));
  EXPECT_NE(model.weights(), model.evaluated) << "the weights are back in their place";
}

/// An image that cannot be read counts for nothing; replaced by its neighbour it would count that one twice.
TEST_F(TrainerTest, EvaluatesEachImageOnce) {
  class Labelled : public vitc::test::MadeUpPictures {
  public:
    Labelled() : MadeUpPictures(4, 2, 1, {2}) {}
    int64_t label(size_t index) const override { return index == 0 ? 0 : 1; }
  } pictures;
  Matrix model; // each of whose classes has the same score, so that the first one wins
  model.at(TensorState::Average).assign(pixels * classCount, 0);
  std::ranges::fill(model.at(TensorState::Parameter), 0);
  auto reader = BatchReader::create(pictures, {.batch = 3,
                                               .classes = classCount,
                                               .shape = {1, 2, 2},
                                               .preprocessor = vitc::test::plainPreprocessor(2, 1),
                                               .shuffle = false,
                                               .threads = 0,
                                               .replaces = false});
  ASSERT_TRUE(bool(reader)) << reader.error().message;
  options.steps = 3;
  options.update = {};
  auto data = read(*train);
  auto schedule = Schedule::create({.kind = ScheduleKind::Constant, .base = 0});
  Trainer trainer(model, *data, reader->get(), pictures.size(), *schedule, options);
  Listener listener;
  ASSERT_TRUE(bool(trainer.run(listener)));
  ASSERT_EQ(listener.epochs.size(), 1u);
  EXPECT_EQ(listener.epochs[0].second.valTop1, 1.0 / 3);
  EXPECT_EQ(listener.warnings, std::vector<std::string>{"picture 2 is damaged"});
}

/// The state of a run that nobody stopped, bytes of its file, with a checkpoint after every step.
class Resumption : public TrainerTest {
protected:
  void SetUp() override {
    TrainerTest::SetUp();
    options.checkpointEvery = 1;
    options.recorded = {{"--lr", "0.5"}};
    makeFolder("straight");
    Matrix model;
    Listener listener;
    ASSERT_TRUE(bool(run(model, listener)));
    straight = bytes();
    ASSERT_FALSE(straight.empty());
    makeFolder("stopped");
  }

  void makeFolder(const std::string &name) {
    options.folder = folder.path(name);
    std::filesystem::create_directory(options.folder);
  }
  std::vector<uint8_t> bytes() const {
    auto content = readFile(CheckpointFiles(options.folder).state());
    return content ? *content : std::vector<uint8_t>();
  }

  std::vector<uint8_t> straight;
};

TEST_F(Resumption, AfterAStopComesToTheSameBytes) {
  for (uint64_t stopAt : {0, 2, 5, 12}) {
    Matrix first, second;
    Listener stopping, listener;
    stopping.stopAt = stopAt;
    auto end = run(first, stopping);
    ASSERT_TRUE(bool(end)) << end.error().message;
    EXPECT_EQ(*end, TrainingEnd::Stopped);
    ASSERT_TRUE(bool(run(second, listener, true)));
    EXPECT_EQ(stopping.steps.size() + listener.steps.size(), 13u);
    EXPECT_EQ(bytes(), straight) << "stopped after " << stopAt << " steps";
  }
}

TEST_F(Resumption, AfterAKillComesToTheSameBytes) {
  pid_t child = fork();
  ASSERT_GE(child, 0);
  if (child == 0) {
    Matrix model;
    Listener listener;
    listener.killAt = 8; // its step is done, its checkpoint is not written
    [[maybe_unused]] auto end = run(model, listener);
    _exit(0);
  }
  int status = 0;
  ASSERT_EQ(waitpid(child, &status, 0), child);
  ASSERT_TRUE(WIFSIGNALED(status));
  Matrix model;
  Listener listener;
  auto end = run(model, listener, true);
  ASSERT_TRUE(bool(end)) << end.error().message;
  EXPECT_EQ(listener.steps.size(), 6u);
  EXPECT_EQ(listener.steps[0].step, 7u);
  EXPECT_EQ(bytes(), straight);
}

TEST_F(Resumption, HoldsWeightsThatEvaluatedBest) {
  CheckpointFiles files(options.folder);
  Matrix model;
  Listener listener;
  ASSERT_TRUE(bool(run(model, listener)));
  for (const std::string &path : {files.best(), files.last(), files.lastAverage()}) {
    auto file = openTensorFile(path);
    ASSERT_TRUE(bool(file)) << file.error().message;
    ASSERT_EQ((*file)->tensors().size(), 1u);
    EXPECT_EQ((*file)->tensors()[0].name, "weight");
  }
}

TEST_F(TrainerTest, RunsOutOfPatience) {
  Matrix model;
  Listener listener;
  options.steps = 1000;
  options.patience = 2;
  auto end = run(model, listener);
  ASSERT_TRUE(bool(end));
  EXPECT_EQ(*end, TrainingEnd::OutOfPatience);
  EXPECT_EQ(position.epochs.size(), position.bestEpoch + 3);
}

TEST_F(TrainerTest, NamesWhatIsNotFinite) {
  Matrix model;
  Listener listener;
  model.poison = NAN;
  auto end = run(model, listener);
  ASSERT_FALSE(bool(end));
  EXPECT_EQ(end.error().message, "the loss of step 0 is not finite; the first value that is not comes from the matrix");
  EXPECT_TRUE(model.updates.empty()) << "the weights are as they were";
}

TEST_F(TrainerTest, NamesGradientsThatAreNotFinite) {
  Matrix model;
  Listener listener;
  model.gradientPoison = INFINITY;
  auto end = run(model, listener);
  ASSERT_FALSE(bool(end));
  EXPECT_TRUE(end.error().message.starts_with("the gradients of step 0 are not finite, though its loss is "));
  EXPECT_TRUE(end.error().message.ends_with("; the first value that is not comes from the matrix")) << end.error().message;
  EXPECT_TRUE(model.updates.empty()) << "the weights are as they were";
}

TEST_F(TrainerTest, WritesTheGradientsOfTheFirstStep) {
  Matrix model, other;
  Listener listener;
  options.gradients = folder.path("gradients.npz");
  options.steps = 1;
  ASSERT_TRUE(bool(run(model, listener)));
  auto first = readNpz(options.gradients);
  ASSERT_TRUE(bool(first));
  auto floats = first->at("weight").floats();
  ASSERT_TRUE(bool(floats));
  EXPECT_TRUE(std::ranges::equal(*floats, model.at(TensorState::Gradient)));
  std::vector<float> kept(floats->begin(), floats->end());
  options.steps = 3;
  ASSERT_TRUE(bool(run(other, listener)));
  auto again = readNpz(options.gradients);
  ASSERT_TRUE(bool(again));
  EXPECT_TRUE(std::ranges::equal(*again->at("weight").floats(), kept));
}

TEST_F(TrainerTest, GoesOnWithoutACheckpoint) {
  Matrix model;
  Listener listener;
  options.folder = folder.path("absent");
  options.checkpointEvery = 5;
  auto end = run(model, listener, false, false);
  ASSERT_FALSE(bool(end)) << "the last one has to be written";
  EXPECT_EQ(listener.steps.size(), 13u);
  EXPECT_FALSE(listener.warnings.empty());
  EXPECT_NE(end.error().message.find("cannot be created: No such file or directory"), std::string::npos);
}

} // namespace
} // namespace vitrt
