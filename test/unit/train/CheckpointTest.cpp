//===- CheckpointTest.cpp - training states and weights on disk ----------------------------===//
//
// Part of the vitc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===--------------------------------------------------------------------------------------===//

#include "runtime/train/Checkpoint.h"
#include "runtime/data/Arrays.h"
#include "runtime/data/Files.h"
#include "test/unit/data/TemporaryFolder.h"

#include <algorithm>
#include <csignal>
#include <filesystem>
#include <gtest/gtest.h>
#include <map>
#include <sys/resource.h>

namespace vitrt {
namespace {

/// Three tensors, one of them frozen, with moments and an average.
class ToyState final : public TrainingState {
public:
  explicit ToyState(float first = 0, bool second = true) : second(second) {
    for (TensorState state :
         {TensorState::Parameter, TensorState::Gradient, TensorState::FirstMoment, TensorState::SecondMoment, TensorState::Average})
      for (size_t i = 0; i < all.size(); ++i) {
        std::vector<float> &numbers = values[{state, i}];
        for (size_t j = 0; j < all[i].elements(); ++j)
          numbers.push_back(first == 0 ? 0 : first++ / 3);
      }
  }

  std::span<const TrainedTensor> tensors() const override { return all; }
  bool holds(TensorState state) const override { return second || state != TensorState::SecondMoment; }
  Error read(TensorState state, size_t tensor, std::span<float> into) const override {
    if (lost)
      return makeError(VITRT_ERROR_DEVICE, "the device is lost");
    const std::vector<float> &numbers = values.at({state, tensor});
    EXPECT_EQ(into.size(), numbers.size());
    std::copy_n(numbers.begin(), into.size(), into.begin());
    return Error::success();
  }
  Error write(TensorState state, size_t tensor, std::span<const float> from) override {
    EXPECT_EQ(from.size(), all[tensor].elements());
    values[{state, tensor}].assign(from.begin(), from.end());
    return Error::success();
  }
  /// Of everything that a checkpoint holds.
  std::map<std::pair<TensorState, size_t>, std::vector<float>> saved() const {
    auto result = values;
    for (size_t i = 0; i < all.size(); ++i) {
      result.erase({TensorState::Gradient, i});
      if (!all[i].trained)
        for (TensorState state : {TensorState::FirstMoment, TensorState::SecondMoment, TensorState::Average})
          result.erase({state, i});
    }
    return result;
  }

  std::vector<TrainedTensor> all = {{"head.weight", {3, 2}, true}, {"head.bias", {3}, true}, {"table", {2, 1}, false}};

