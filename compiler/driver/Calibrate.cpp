//===- Calibrate.cpp - ranges of a model's values, from images ------------------------===//
//
// Part of the vitc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===--------------------------------------------------------------------------------------===//

#include "compiler/driver/Calibrate.h"

#include "runtime/data/Arrays.h"
#include "runtime/data/Dataset.h"
#include "runtime/plan/Session.h"

#include "llvm/Support/FileSystem.h"
#include "llvm/Support/Signals.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <mutex>

using namespace mlir;
using namespace vitc;

static llvm::Error asError(const vitrt::Error &error) { return llvm::createStringError(error.message); }

namespace {

/// Gathers the ranges of each launch's first result and of its rows.
class RangeObserver : public vitrt::LaunchObserver {
public:
  void launched(const vitrt::LaunchEvent &event) override {
    const vitrt::Buffer &buffer = event.outputBuffer();
    if (buffer.type != vitrt::fb::NumberType::F32)
      return;
    size_t width = size_t(buffer.shape.back()), rows = size_t(event.images);
    for (int64_t extent : ArrayRef(buffer.shape).drop_back())
      rows *= size_t(extent);
    Found found;
    found.rows = rows;
    for (auto *row = static_cast<const float *>(event.output()), *end = row + rows * width; row != end; row += width) {
      auto [least, greatest] = std::minmax_element(row, row + width);
      found.least = std::min(found.least, *least);
      found.greatest = std::max(found.greatest, *greatest);
      found.squares += double(*greatest - *least) * double(*greatest - *least);
    }
    std::lock_guard lock(mutex);
    Found &all = layers[event.launch.name];
    all.least = std::min(all.least, found.least);
    all.greatest = std::max(all.greatest, found.greatest);
    all.squares += found.squares;
    all.rows += found.rows;
  }

  CalibratedRanges ranges() const {
    CalibratedRanges ranges;
    for (const auto &[layer, found] : layers)
      ranges[layer] = {found.least, found.greatest, static_cast<float>(std::sqrt(found.squares / double(found.rows)))};
    return ranges;
  }

private:
  struct Found {
    float least = std::numeric_limits<float>::infinity(), greatest = -least;
    double squares = 0; ///< of the rows' ranges
    size_t rows = 0;
  };
  std::mutex mutex;
  std::map<std::string, Found> layers;
};

/// The images, one by one, as the model takes them.
class CalibrationImages {
public:
  static llvm::Expected<CalibrationImages> open(StringRef path, const vitrt::Artifact &artifact) {
    CalibrationImages images;
    const vitrt::fb::Model &model = *artifact.manifest().model();
    images.shape = {model.channels(), model.height(), model.width()};
    if (llvm::sys::fs::is_directory(path)) {
      vitrt::Expected<std::vector<std::string>> files = vitrt::listImages(path.str());
      if (!files)
        return asError(files.error());
      if (files->empty())
        return llvm::createStringError(path + ": the folder holds no .jpg, .jpeg or .png file to calibrate with");
      images.files = std::move(*files);
      auto preprocessor = vitrt::Preprocessor::create(model.preprocess(), model.channels(), model.height(), model.width());
      if (!preprocessor)
        return asError(preprocessor.error());
      images.preprocessor = std::move(*preprocessor);
      return images;
    }
    vitrt::Expected<vitrt::NpyArray> array = vitrt::readNpy(path.str());
    if (!array)
      return asError(array.error());
    ArrayRef<int64_t> given(array->shape());
    if (given.size() != 4 || given[0] == 0 || given.drop_front() != ArrayRef(images.shape))
      return llvm::createStringError(path + ": holds an array " + vitrt::formatShape(array->shape()) + ", expected images [N, " +
                                     llvm::Twine(images.shape[0]) + ", " + llvm::Twine(images.shape[1]) + ", " +
                                     llvm::Twine(images.shape[2]) + "]");
    vitrt::Expected<std::span<const float>> floats = array->floats();
    if (!floats)
      return asError(floats.error());
    images.array = std::move(*array);
    images.floats = *floats;
    return images;
  }

  size_t size() const { return files.empty() ? size_t(array.shape()[0]) : files.size(); }

