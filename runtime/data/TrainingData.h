//===- TrainingData.h - a data set to train on and one to validate on ---------*- C++ -*-===//
//
// Part of the vitc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===--------------------------------------------------------------------------------------===//

#ifndef VITC_RUNTIME_DATA_TRAININGDATA_H
#define VITC_RUNTIME_DATA_TRAININGDATA_H

#include "runtime/data/Dataset.h"

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

namespace vitrt {

struct SplitOptions {
  /// The part of each class that validates, more than 0 and less than 1, chosen by `seed`. Of data that has a split of its own (a tree with
  /// train/ and val/, Fashion-MNIST, CIFAR) this part comes from its training images.
  std::optional<double> valFraction{};
  /// A file of paths, one a line, of the images of a folder that validate: absolute, or below the folder.
  std::string valList{};
  uint64_t seed = 0;
  DecodeOptions decode{};
};

/// The images of a data set in two parts.
class TrainingData {
public:
  /// Opens a data set by its description (runtime/data/Dataset.h). Validated on is what the options say, else the data's own split, else
  /// nothing. VITRT_ERROR_ARGUMENT: both options at once, either of them for tensors, a list for data without paths, a fraction that leaves
  /// one part empty, a path of the list that is not in the folder.
  static Expected<TrainingData> open(const std::string &description, const SplitOptions &options = {});

  const Dataset &train() const { return *trainPart; }
  /// Images that Dataset::number of train() counts: those of the training part, and those set aside from it.
  size_t images() const { return count; }
  /// The images to validate on, as `vit-run eval` reads them; null if there are none.
  const Dataset *val() const { return valPart.get(); }
  std::span<const std::string> classNames() const { return trainPart->classNames(); }
  bool hasPictures() const { return trainPart->hasPictures(); }

private:
  TrainingData(size_t count, std::unique_ptr<Dataset> train, std::unique_ptr<Dataset> val)
      : count(count), trainPart(std::move(train)), valPart(std::move(val)) {}

  size_t count;
  std::unique_ptr<Dataset> trainPart, valPart;
};

/// Images `indices` of `whole`, in that order.
std::unique_ptr<Dataset> makeSubset(std::shared_ptr<const Dataset> whole, std::vector<size_t> indices);

} // namespace vitrt

#endif // VITC_RUNTIME_DATA_TRAININGDATA_H
