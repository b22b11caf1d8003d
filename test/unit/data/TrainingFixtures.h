//===- TrainingFixtures.h - pictures and preprocessors made for a test ---*- C++ -*-===//
//
// Part of the vitc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===--------------------------------------------------------------------------------------===//

#ifndef VITC_TEST_UNIT_DATA_TRAININGFIXTURES_H
#define VITC_TEST_UNIT_DATA_TRAININGFIXTURES_H

#include "runtime/artifact/vitx_generated.h"
#include "runtime/data/Dataset.h"
#include "runtime/image/Preprocess.h"

#include <atomic>
#include <set>

namespace vitc::test {

/// Pictures of noise, each a function of its number; some cannot be read.
class MadeUpPictures : public vitrt::Dataset {
public:
  MadeUpPictures(size_t count, uint32_t edge, uint32_t channels = 3, std::set<size_t> damaged = {})
      : count(count), edge(edge), channels(channels), damaged(std::move(damaged)) {}

  size_t size() const override { return count; }
  int64_t label(size_t index) const override { return int64_t(index % 3); }
  std::string name(size_t index) const override { return fmt::format("picture {}", index); }
  vitrt::Expected<vitrt::Image> picture(size_t index) const override {
    ++reads;
    if (damaged.contains(index))
      return vitrt::makeError(VITRT_ERROR_FORMAT, "picture {} is damaged", index);
    vitrt::Image image(edge, edge, channels);
    for (size_t i = 0; i < image.pixels.size(); ++i)
      image.pixels[i] = uint8_t((i * 37 + index * 101) ^ (i >> 3));
    return image;
  }

  mutable std::atomic<size_t> reads = 0;

private:
  size_t count;
  uint32_t edge, channels;
  std::set<size_t> damaged;
};

/// Of a model of [channels, edge, edge]: the picture as it is, mean 0.5 and standard deviation 0.25.
inline vitrt::Preprocessor plainPreprocessor(uint32_t edge, uint32_t channels = 3) {
  vitrt::fb::PreprocessT table;
  table.resize = vitrt::fb::Resize::Squash;
  table.resize_height = table.resize_width = edge;
  table.interpolation = vitrt::fb::Interpolation::Bilinear;
  table.mean.assign(channels, 0.5f);
  table.std.assign(channels, 0.25f);
  flatbuffers::FlatBufferBuilder builder;
  builder.Finish(vitrt::fb::CreatePreprocess(builder, &table));
  auto created = vitrt::Preprocessor::create(flatbuffers::GetRoot<vitrt::fb::Preprocess>(builder.GetBufferPointer()), channels, edge, edge);
  return std::move(*created);
}

} // namespace vitc::test

#endif // VITC_TEST_UNIT_DATA_TRAININGFIXTURES_H