  bool lost = false; ///< nothing can be read

private:
  bool second;
  std::map<std::pair<TensorState, size_t>, std::vector<float>> values;
};

TrainingPosition somewhere() {
  return {.step = 3,
          .images = 11,
          .next = {.epoch = 1, .batch = 1},
          .epochLoss = 1.0 / 3,
          .epochImages = 7,
          .epochs = {{0.1, 0.25}, {0.2, std::nullopt}},
          .losses = {1.0f / 3, 2, 3},
          .best = 0.25,
          .bestEpoch = 1};
}

const RunOptions options = {{"--lr", "0.001"}, {"--seed", "7"}};

TEST(Checkpoint, StateThatCannotBeReadReplacesNothing) {
  vitc::test::TemporaryFolder folder;
  std::string path = folder.path("last.state.safetensors");
  ToyState before(1), after, lost;
  lost.lost = true;
  ASSERT_FALSE(bool(saveTrainingState(path, before, somewhere(), options)));
  EXPECT_EQ(saveTrainingState(path, lost, somewhere(), options).message, "the device is lost");
  EXPECT_EQ(saveWeights(path, lost).message, "the device is lost");
  EXPECT_EQ(saveGradients(folder.path("gradients.npz"), lost).message, "the device is lost");
  ASSERT_TRUE(bool(loadTrainingState(path, after, options)));
  EXPECT_EQ(after.saved(), before.saved());
}

TEST(Checkpoint, StateComesBackBitForBit) {
  vitc::test::TemporaryFolder folder;
  std::string path = folder.path("last.state.safetensors");
  ToyState before(1), after;
  ASSERT_FALSE(bool(saveTrainingState(path, before, somewhere(), options)));
  auto position = loadTrainingState(path, after, options);
  ASSERT_TRUE(bool(position)) << position.error().message;
  EXPECT_EQ(after.saved(), before.saved());
  TrainingPosition expected = somewhere();
  EXPECT_EQ(position->step, expected.step);
  EXPECT_EQ(position->next, expected.next);
  EXPECT_EQ(position->epochLoss, expected.epochLoss);
  EXPECT_EQ(position->epochImages, expected.epochImages);
  EXPECT_EQ(position->losses, expected.losses);
  EXPECT_EQ(position->best, expected.best);
  EXPECT_EQ(position->bestEpoch, expected.bestEpoch);
  EXPECT_EQ(position->images, 11u);
  ASSERT_EQ(position->epochs.size(), 2u);
  EXPECT_EQ(position->epochs[0].trainLoss, 0.1);
  EXPECT_EQ(position->epochs[0].valTop1, 0.25);
  EXPECT_EQ(position->epochs[1].valTop1, std::nullopt);
}

TEST(Checkpoint, RefusesARunWithOtherOptions) {
  vitc::test::TemporaryFolder folder;
  std::string path = folder.path("state");
  ToyState state(1), other;
  ASSERT_FALSE(bool(saveTrainingState(path, state, somewhere(), options)));
  auto refusal = [&](const RunOptions &now) {
    auto position = loadTrainingState(path, other, now);
    return position ? "" : position.error().message.substr(path.size());
  };
  EXPECT_EQ(refusal({{"--lr", "0.002"}, {"--seed", "7"}}),
            ": the run was started with --lr 0.001, which is 0.002 now; --resume goes on with the same options");
  EXPECT_EQ(refusal({{"--lr", "0.001"}}),
            ": the run was started with --seed 7, which is not given now; --resume goes on with the same options");
  EXPECT_EQ(refusal({{"--lr", "0.001"}, {"--beta1", "0.9"}, {"--seed", "8"}}),
            ": the run was started with --seed 7, which is 8 now; --resume goes on with the same options")
      << "before an option that only one of them has";
  EXPECT_EQ(other.saved(), ToyState().saved()) << "a refused state leaves everything as it was";
}

TEST(Checkpoint, RefusesTheStateOfAnotherModel) {
  vitc::test::TemporaryFolder folder;
  std::string path = folder.path("state");
  ToyState state(1), renamed, reshaped, sgd(0, false);
  ASSERT_FALSE(bool(saveTrainingState(path, state, somewhere(), options)));
  auto refusal = [&](TrainingState &into) {
    auto position = loadTrainingState(path, into, options);
    return position ? "" : position.error().message.substr(path.size());
  };
  renamed.all[1].name = "neck.bias";
  EXPECT_EQ(refusal(renamed), ": tensor parameter/neck.bias is missing, so this is the state of another model or optimizer");
  reshaped.all[0].shape = {2, 3};
  EXPECT_EQ(refusal(reshaped), ": tensor parameter/head.weight is f32 [3, 2], expected f32 [2, 3]");
  EXPECT_EQ(refusal(sgd), ": 10 tensors, expected 8, so this is the state of another model or optimizer");
}

TEST(Checkpoint, RefusesWhatIsNoState) {
  vitc::test::TemporaryFolder folder;
  std::string path = folder.path("weights.safetensors");
  ToyState state(1);
  ASSERT_FALSE(bool(saveWeights(path, state)));
  auto position = loadTrainingState(path, state, options);
  ASSERT_FALSE(bool(position));
  EXPECT_EQ(position.error().message, path + ": not a training state of vit-run train");
}

TEST(Checkpoint, RefusesMetadataOfAnotherMaking) {
  vitc::test::TemporaryFolder folder;
  std::string path = folder.path("state");
  ToyState state(1);
  ASSERT_FALSE(bool(saveTrainingState(path, state, somewhere(), options)));
  auto bytes = readFile(path);
  ASSERT_TRUE(bool(bytes));
  std::string text(bytes->begin(), bytes->end());
  auto rewritten = [&](const std::string &from, const std::string &to) {
    std::string changed = text;
    changed.replace(changed.find(from), from.size(), to);
    EXPECT_FALSE(bool(writeFile(path, {reinterpret_cast<const uint8_t *>(changed.data()), changed.size()})));
    auto position = loadTrainingState(path, state, options);
    return position ? "" : position.error().message.substr(path.size());
  };
  EXPECT_EQ(rewritten(R"("version":"1")", R"("version":"2")"), ": a training state of version 2, expected 1");
  EXPECT_EQ(rewritten(R"(\"step\":3)", R"(\"stop\":3)"),
            ": its metadata cannot be read: [json.exception.out_of_range.403] key 'step' not found");
  EXPECT_EQ(rewritten(R"(\"step\":3)", R"(\"step\":4)"), ": tensor history/loss is f32 [3], expected f32 [4]");
}

TEST(Checkpoint, WeightsHaveTheirNamesAlone) {
  vitc::test::TemporaryFolder folder;
  ToyState state(1);
  for (std::string name : {"weights.safetensors", "weights.npz"}) {
    std::string path = folder.path(name);
    ASSERT_FALSE(bool(saveWeights(path, state)));
    auto file = openTensorFile(path);
    ASSERT_TRUE(bool(file)) << file.error().message;
    ASSERT_EQ((*file)->tensors().size(), 3u);
    std::vector<float> bias(3);
    ASSERT_FALSE(state.read(TensorState::Parameter, 1, bias));
    ptrdiff_t index = (*file)->find("head.bias");
    ASSERT_GE(index, 0);
    auto data = (*file)->read(size_t(index));
    ASSERT_TRUE(bool(data));
    EXPECT_TRUE(std::ranges::equal(data->bytes, std::as_bytes(std::span(bias)))) << name;
  }
}

TEST(Checkpoint, GradientsAreThoseOfTrainedTensors) {
  vitc::test::TemporaryFolder folder;
  ToyState state(1);
  std::string path = folder.path("gradients.npz");
  ASSERT_FALSE(bool(saveGradients(path, state)));
  auto arrays = readNpz(path);
  ASSERT_TRUE(bool(arrays));
  EXPECT_EQ(arrays->size(), 2u);
  std::vector<float> expected(6);
  ASSERT_FALSE(state.read(TensorState::Gradient, 0, expected));
  auto floats = arrays->at("head.weight").floats();
  ASSERT_TRUE(bool(floats));
  EXPECT_TRUE(std::ranges::equal(*floats, expected));
  EXPECT_EQ(arrays->at("head.weight").shape(), (std::vector<int64_t>{3, 2}));
}

/// Files of this process are no longer than `bytes`, as on a disk that is full.
class FileSizeLimit {
public:
  explicit FileSizeLimit(rlim_t bytes) {
    getrlimit(RLIMIT_FSIZE, &before);
    rlimit limit = before;
    limit.rlim_cur = bytes;
    setrlimit(RLIMIT_FSIZE, &limit);
    handler = std::signal(SIGXFSZ, SIG_IGN);
  }
  ~FileSizeLimit() {
    setrlimit(RLIMIT_FSIZE, &before);
    std::signal(SIGXFSZ, handler);
  }

private:
  rlimit before{};
  void (*handler)(int);
};

TEST(Checkpoint, AFullDiskLosesNothing) {
  vitc::test::TemporaryFolder folder;
  std::string path = folder.path("last.state.safetensors");
  ToyState first(1), second(100), after;
  ASSERT_FALSE(bool(saveTrainingState(path, first, somewhere(), options)));
  {
    FileSizeLimit limit(700); // within the header of the file
    Error error = saveTrainingState(path, second, somewhere(), options);
    ASSERT_TRUE(bool(error));
    EXPECT_EQ(error.message, path + ": cannot be written: File too large");
  }
  {
    FileSizeLimit limit(std::filesystem::file_size(path) - 1); // with the last of its bytes
    ASSERT_TRUE(bool(saveTrainingState(path, second, somewhere(), options)));
  }
  auto position = loadTrainingState(path, after, options);
  ASSERT_TRUE(bool(position)) << position.error().message;
  EXPECT_EQ(after.saved(), first.saved());
  EXPECT_EQ(folder.files(), 1u) << "nothing half-written is left";
}

} // namespace
} // namespace vitrt
