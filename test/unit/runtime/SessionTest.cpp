//===- SessionTest.cpp --------------------------------------------------------*- C++ -*-===//
//
// Part of the vitc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===--------------------------------------------------------------------------------------===//

#include "runtime/plan/Session.h"

#include "test/unit/runtime/ToyArtifact.h"

#include <algorithm>
#include <gmock/gmock.h>
#include <map>
#include <mutex>
#include <stdexcept>
#include <thread>

using namespace vitrt;
using namespace vitrt::test;
using testing::HasSubstr;

namespace {

struct Case {
  int width;
  unsigned threads;
  size_t batch;
};

void PrintTo(const Case &c, std::ostream *stream) { *stream << "width " << c.width << ", " << c.threads << " threads, batch " << c.batch; }

class SessionRun : public testing::TestWithParam<Case> {};

std::unique_ptr<Model> openToy(AlignedBytes &file) {
  auto model = Model::openMemory(file.bytes());
  EXPECT_TRUE(model) << (model ? "" : model.error().message);
  return std::move(*model);
}

std::unique_ptr<Session> makeSession(const Model &model, unsigned threads) {
  auto session = Session::create(model, {.threads = threads});
  EXPECT_TRUE(session) << (session ? "" : session.error().message);
  return std::move(*session);
}

/// A tensor of the caller's whose first element lies `misalignment` floats after a multiple of 64 bytes, with a guard behind it.
class CallerTensor {
public:
  CallerTensor(size_t count, size_t misalignment) : count(count), storage(count + 32, kGuard) {
    size_t toBoundary = (64 - reinterpret_cast<uintptr_t>(storage.data()) % 64) % 64 / sizeof(float);
    begin = storage.data() + toBoundary + misalignment;
  }
  float *data() { return begin; }
  std::vector<float> values() const { return {begin, begin + count}; }
  bool guardIntact() const { return begin[count] == kGuard && (begin == storage.data() || begin[-1] == kGuard); }

private:
  static constexpr float kGuard = 4711;
  size_t count;
  std::vector<float> storage;
  float *begin;
};

TEST_P(SessionRun, ComputesEveryImageOnceWhateverTheAlignment) {
  auto [width, threads, batch] = GetParam();
  AlignedBytes file = toyArtifact(width);
  auto model = openToy(file);
  auto session = makeSession(*model, threads);
  std::vector<float> images = someValues(batch * 3 * size_t(width), 3), expected = toyResult(width, images);
  for (size_t misalignment : {0, 1, 5}) {
    CallerTensor input(images.size(), misalignment), output(expected.size(), misalignment);
    std::copy(images.begin(), images.end(), input.data());
    const float *inputs[] = {input.data()};
    float *outputs[] = {output.data()};
    for (int repeat = 0; repeat < 3; ++repeat) {
      std::fill_n(output.data(), expected.size(), -1.0f);
      Error error = session->run(batch, inputs, outputs);
      ASSERT_FALSE(error) << error.message;
      ASSERT_EQ(output.values(), expected);
      ASSERT_TRUE(output.guardIntact());
      ASSERT_EQ(input.values(), images);
    }
  }
}

std::vector<Case> allCases() {
  std::vector<Case> cases;
  for (int width : {5, 16})
    for (unsigned threads : {1, 2, 4})
      for (size_t batch : {1, 2, 3, 4, 5, 8, 9, 100})
        cases.push_back({width, threads, batch});
  return cases;
}

INSTANTIATE_TEST_SUITE_P(Toy, SessionRun, testing::ValuesIn(allCases()));

/// Notes the images that each launch covered.
class Recorder : public LaunchObserver {
public:
  void launched(const LaunchEvent &event) override {
    std::lock_guard lock(mutex);
    EXPECT_LE(event.start, event.end);
    EXPECT_LE(event.images, event.program.groupImages);
    splits += event.split;
    for (int64_t i = 0; i < event.images; ++i)
      ++seen[{event.launch.name, event.firstImage + i}];
    if (event.launch.name == "layer.sum") {
      size_t elements = size_t(event.outputBuffer().shape[0]);
      for (size_t i = 0; i < size_t(event.images) * elements; ++i)
        sums[size_t(event.firstImage) * elements + i] = static_cast<const float *>(event.output())[i];
    }
  }

