//===- PackedDatasets.cpp - Fashion-MNIST and CIFAR ------------------------------*- C++ -*-===//
//
// Part of the vitc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===--------------------------------------------------------------------------------------===//
//
// idx files: http://yann.lecun.com/exdb/mnist (four bytes of magic, big-endian extents, bytes).
// CIFAR: https://www.cs.toronto.edu/~kriz/cifar.html, "Binary version" (label bytes, then 3 x 32 x 32 bytes, an image after the other) and
// "Python version" (CifarPickle.h).
//
//===--------------------------------------------------------------------------------------===//

#include "runtime/data/CifarPickle.h"
#include "runtime/data/Dataset.h"
#include "runtime/data/Files.h"

#include <algorithm>
#include <filesystem>
#include <zlib.h>

namespace vitrt {
namespace {

namespace fs = std::filesystem;

/// Pictures of one size that lie in memory, planes first: [N, channels, height, width].
class PackedDataset : public Dataset {
public:
  PackedDataset(std::string source, uint32_t channels, uint32_t height, uint32_t width, std::vector<std::string> classes)
      : source(std::move(source)), channels(channels), height(height), width(width), classes(std::move(classes)) {}

  size_t imageBytes() const { return size_t(channels) * height * width; }

  size_t size() const override { return labels.size(); }
  int64_t label(size_t index) const override { return labels[index]; }
  std::string name(size_t index) const override { return fmt::format("{}: image {}", source, index); }
  std::span<const std::string> classNames() const override { return classes; }

  Expected<Image> picture(size_t index) const override {
    Image image(width, height, channels);
    const uint8_t *from = bytes.data() + index * imageBytes();
    for (uint32_t c = 0; c < channels; ++c)
      for (size_t i = 0; i < size_t(height) * width; ++i)
        image.pixels[i * channels + c] = *from++;
    return image;
  }

