//===- Dataset.h - labelled images from the usual places ------------------------*- C++ -*-===//
//
// Part of the vitc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===--------------------------------------------------------------------------------------===//

#ifndef VITC_RUNTIME_DATA_DATASET_H
#define VITC_RUNTIME_DATA_DATASET_H

#include "runtime/Error.h"
#include "runtime/image/Decode.h"
#include "runtime/image/Preprocess.h"

#include <memory>
#include <span>
#include <string>
#include <vector>

namespace vitrt {

enum class Split { Train, Test };

/// Labelled images. The const members may be called from several threads.
class Dataset {
public:
  virtual ~Dataset();

  virtual size_t size() const = 0;
  /// Class of an image; of soft labels the most probable class.
  virtual int64_t label(size_t index) const = 0;
  /// Soft labels of an image, one a class; empty where the data has hard ones.
  virtual std::span<const float> softLabel(size_t index) const { return {}; }
  /// The number of an image in the data set that this is a part of.
  virtual size_t number(size_t index) const { return index; }
  /// What messages call an image: its path, or its number.
  virtual std::string name(size_t index) const = 0;
  /// Names of the classes, by label; empty where the data has none.
  virtual std::span<const std::string> classNames() const { return {}; }

  /// True if images are pictures, which need a preprocessor; false if they are normalised tensors.
  virtual bool hasPictures() const { return true; }
  virtual Expected<Image> picture(size_t index) const = 0;

  /// Shape [channels, height, width] of tensors; empty for pictures.
  virtual std::span<const int64_t> tensorShape() const { return {}; }
  /// The tensor itself; empty for pictures.
  virtual std::span<const float> tensor(size_t index) const { return {}; }
};

/// Opens a data set by its description:
///   FOLDER                    one folder a class, images below it; classes are numbered in the order of the folders' names. Or a tree of
///                             train/ and val/ (validation/, valid/, test/), each such a folder; train/ numbers the classes
///   fashion-mnist[:DIR]       idx files, gzipped or not; DIR is /usr/share/datasets/fashion-mnist if not given
///   cifar10:DIR, cifar100:DIR the binary version or the one for Python; cifar100 has its fine labels
///   tensors:FILE.npz          `images` f32 [N, C, H, W], already normalised, and `labels`: integers [N] or soft f32 [N, classes]
/// A folder of classes and tensors have no split: both are the whole.
Expected<std::unique_ptr<Dataset>> openDataset(const std::string &description, Split split, const DecodeOptions &options = {});

/// Whether the parts that openDataset gives for Split::Train and Split::Test are different ones.
bool hasOwnSplit(const std::string &description);

/// The image files below a folder, sorted: names that end in .jpg, .jpeg or .png in any case.
Expected<std::vector<std::string>> listImages(const std::string &folder);

/// Lines of a text file; a last empty line does not count. A file of labels holds one a line.
Expected<std::vector<std::string>> readLines(const std::string &path);

/// Reads and decodes one image file.
Expected<Image> readImage(const std::string &path, const DecodeOptions &options = {});

/// The parts of openDataset. With `classes`, they number the folders; each folder must be one of them.
Expected<std::unique_ptr<Dataset>> openImageFolder(const std::string &folder, const DecodeOptions &options,
                                                   std::vector<std::string> classes = {});
Expected<std::unique_ptr<Dataset>> openFashionMnist(const std::string &folder, Split split);
Expected<std::unique_ptr<Dataset>> openCifar(const std::string &folder, unsigned classes, Split split);
Expected<std::unique_ptr<Dataset>> openTensors(const std::string &path);

} // namespace vitrt

#endif // VITC_RUNTIME_DATA_DATASET_H