  /// Image `index`; valid until the next call.
  llvm::Expected<const float *> operator[](size_t index) {
    if (files.empty())
      return floats.data() + index * elements();
    vitrt::Expected<vitrt::Image> image = vitrt::readImage(files[index]);
    if (!image)
      return asError(image.error());
    vitrt::Expected<vitrt::Crop> crop = preprocessor->crop(std::move(*image), files[index]);
    if (!crop)
      return asError(crop.error());
    current.resize(elements());
    preprocessor->normalize(*crop, current.data());
    return current.data();
  }

private:
  size_t elements() const { return size_t(shape[0] * shape[1] * shape[2]); }

  SmallVector<int64_t, 3> shape; ///< of an image
  std::vector<std::string> files;
  std::optional<vitrt::Preprocessor> preprocessor;
  std::vector<float> current;
  vitrt::NpyArray array;
  std::span<const float> floats;
};

/// A file of its own beside `beside`, removed when this goes or a signal ends the process.
class TemporaryFile {
public:
  static llvm::Expected<TemporaryFile> create(StringRef beside) {
    llvm::SmallString<128> path;
    if (std::error_code error = llvm::sys::fs::createUniqueFile(beside + ".calibration.%%%%%%", path))
      return llvm::createStringError("cannot make a file beside '" + beside + "' to calibrate with: " + error.message());
    llvm::sys::RemoveFileOnSignal(path);
    return TemporaryFile(path.str());
  }
  TemporaryFile(TemporaryFile &&other) : path(std::move(other.path)) { other.path.clear(); }
  TemporaryFile &operator=(TemporaryFile &&) = delete;
  ~TemporaryFile() { remove(); }

  const std::string &name() const { return path; }

  /// What is mapped stays readable.
  void remove() {
    if (path.empty())
      return;
    (void)llvm::sys::fs::remove(path);
    llvm::sys::DontRemoveFileOnSignal(path);
    path.clear();
  }

private:
  explicit TemporaryFile(StringRef path) : path(path) {}
  std::string path;
};

} // namespace

static llvm::Error runAll(vitrt::Session &session, CalibrationImages &images, RangeObserver &observer, const artifact::Progress &progress) {
  const vitrt::Program &program = session.model().program();
  std::vector<std::vector<float>> storage;
  std::vector<float *> outputs;
  for (uint32_t output : program.outputs)
    outputs.push_back(storage.emplace_back(program.buffers[output].bytesPerImage / sizeof(float)).data());
  for (size_t i = 0; i < images.size(); ++i) {
    llvm::Expected<const float *> image = images[i];
    if (!image)
      return image.takeError();
    const float *inputs[] = {*image};
    if (vitrt::Error error = session.run(1, inputs, outputs.data(), &observer))
      return asError(error);
    progress(i + 1, images.size());
  }
  return llvm::Error::success();
}

llvm::Expected<CalibratedRanges> vitc::calibrate(MLIRContext &context, const ModelConfig &config, const CompileOptions &options,
                                                 const artifact::WeightsFrom &weights, StringRef images, StringRef path,
                                                 const artifact::Progress &progress) {
  if (weights.external())
    return llvm::createStringError("ranges cannot be found in images without weights; give --weights=FILE, or no --calibration");
  CompileOptions exact;
  exact.take = options.take;
  exact.optLevel = options.optLevel;
  llvm::Expected<TemporaryFile> file = TemporaryFile::create(path);
  if (!file)
    return file.takeError();
  artifact::BindingNotes notes;
  if (llvm::Error error = compile(context, config, exact, weights, file->name(), [](uint64_t, uint64_t) {}, notes))
    return error;
  vitrt::Expected<std::unique_ptr<vitrt::Model>> model = vitrt::Model::open(file->name());
  if (!model)
    return asError(model.error());
  file->remove();
  vitrt::Expected<std::unique_ptr<vitrt::Session>> session = vitrt::Session::create(**model);
  if (!session)
    return asError(session.error());
  llvm::Expected<CalibrationImages> opened = CalibrationImages::open(images, (*model)->artifact());
  if (!opened)
    return opened.takeError();
  RangeObserver observer;
  if (llvm::Error error = runAll(**session, *opened, observer, progress))
    return error;
  return observer.ranges();
}
