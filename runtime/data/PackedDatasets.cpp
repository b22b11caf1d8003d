//===- PackedDatasets.cpp - Fashion-MNIST and CIFAR ------------------------------*- C++ -*-===//
//
// Part of the vitc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===--------------------------------------------------------------------------------------===//
//
// idx files: http://yann.lecun.com/exdb/mnist (four bytes of magic, big-endian extents, bytes).
// CIFAR: https://www.cs.toronto.edu/~kriz/cifar.html, "Binary version" (label bytes, then 3 x 32 x 32 bytes, an image after the other).
//
//===--------------------------------------------------------------------------------------===//

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

Expected<std::unique_ptr<Dataset>> openCifar(const std::string &folder, unsigned classes, Split split) {
  bool ten = classes == 10;
  fs::path root = folder;
  // The archive unpacks to a folder of its own; people name that, or the one around it.
  std::error_code ignored;
  if (fs::path inner = root / (ten ? "cifar-10-batches-bin" : "cifar-100-binary"); fs::is_directory(inner, ignored))
    root = inner;
  std::vector<std::string> names;
  if (split == Split::Test)
    names = {ten ? "test_batch.bin" : "test.bin"};
  else if (ten)
    names = {"data_batch_1.bin", "data_batch_2.bin", "data_batch_3.bin", "data_batch_4.bin", "data_batch_5.bin"};
  else
    names = {"train.bin"};

  std::vector<std::string> classNames;
  if (fs::path path = root / (ten ? "batches.meta.txt" : "fine_label_names.txt"); isThere(path)) {
    auto lines = readLines(path.string());
    if (!lines)
      return std::move(lines.error());
    std::erase(*lines, "");
    classNames = std::move(*lines);
  }
  auto data = std::make_unique<PackedDataset>(ten ? "cifar10" : "cifar100", 3, cifarEdge, cifarEdge, std::move(classNames));
  size_t labelBytes = ten ? 1 : 2, recordBytes = labelBytes + data->imageBytes(); // cifar100: the coarse label, then the fine one
  for (const std::string &name : names) {
    std::string path = (root / name).string();
    if (!isThere(path))
      return makeError(VITRT_ERROR_IO, "{}: holds no {}; expected the binary version of {} (cifar-{}-binary.tar.gz), unpacked",
                       root.string(), name, ten ? "CIFAR-10" : "CIFAR-100", classes);
    auto bytes = readFile(path);
    if (!bytes)
      return std::move(bytes.error());
    if (bytes->empty() || bytes->size() % recordBytes)
      return makeError(VITRT_ERROR_FORMAT, "{}: {} bytes, expected a multiple of {}", path, bytes->size(), recordBytes);
    for (size_t at = 0; at < bytes->size(); at += recordBytes) {
      uint8_t label = (*bytes)[at + labelBytes - 1];
      if (label >= classes)
        return makeError(VITRT_ERROR_FORMAT, "{}: image {} has the label {}, expected less than {}", path, at / recordBytes, label,
                         classes);
      data->labels.push_back(label);
      data->bytes.insert(data->bytes.end(), bytes->begin() + at + labelBytes, bytes->begin() + at + recordBytes);
    }
  }
  return std::unique_ptr<Dataset>(std::move(data));
}

} // namespace vitrt
