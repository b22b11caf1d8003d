//===- FreshTensors.cpp - a weight file with some tensors made anew -------------------------===//
//
// Part of the vitc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===--------------------------------------------------------------------------------------===//

#include "compiler/artifact/FreshTensors.h"

#include "compiler/artifact/DrawTensor.h"

#include "llvm/ADT/STLExtras.h"

using namespace vitc;
using namespace vitc::artifact;

namespace {
class OverlaidFile : public vitrt::TensorFile {
public:
  OverlaidFile(std::unique_ptr<vitrt::TensorFile> baseFile, llvm::ArrayRef<FreshTensor> freshTensors)
      : base(std::move(baseFile)), fresh(freshTensors.begin(), freshTensors.end()) {
    displayName = base->name();
    remarks.assign(base->notes().begin(), base->notes().end());
    auto isFresh = [&](const std::string &name) { return llvm::any_of(fresh, [&](const FreshTensor &t) { return t.name == name; }); };
    for (auto [index, info] : llvm::enumerate(base->tensors()))
      if (!isFresh(info.name)) {
        infos.push_back(info);
        origins.push_back({index, nullptr});
      }
    for (const FreshTensor &tensor : fresh) {
      uint64_t bytes = sizeof(float);
      for (int64_t size : tensor.shape)
        bytes *= static_cast<uint64_t>(size);
      infos.push_back({tensor.name, vitrt::ElementType::F32, {tensor.shape.begin(), tensor.shape.end()}, bytes});
      origins.push_back({0, &tensor});
    }
    std::vector<Origin> sorted;
    for (size_t old : sortByName())
      sorted.push_back(origins[old]);
    origins = std::move(sorted);
  }

  vitrt::Expected<vitrt::TensorData> read(size_t index) const override {
    const Origin &origin = origins[index];
    if (!origin.fresh)
      return base->read(origin.index);
    vitrt::TensorData data;
    data.owned = std::make_unique<std::byte[]>(infos[index].bytes);
    drawTensor(origin.fresh->draw, origin.fresh->name, /*seed=*/0,
               {reinterpret_cast<float *>(data.owned.get()), static_cast<size_t>(infos[index].bytes / sizeof(float))});
    data.bytes = {data.owned.get(), static_cast<size_t>(infos[index].bytes)};
    return data;
  }

  uint64_t readBytes(size_t index) const override {
    return origins[index].fresh ? infos[index].bytes : base->readBytes(origins[index].index);
  }

  void release(size_t index) const override {
    if (!origins[index].fresh)
      base->release(origins[index].index);
  }

private:
  /// A tensor of the base, or one made here.
  struct Origin {
    size_t index;
    const FreshTensor *fresh;
  };
  std::unique_ptr<vitrt::TensorFile> base;
  std::vector<FreshTensor> fresh;
  std::vector<Origin> origins;
};
} // namespace

std::unique_ptr<vitrt::TensorFile> artifact::withFreshTensors(std::unique_ptr<vitrt::TensorFile> base, llvm::ArrayRef<FreshTensor> fresh) {
  if (fresh.empty())
    return base;
  return std::make_unique<OverlaidFile>(std::move(base), fresh);
}