  std::mutex mutex;
  std::map<std::pair<std::string, int64_t>, int> seen;
  std::map<size_t, float> sums;
  int splits = 0;
};

TEST(Session, ObserverSeesEveryLaunchOfEveryImageAndItsValues) {
  AlignedBytes file = toyArtifact(5);
  auto model = openToy(file);
  auto session = makeSession(*model, 2);
  std::vector<float> images = someValues(11 * 15, 4), output(11 * 5), expected = toyResult(5, images);
  const float *inputs[] = {images.data()};
  float *outputs[] = {output.data()};
  Recorder recorder;
  ASSERT_FALSE(session->run(11, inputs, outputs, &recorder));
  for (const char *launch : {"layer.scale", "layer.bias", "layer.sum"})
    for (int64_t image = 0; image < 11; ++image)
      EXPECT_EQ((recorder.seen[{launch, image}]), 1) << launch << " of image " << image;
  // Ten images go to two workers in groups, the eleventh is split.
  EXPECT_EQ(recorder.splits, 3);
  for (size_t i = 0; i < expected.size(); ++i)
    EXPECT_EQ(recorder.sums[i], expected[i]);
}

TEST(Session, AnObserverMayThrow) {
  struct Thrower : LaunchObserver {
    void launched(const LaunchEvent &) override { throw std::runtime_error("thrown by an observer"); }
  } thrower;
  AlignedBytes file = toyArtifact(5);
  auto model = openToy(file);
  auto session = makeSession(*model, 2);
  for (size_t batch : {1, 7}) {
    std::vector<float> images = someValues(batch * 15, 4), output(batch * 5), expected = toyResult(5, images);
    const float *inputs[] = {images.data()};
    float *outputs[] = {output.data()};
    EXPECT_THROW((void)session->run(batch, inputs, outputs, &thrower), std::runtime_error);
    Error error = session->run(batch, inputs, outputs);
    ASSERT_FALSE(error) << error.message;
    EXPECT_EQ(output, expected);
  }
}

TEST(Session, SeveralSessionsShareAModel) {
  AlignedBytes file = toyArtifact(16);
  auto model = openToy(file);
  std::vector<float> images = someValues(7 * 48, 5), expected = toyResult(16, images);
  std::vector<std::thread> callers;
  for (int caller = 0; caller < 4; ++caller)
    callers.emplace_back([&] {
      auto session = makeSession(*model, 2);
      for (int repeat = 0; repeat < 50; ++repeat) {
        std::vector<float> output(7 * 16);
        const float *inputs[] = {images.data()};
        float *outputs[] = {output.data()};
        ASSERT_FALSE(session->run(7, inputs, outputs));
        ASSERT_EQ(output, expected);
      }
    });
  for (std::thread &caller : callers)
    caller.join();
}

TEST(Session, RefusesWhatItCannotRun) {
  AlignedBytes file = toyArtifact(5);
  auto model = openToy(file);
  auto session = makeSession(*model, 1);
  float values[15] = {};
  const float *inputs[] = {values}, *noInput[] = {nullptr};
  float *outputs[] = {values}, *noOutput[] = {nullptr};
  auto expectError = [](Error error, const char *message) {
    EXPECT_EQ(error.status, VITRT_ERROR_ARGUMENT);
    EXPECT_THAT(error.message, HasSubstr(message));
  };
  expectError(session->run(0, inputs, outputs), "a batch of 0 images was given, expected at least 1");
  expectError(session->run(SIZE_MAX, inputs, outputs), "more than memory can address");
  expectError(session->run(1, nullptr, outputs), "input 0 ('images') is null");
  expectError(session->run(1, noInput, outputs), "input 0 ('images') is null");
  expectError(session->run(1, inputs, noOutput), "output 0 ('sums') is null");
}

TEST(Session, NeedsWeights) {
  fb::ManifestT manifest = toyManifest(5);
  AlignedBytes file = seal(manifest, toyCode());
  auto model = openToy(file);
  EXPECT_FALSE(model->hasWeights());
  auto session = Session::create(*model);
  ASSERT_FALSE(session);
  EXPECT_EQ(session.error().status, VITRT_ERROR_WEIGHTS);
}

} // namespace
