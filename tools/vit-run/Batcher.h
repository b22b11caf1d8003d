//===- Batcher.h - pictures to batches, decoded in parallel ---*- C++ -*-===//
//
// Part of the vitc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===--------------------------------------------------------------------------------------===//

#ifndef VITC_TOOLS_VITRUN_BATCHER_H
#define VITC_TOOLS_VITRUN_BATCHER_H

#include "runtime/device/cpu/ThreadPool.h"
#include "runtime/image/Preprocess.h"
#include "tools/vit-run/Images.h"

#include <functional>
#include <memory>
#include <optional>
#include <vector>

namespace vitrun {

/// Decodes and preprocesses pictures on all threads, a batch at a time.
class Batcher {
public:
  using Source = std::function<vitrt::Expected<vitrt::Image>(size_t index)>;
  using Namer = std::function<std::string(size_t index)>;

  /// As many images as keep the threads busy without filling the memory.
  static constexpr size_t batchImages = 64;

  /// `pixels`: batches are of bytes, which the program normalises.
  static vitrt::Expected<Batcher> create(vitrt::Preprocessor preprocessor, unsigned threads, bool pixels);

  /// The pictures [begin, end) as one batch of those that can be read. `indices` names them; `errors` has a sentence for each of
  /// the others.
  struct Batch {
    std::vector<size_t> indices;
    ImageBuffer images;
    std::vector<std::string> errors;
  };
  Batch load(size_t begin, size_t end, const Source &picture, const Namer &name);

private:
  Batcher(vitrt::Preprocessor preprocessor, std::unique_ptr<vitrt::ThreadPool> pool, bool pixels)
      : preprocessor(std::move(preprocessor)), pool(std::move(pool)), pixels(pixels) {}

  vitrt::Preprocessor preprocessor;
  std::unique_ptr<vitrt::ThreadPool> pool;
  bool pixels;
};

} // namespace vitrun

#endif // VITC_TOOLS_VITRUN_BATCHER_H
