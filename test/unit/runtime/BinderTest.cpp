//===- BinderTest.cpp ---------------------------------------------------------*- C++ -*-===//
//
// Part of the vitc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===--------------------------------------------------------------------------------------===//

#include "runtime/weights/Binder.h"

#include "runtime/plan/Session.h"
#include "runtime/weights/RandomTensors.h"
#include "runtime/weights/SchemeMatch.h"
#include "test/unit/runtime/ToyArtifact.h"

#include <bit>
#include <cmath>
#include <cstring>
#include <gmock/gmock.h>
#include <map>

using namespace vitrt;
using namespace vitrt::test;
using testing::AllOf;
using testing::ElementsAre;
using testing::HasSubstr;

namespace {

/// Tensors held in memory.
class TestTensors : public TensorFile {
public:
  TestTensors() { displayName = "w.safetensors"; }

  template <typename T> void add(const std::string &name, ElementType type, std::vector<uint64_t> shape, const std::vector<T> &values) {
    // One byte off, as a file may have them.
    std::string bytes(1 + values.size() * sizeof(T), '\0');
    std::memcpy(bytes.data() + 1, values.data(), values.size() * sizeof(T));
    contents[name] = std::move(bytes);
    infos.push_back({name, type, std::move(shape), values.size() * sizeof(T)});
    sortByName();
  }
  void addFloats(const std::string &name, std::vector<uint64_t> shape, const std::vector<float> &values) {
    add(name, ElementType::F32, std::move(shape), values);
  }

  Expected<TensorData> read(size_t index) const override {
    return TensorData{std::as_bytes(std::span(contents.at(infos[index].name))).subspan(1), nullptr};
  }

private:
  std::map<std::string, std::string> contents;
};

/// The toy model without weights, and what its scale and bias are to be.
class BinderTest : public testing::Test {
protected:
  BinderTest() : file(makeFile()), scale(someValues(5, 7)), bias(someValues(15, 8)) {
    ArtifactOptions options;
    options.purpose = Purpose::Bind;
    auto opened = Artifact::openMemory(file.bytes(), options, "toy.vitx");
    EXPECT_TRUE(opened) << opened.error().message;
    artifact = std::move(*opened);
  }

  static AlignedBytes makeFile() {
    fb::ManifestT manifest = toyManifest(5);
    manifest.schemes[1]->tensors[0]->sliceable = true;
    return seal(manifest, toyCode());
  }

  /// bias by the names of "home": transposed, [5, 3].
  std::vector<float> transposedBias() const {
    std::vector<float> result(15);
    for (size_t i = 0; i < 3; ++i)
      for (size_t j = 0; j < 5; ++j)
        result[j * 3 + i] = bias[i * 5 + j];
    return result;
  }
  /// bias by the names of "other": the second half of [6, 5].
  std::vector<float> packedBias() const {
    std::vector<float> result = someValues(15, 9);
    result.insert(result.end(), bias.begin(), bias.end());
    return result;
  }

  Expected<BindReport> bind(const TensorFile &tensors, unsigned threads = 1) {
    memory = AlignedBytes(128);
    std::memset(memory.bytes().data(), 0, 128);
    BindOptions options;
    options.threads = threads;
    options.progress = [&](uint64_t done, uint64_t total) {
      EXPECT_GT(done, progress);
      EXPECT_EQ(total, 80u);
      progress = done;
    };
    progress = 0;
    return bindWeights(*artifact, tensors, memory.bytes(), options);
  }
  void expectBound() {
    std::vector<std::byte> expected = packToyWeights(5, scale, bias);
    EXPECT_EQ(std::memcmp(memory.bytes().data(), expected.data(), expected.size()), 0);
    EXPECT_EQ(progress, 80u);
  }
  std::string bindError(const TensorFile &tensors) {
    auto report = bind(tensors);
    if (report)
      return "bound";
    EXPECT_EQ(report.error().status, VITRT_ERROR_WEIGHTS);
    return report.error().message;
  }

