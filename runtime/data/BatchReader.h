//===- BatchReader.h - batches of training images, read ahead by threads ------*- C++ -*-===//
//
// Part of the vitc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===--------------------------------------------------------------------------------------===//

#ifndef VITC_RUNTIME_DATA_BATCHREADER_H
#define VITC_RUNTIME_DATA_BATCHREADER_H

#include "runtime/data/Dataset.h"
#include "runtime/data/Mixing.h"
#include "runtime/data/Sampler.h"
#include "runtime/image/Preprocess.h"

#include <memory>
#include <optional>
#include <string>
#include <vector>

namespace vitrt {

struct BatchReaderOptions {
  size_t batch = 0;                           ///< images of a batch
  size_t classes = 0;                         ///< K, the model's classes
  std::vector<int64_t> shape{};               ///< [C, H, W] that the model takes
  std::optional<Preprocessor> preprocessor{}; ///< needed for pictures
  Augmentation augmentation{};                ///< of pictures only
  double labelSmoothing = 0.0;                ///< e: a target is 1 - e + e / K of its class, e / K of the others
  uint64_t seed = 0;
  bool shuffle = true;             ///< tensors are read in order all the same
  Cursor start{};                  ///< the first batch to be delivered
  unsigned threads = 1;            ///< that read ahead; 0: next() reads
  size_t ahead = 1;                ///< batches that are read beside the one in use
  bool strict = false;             ///< an image that cannot be read is an error
  bool replaces = true;            ///< an image that cannot be read is replaced; false: its batch is so much smaller
  std::vector<int64_t> classMap{}; ///< the model's class of each of the data's labels; empty: they are the same
};

/// A batch as the training program takes it.
struct TrainingBatch {
  Cursor cursor;
  size_t size = 0;               ///< images in it; less than asked for in the last batch of an epoch of pictures
  std::vector<float> images;     ///< [size, C, H, W], normalised
  std::vector<float> targets;    ///< [size, K], each row sums to 1
  std::vector<uint32_t> numbers; ///< of each image: Dataset::number
  Mix mix;                       ///< what was done to images and targets at the end
  /// A sentence for each image that cannot be read and was met here first.
  std::vector<std::string> skipped;
};

/// Delivers an endless run of batches, epoch after epoch. What a batch holds depends on the options and the cursor, and not on threads.
///
/// Pictures: epoch e reads every image once in the order of Sampler; its last batch may be smaller. Tensors: image i of batch b is number
/// (b * batch + i) mod N, b counted on through the epochs, and every batch is full.
///
/// An image that cannot be read is replaced by the next of the epoch's order that can (which is then there twice); without such an image
/// VITRT_ERROR_FORMAT. Where it is not to be replaced, for an evaluation counts each image once, a batch may be left with no image at all.
class BatchReader {
public:
  /// `data` must outlive the reader. VITRT_ERROR_ARGUMENT: tensors of another shape, pictures without preprocessor, a label that is no
  /// class of the model's, soft labels of another length, a class map that is too short, a start beyond the epoch's end.
  static Expected<std::unique_ptr<BatchReader>> create(const Dataset &data, BatchReaderOptions options);
  ~BatchReader();
  BatchReader(const BatchReader &) = delete;
  BatchReader &operator=(const BatchReader &) = delete;

  /// The next batch, valid until the following call. After an error the same error again.
  Expected<const TrainingBatch *> next();

  /// The batch that next() will give, valid until the call after that; null if it has not been read yet, or cannot be.
  const TrainingBatch *peek() const;

  size_t batchesPerEpoch() const;
  /// Of the batch that next() will give: what a checkpoint stores.
  Cursor cursor() const;
  /// Images that could not be read, each counted once.
  size_t skippedImages() const;

private:
  class Impl;
  explicit BatchReader(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl;
};

} // namespace vitrt

#endif // VITC_RUNTIME_DATA_BATCHREADER_H
