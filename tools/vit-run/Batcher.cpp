//===- Batcher.cpp - pictures to batches, decoded in parallel ---*- C++ -*-===//
//
// Part of the vitc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===--------------------------------------------------------------------------------------===//

#include "tools/vit-run/Batcher.h"

namespace vitrun {

vitrt::Expected<Batcher> Batcher::create(vitrt::Preprocessor preprocessor, unsigned threads, bool pixels) {
  auto pool = vitrt::ThreadPool::create(threads);
  if (!pool)
    return std::move(pool.error());
  return Batcher(std::move(preprocessor), std::move(*pool), pixels);
}

Batcher::Batch Batcher::load(size_t begin, size_t end, const Source &picture, const Namer &name) {
  size_t count = end - begin;
  std::vector<vitrt::Crop> crops(count);
  std::vector<std::string> sentences(count);
  pool->parallelFor(int64_t(count), 1, [&](unsigned, int64_t first, int64_t last) {
    for (int64_t i = first; i < last; ++i) {
      auto image = picture(begin + size_t(i));
      auto crop = image ? preprocessor.crop(std::move(*image), name(begin + size_t(i))) : vitrt::Expected<vitrt::Crop>(image.error());
      if (crop)
        crops[i] = std::move(*crop);
      else
        sentences[i] = crop.error().message;
    }
  });
  Batch batch;
  for (size_t i = 0; i < count; ++i) {
    if (sentences[i].empty())
      batch.indices.push_back(begin + i);
    else
      batch.errors.push_back(std::move(sentences[i]));
  }
  size_t elements = size_t(preprocessor.channels()) * preprocessor.input().height * preprocessor.input().width;
  batch.images.arePixels = pixels;
  batch.images.resize(batch.indices.size() * elements);
  pool->parallelFor(int64_t(batch.indices.size()), 1, [&](unsigned, int64_t first, int64_t last) {
    for (int64_t i = first; i < last; ++i)
      if (const vitrt::Crop &crop = crops[batch.indices[i] - begin]; pixels)
        std::ranges::copy(std::get<vitrt::Image>(crop).pixels, batch.images.pixels.data() + size_t(i) * elements);
      else
        preprocessor.normalize(crop, batch.images.values.data() + size_t(i) * elements);
  });
  return batch;
}

} // namespace vitrun