  std::vector<uint8_t> bytes;
  std::vector<uint8_t> labels;

private:
  std::string source;
  uint32_t channels, height, width;
  std::vector<std::string> classes;
};

/// A file's bytes, gunzipped if it is gzipped. At most `limit` bytes, so that a small file cannot fill the memory.
Expected<std::vector<uint8_t>> readMaybeGzipped(const std::string &path, size_t limit) {
  gzFile file = gzopen(path.c_str(), "rbe");
  if (!file)
    return makeError(VITRT_ERROR_IO, "{}: cannot be read", path);
  std::vector<uint8_t> bytes;
  constexpr size_t step = 1 << 20;
  Error error = Error::success();
  for (;;) {
    size_t size = bytes.size();
    bytes.resize(size + step);
    int n = gzread(file, bytes.data() + size, step);
    bytes.resize(size + size_t(std::max(n, 0)));
    int code = Z_OK;
    const char *message = gzerror(file, &code);
    if (n < 0 || (n == 0 && code == Z_BUF_ERROR))
      error = makeError(VITRT_ERROR_FORMAT, "{}: damaged gzip file: {}", path, message);
    else if (bytes.size() > limit)
      error = makeError(VITRT_ERROR_FORMAT, "{}: holds more than the {} bytes expected of it", path, limit);
    if (error || n == 0)
      break;
  }
  gzclose(file);
  if (error)
    return error;
  return bytes;
}

/// Whether something of that name is there and can be asked about; reading it gives the reason otherwise.
bool isThere(const fs::path &path) {
  std::error_code ignored;
  return fs::exists(path, ignored);
}

/// FOLDER/NAME or FOLDER/NAME.gz, whichever is there.
Expected<std::string> findIdx(const std::string &folder, const std::string &name) {
  for (const char *extension : {"", ".gz"}) {
    std::string path = (fs::path(folder) / (name + extension)).string();
    if (isThere(path))
      return path;
  }
  return makeError(VITRT_ERROR_IO, "{}: holds neither {} nor {}.gz (Debian's package dataset-fashion-mnist has them)", folder, name, name);
}

constexpr uint32_t mnistEdge = 28, cifarEdge = 32;
constexpr size_t mostImages = 1'000'000;

/// Reads an idx file of unsigned bytes and checks its extents [N, extents...]; gives the N * product bytes.
Expected<std::vector<uint8_t>> readIdx(const std::string &folder, const std::string &name, std::vector<uint32_t> extents) {
  auto path = findIdx(folder, name);
  if (!path)
    return std::move(path.error());
  size_t itemBytes = 1, headerBytes = 8 + 4 * extents.size();
  for (uint32_t extent : extents)
    itemBytes *= extent;
  auto bytes = readMaybeGzipped(*path, headerBytes + mostImages * itemBytes);
  if (!bytes)
    return std::move(bytes.error());
  auto number = [&](size_t offset) {
    const uint8_t *p = bytes->data() + offset;
    return uint32_t(p[0]) << 24 | uint32_t(p[1]) << 16 | uint32_t(p[2]) << 8 | p[3];
  };
  uint32_t magic = 0x0800 | uint32_t(extents.size() + 1);
  bool matches = bytes->size() >= headerBytes && number(0) == magic;
  for (size_t i = 0; matches && i < extents.size(); ++i)
    matches = number(8 + 4 * i) == extents[i];
  if (!matches || bytes->size() != headerBytes + number(4) * itemBytes)
    return makeError(VITRT_ERROR_FORMAT, "{}: expected an idx file of {} bytes for each of N {}", *path, itemBytes,
                     extents.empty() ? "labels" : "images");
  bytes->erase(bytes->begin(), bytes->begin() + headerBytes);
  return bytes;
}

} // namespace

Expected<std::unique_ptr<Dataset>> openFashionMnist(const std::string &folder, Split split) {
  std::string prefix = split == Split::Train ? "train" : "t10k";
  auto images = readIdx(folder, prefix + "-images-idx3-ubyte", {mnistEdge, mnistEdge});
  if (!images)
    return std::move(images.error());
  auto labels = readIdx(folder, prefix + "-labels-idx1-ubyte", {});
  if (!labels)
    return std::move(labels.error());
  auto data = std::make_unique<PackedDataset>(
      "fashion-mnist", 1, mnistEdge, mnistEdge,
      std::vector<std::string>{"T-shirt/top", "Trouser", "Pullover", "Dress", "Coat", "Sandal", "Shirt", "Sneaker", "Bag", "Ankle boot"});
  if (labels->empty() || images->size() != labels->size() * data->imageBytes())
    return makeError(VITRT_ERROR_FORMAT, "{}: {} images and {} labels, expected as many of both", folder,
                     images->size() / data->imageBytes(), labels->size());
  data->bytes = std::move(*images);
  data->labels = std::move(*labels);
  return std::unique_ptr<Dataset>(std::move(data));
}

namespace {

/// How the archives of a CIFAR call their files and what is in them.
struct CifarLayout {
  const char *name, *binaryFolder, *pythonFolder, *binaryNames, *pythonNames, *pythonNamesKey, *pythonLabelKey, *archives;
  std::span<const char *const> train, test; ///< without .bin, which the binary version's have
  size_t labelBytes;                        ///< of a record of the binary version; the last of them is the label
};

constexpr const char *cifar10Train[] = {"data_batch_1", "data_batch_2", "data_batch_3", "data_batch_4", "data_batch_5"};
constexpr const char *cifar10Test[] = {"test_batch"}, *cifar100Train[] = {"train"}, *cifar100Test[] = {"test"};

constexpr CifarLayout cifar10Layout = {
    .name = "cifar10",
    .binaryFolder = "cifar-10-batches-bin",
    .pythonFolder = "cifar-10-batches-py",
    .binaryNames = "batches.meta.txt",
    .pythonNames = "batches.meta",
    .pythonNamesKey = "label_names",
    .pythonLabelKey = "labels",
    .archives = "cifar-10-binary.tar.gz or cifar-10-python.tar.gz",
    .train = cifar10Train,
    .test = cifar10Test,
    .labelBytes = 1,
};

constexpr CifarLayout cifar100Layout = {
    .name = "cifar100",
    .binaryFolder = "cifar-100-binary",
    .pythonFolder = "cifar-100-python",
    .binaryNames = "fine_label_names.txt",
    .pythonNames = "meta",
    .pythonNamesKey = "fine_label_names",
    .pythonLabelKey = "fine_labels",
    .archives = "cifar-100-binary.tar.gz or cifar-100-python.tar.gz",
    .train = cifar100Train,
    .test = cifar100Test,
    .labelBytes = 2, // the coarse label, then the fine one
};

/// A file of the binary version: label bytes and 3 x 32 x 32 bytes for each image.
Expected<CifarImages> readCifarBinary(const std::string &path, size_t labelBytes) {
  auto bytes = readFile(path);
  if (!bytes)
    return std::move(bytes.error());
  size_t recordBytes = labelBytes + 3 * cifarEdge * cifarEdge;
  if (bytes->empty() || bytes->size() % recordBytes)
    return makeError(VITRT_ERROR_FORMAT, "{}: {} bytes, expected a multiple of {}", path, bytes->size(), recordBytes);
  CifarImages images;
  for (auto at = bytes->begin(); at != bytes->end(); at += ptrdiff_t(recordBytes)) {
    images.labels.push_back(at[ptrdiff_t(labelBytes) - 1]);
    images.bytes.insert(images.bytes.end(), at + ptrdiff_t(labelBytes), at + ptrdiff_t(recordBytes));
  }
  return images;
}

} // namespace

Expected<std::unique_ptr<Dataset>> openCifar(const std::string &folder, unsigned classes, Split split) {
  const CifarLayout &layout = classes == 10 ? cifar10Layout : cifar100Layout;
  fs::path root = folder;
  // The archives unpack to a folder of their own; people name that, or the one around it.
  std::error_code ignored;
  for (const char *inner : {layout.binaryFolder, layout.pythonFolder})
    if (root == fs::path(folder) && fs::is_directory(root / inner, ignored))
      root /= inner;
  std::span<const char *const> files = split == Split::Train ? layout.train : layout.test;
  bool binary = isThere(root / (std::string(files.front()) + ".bin")) || !isThere(root / files.front());

  std::vector<std::string> classNames;
  if (fs::path path = root / (binary ? layout.binaryNames : layout.pythonNames); isThere(path)) {
    auto lines = binary ? readLines(path.string()) : readCifarNames(path.string(), layout.pythonNamesKey);
    if (!lines)
      return std::move(lines.error());
    std::erase(*lines, "");
    classNames = std::move(*lines);
  }
  auto data = std::make_unique<PackedDataset>(layout.name, 3, cifarEdge, cifarEdge, std::move(classNames));
  for (const char *name : files) {
    std::string file = name + std::string(binary ? ".bin" : ""), path = (root / file).string();
    if (!isThere(path))
      return makeError(VITRT_ERROR_IO, "{}: holds no {}; expected the binary version of CIFAR-{} or the one for Python ({}), unpacked",
                       root.string(), file, classes, layout.archives);
    auto images = binary ? readCifarBinary(path, layout.labelBytes) : readCifarPickle(path, layout.pythonLabelKey);
    if (!images)
      return std::move(images.error());
    for (size_t i = 0; i < images->labels.size(); ++i) {
      if (images->labels[i] < 0 || images->labels[i] >= int64_t(classes))
        return makeError(VITRT_ERROR_FORMAT, "{}: image {} has the label {}, expected 0 to {}", path, i, images->labels[i], classes - 1);
      data->labels.push_back(uint8_t(images->labels[i]));
    }
    data->bytes.insert(data->bytes.end(), images->bytes.begin(), images->bytes.end());
  }
  return std::unique_ptr<Dataset>(std::move(data));
}

} // namespace vitrt