  AlignedBytes file;
  std::vector<float> scale, bias;
  std::unique_ptr<Artifact> artifact;
  AlignedBytes memory{128};
  uint64_t progress = 0;
};

TEST_F(BinderTest, HomeSchemeThroughATransposedView) {
  TestTensors tensors;
  tensors.addFloats("norm.weight", {5}, scale);
  tensors.addFloats("bias.kernel", {5, 3}, transposedBias());
  for (unsigned threads : {1, 2, 4}) {
    auto report = bind(tensors, threads);
    ASSERT_TRUE(report) << report.error().message;
    expectBound();
    EXPECT_EQ(report->scheme, "home");
    EXPECT_TRUE(report->warnings.empty());
    ASSERT_EQ(report->sources.size(), 2u);
    EXPECT_EQ(report->sources[1].tensor, "bias.kernel");
    EXPECT_THAT(report->sources[1].packed, ElementsAre("packed.bias"));
    EXPECT_EQ(explain(*report), "tensors by the names of home, and the model's weights that they are\n"
                                "  norm.weight f32 [5]    -> scale [5]   as it is\n"
                                "  bias.kernel f32 [5, 3] -> bias [3, 5] transposed\n"
                                "packed for the kernels, with what is folded into each\n"
                                "  packed.scale <- scale\n"
                                "  packed.bias  <- bias\n"
                                "2 tensors used as 2 weights: 1 as it is, 1 transposed; 0 known and not used, 0 unknown\n");
  }
}

TEST_F(BinderTest, OtherSchemeByItsSecondNameWithIgnoredAndExtraTensors) {
  TestTensors tensors;
  tensors.addFloats("gamma", {5}, scale);
  tensors.addFloats("packed", {6, 5}, packedBias());
  tensors.addFloats("stats.mean", {2}, {1, 2});
  tensors.addFloats("head", {2}, {1, 2});
  auto report = bind(tensors);
  ASSERT_TRUE(report) << report.error().message;
  expectBound();
  EXPECT_EQ(report->scheme, "other");
  EXPECT_THAT(report->ignored, ElementsAre("stats.mean [2]"));
  EXPECT_THAT(report->extra, ElementsAre("head [2]"));
  EXPECT_THAT(report->warnings, ElementsAre("'w.safetensors' has the tensor head [2], which toy does not use"));
  EXPECT_THAT(explain(*report), AllOf(HasSubstr("packed f32 [6, 5] -> bias [3, 5] split: rows 3 to 5 of 6\n"),
                                      HasSubstr("not used: stats.mean"), HasSubstr("unknown, not used: head")));
}

TEST_F(BinderTest, ConvertsOtherNumberTypes) {
  std::vector<uint16_t> halfs;
  for (float value : scale) {
    // Exact: the values are small multiples of 1/8.
    uint32_t bits = std::bit_cast<uint32_t>(value), magnitude = (bits & 0x7fffffff) >> 13;
    halfs.push_back(uint16_t((bits >> 16 & 0x8000) | (value == 0 ? 0 : magnitude - (112u << 10))));
  }
  std::vector<float> kernel = transposedBias();
  TestTensors tensors, brains;
  tensors.add("norm.weight", ElementType::F16, {5}, halfs);
  tensors.add("bias.kernel", ElementType::F64, {5, 3}, std::vector<double>(kernel.begin(), kernel.end()));
  auto report = bind(tensors);
  ASSERT_TRUE(report) << report.error().message;
  expectBound();
  EXPECT_THAT(explain(*report), HasSubstr("norm.weight f16 [5]    -> scale [5]   f16 to f32\n"));

  std::vector<uint16_t> truncated;
  for (float value : kernel)
    truncated.push_back(uint16_t(std::bit_cast<uint32_t>(value) >> 16));
  brains.addFloats("norm.weight", {5}, scale);
  brains.add("bias.kernel", ElementType::BF16, {5, 3}, truncated);
  ASSERT_TRUE(bind(brains));
  expectBound();
}

TEST_F(BinderTest, SlicesATableThatIsLonger) {
  TestTensors tensors;
  std::vector<float> longer = scale;
  longer.insert(longer.end(), {100, 200});
  tensors.addFloats("gain", {7}, longer);
  tensors.addFloats("packed", {6, 5}, packedBias());
  auto report = bind(tensors);
  ASSERT_TRUE(report) << report.error().message;
  expectBound();
  EXPECT_TRUE(report->sources[0].sliced);
}

TEST_F(BinderTest, ListsEverythingThatDoesNotFitAtOnce) {
  TestTensors tensors;
  tensors.addFloats("bias.kernel", {3, 5}, bias);
  tensors.addFloats("surplus", {1}, {1});
  EXPECT_EQ(bindError(tensors), "'w.safetensors' does not fit toy by the names of home: 1 tensors missing, 1 mis-shaped, 1 extra\n"
                                "  missing: norm.weight [5]\n"
                                "  mis-shaped: bias.kernel is f32 [3, 5], expected [5, 3]\n"
                                "  extra: surplus [1]");
  TestTensors integers;
  integers.add("norm.weight", ElementType::I32, {5}, std::vector<int32_t>(5));
  integers.addFloats("bias.kernel", {5, 3}, bias);
  EXPECT_THAT(bindError(integers), HasSubstr("norm.weight is i32 [5], expected [5] of f32, f16, bf16 or f64"));
}

TEST_F(BinderTest, NothingFits) {
  TestTensors tensors;
  for (const char *name : {"a", "b", "c", "d"})
    tensors.addFloats(name, {1}, {1});
  EXPECT_EQ(bindError(tensors), "'w.safetensors' holds no tensor of toy by the names of home ('norm.weight'), other ('gain'); its 4 "
                                "tensors are called 'a', 'b', 'c', ...");
}

TEST_F(BinderTest, WarnsOfValuesThatAreNotFinite) {
  TestTensors tensors;
  scale[2] = std::nanf("");
  scale[3] = -INFINITY;
  tensors.addFloats("norm.weight", {5}, scale);
  tensors.addFloats("bias.kernel", {5, 3}, transposedBias());
  auto report = bind(tensors);
  ASSERT_TRUE(report) << report.error().message;
  EXPECT_THAT(report->warnings, ElementsAre("tensor 'norm.weight' of 'w.safetensors' has 2 values that are NaN or infinite"));
}

TEST_F(BinderTest, RandomWeightsAreTheHomeSchemesTensorsThroughItsViews) {
  auto tensors = randomTensors(artifact->manifest(), 42);
  ASSERT_TRUE(tensors);
  ASSERT_TRUE(bind(**tensors));
  std::vector<float> kernel(15);
  fillRandomWeight("norm.weight", std::vector<uint64_t>{5}, 42, scale);
  fillRandomWeight("bias.kernel", std::vector<uint64_t>{5, 3}, 42, kernel);
  for (size_t i = 0; i < 3; ++i)
    for (size_t j = 0; j < 5; ++j)
      bias[i * 5 + j] = kernel[j * 3 + i];
  expectBound();
}

TEST_F(BinderTest, RefusesAWrongDestination) {
  TestTensors tensors;
  AlignedBytes small(64);
  auto report = bindWeights(*artifact, tensors, small.bytes());
  ASSERT_FALSE(report);
  EXPECT_THAT(report.error().message, HasSubstr("packed weights go to 128 bytes of memory aligned to 64, but 64 bytes"));
}

TEST_F(BinderTest, ModelBindsOnceAndRuns) {
  auto model = Model::openMemory(file.bytes());
  ASSERT_TRUE(model);
  TestTensors tensors;
  tensors.addFloats("norm.weight", {5}, scale);
  tensors.addFloats("bias.kernel", {5, 3}, transposedBias());
  ASSERT_TRUE((*model)->bind(tensors));
  auto again = (*model)->bind(tensors);
  ASSERT_FALSE(again);
  EXPECT_THAT(again.error().message, HasSubstr("has its weights already"));
  auto session = Session::create(**model, {.threads = 2});
  ASSERT_TRUE(session);
  std::vector<float> images = someValues(3 * 15, 1), sums(15);
  const float *inputs[] = {images.data()};
  float *outputs[] = {sums.data()};
  ASSERT_FALSE((*session)->run(3, inputs, outputs));
  EXPECT_EQ(sums, toyResult(5, images, scale, bias));
}

TEST(Glob, StarsAndQuestionMarks) {
  EXPECT_TRUE(matchesGlob("stats.*", "stats.mean"));
  EXPECT_TRUE(matchesGlob("*.relative_position_index", "blocks.3.attn.relative_position_index"));
  EXPECT_TRUE(matchesGlob("*a*b?", "xxaxxaabc"));
  EXPECT_TRUE(matchesGlob("", ""));
  EXPECT_TRUE(matchesGlob("**", ""));
  EXPECT_FALSE(matchesGlob("stats.*", "stat.mean"));
  EXPECT_FALSE(matchesGlob("a?", "a"));
  EXPECT_FALSE(matchesGlob("", "a"));
}

} // namespace
