//===- VerifyManifest.cpp - bounds checks of model, weights and targets -------*- C++ -*-===//
//
// Part of the vitc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===--------------------------------------------------------------------------------------===//

#include "runtime/artifact/ManifestVerifier.h"

#include <algorithm>
#include <cmath>
#include <set>

using namespace vitrt;

bool ManifestVerifier::checkModel() {
  const fb::Model *model = manifest.model();
  if (!model)
    return fail("model is missing");
  if (!checkName(model->name(), "model.name"))
    return false;
  if (model->channels() == 0 || model->height() == 0 || model->width() == 0)
    return fail("model has images of {} x {} x {}", model->channels(), model->height(), model->width());
  const fb::Preprocess *preprocess = model->preprocess();
  if (!preprocess)
    return true;
  if (preprocess->resize() > fb::Resize::MAX || preprocess->resize() < fb::Resize::MIN ||
      preprocess->interpolation() > fb::Interpolation::MAX || preprocess->interpolation() < fb::Interpolation::MIN ||
      preprocess->crop_rounding() > fb::CropRounding::MAX || preprocess->crop_rounding() < fb::CropRounding::MIN ||
      preprocess->rescale() > fb::Rescale::MAX || preprocess->rescale() < fb::Rescale::MIN)
    return fail("model.preprocess has a value that this runtime does not know");
  if (sizeOf(preprocess->mean()) != model->channels() || sizeOf(preprocess->std()) != model->channels())
    return fail("model.preprocess has {} means and {} deviations for {} channels", sizeOf(preprocess->mean()), sizeOf(preprocess->std()),
                model->channels());
  for (uint32_t i = 0; i < model->channels(); ++i)
    if (!std::isfinite(preprocess->mean()->Get(i)) || !std::isfinite(preprocess->std()->Get(i)) || preprocess->std()->Get(i) == 0)
      return fail("model.preprocess normalizes channel {} by mean {} and deviation {}", i, preprocess->mean()->Get(i),
                  preprocess->std()->Get(i));
  return true;
}

bool ManifestVerifier::checkSchemes() {
  for (uint32_t s = 0; s < sizeOf(manifest.schemes()); ++s) {
    const fb::Scheme &scheme = *manifest.schemes()->Get(s);
    std::string where = fmt::format("schemes[{}]", s);
    if (!checkName(scheme.name(), where + ".name"))
      return false;
    for (uint32_t t = 0; t < sizeOf(scheme.tensors()); ++t) {
      const fb::FileTensor &tensor = *scheme.tensors()->Get(t);
      std::string at = fmt::format("{}.tensors[{}]", where, t);
      if (sizeOf(tensor.names()) == 0)
        return fail("{} has no name", at);
      for (uint32_t i = 0; i < sizeOf(tensor.names()); ++i)
        if (!checkName(tensor.names()->Get(i), fmt::format("{}.names[{}]", at, i)))
          return false;
      if (countElements(tensor.shape()) == 0)
        return fail("{}.shape has no elements, or too many", at);
    }
  }
  return true;
}

bool ManifestVerifier::checkTargets() {
  if (sizeOf(manifest.targets()) == 0)
    return fail("there are no targets");
  std::set<std::pair<std::string, std::string>> names;
  for (uint32_t t = 0; t < manifest.targets()->size(); ++t) {
    const fb::Target &target = *manifest.targets()->Get(t);
    std::string where = fmt::format("targets[{}]", t);
    if (!checkName(target.name(), where + ".name") || !checkTarget(target, where))
      return false;
    std::string architecture = target.architecture() ? target.architecture()->str() : "";
    if (!names.emplace(target.name()->str(), architecture).second)
      return fail("two targets are called '{}'{}", target.name()->str(), architecture.empty() ? "" : " and are for " + architecture);
  }
  return true;
}

bool ManifestVerifier::checkTarget(const fb::Target &target, const std::string &where) {
  if (!checkName(target.triple(), where + ".triple"))
    return false;
  if (!target.code())
    return fail("{}.code is missing", where);
  if (!checkSection(target.code(), where + ".code"))
    return false;
  if (target.code()->size() == 0)
    return fail("{}.code is empty", where);
  if (!checkDeviceCode(target, where))
    return false;
  for (uint32_t i = 0; i < sizeOf(target.sources()); ++i)
    if (!checkSource(*target.sources()->Get(i), fmt::format("{}.sources[{}]", where, i)))
      return false;
  if (!checkWeights(target, where))
    return false;
  for (uint32_t i = 0; i < sizeOf(target.kernels()); ++i)
    if (!checkKernel(*target.kernels()->Get(i), fmt::format("{}.kernels[{}]", where, i)))
      return false;
  if (target.training() && !checkTraining(target, *target.training(), where + ".training"))
    return false;
  if (sizeOf(target.programs()) == 0)
    return fail("{} has no programs", where);
  for (uint32_t i = 0; i < target.programs()->size(); ++i)
    if (!checkProgram(target, *target.programs()->Get(i), fmt::format("{}.programs[{}]", where, i)))
      return false;
  return !target.training() || checkTrainingPrograms(target, where);
}

bool ManifestVerifier::checkSection(const fb::Section *section, const std::string &where) {
  if (section->offset() % kSectionAlignment != 0)
    return fail("{} begins at byte {}, which is not a multiple of {}", where, section->offset(), kSectionAlignment);
  if (section->offset() < firstSection || section->offset() > fileSize || section->size() > fileSize - section->offset())
    return fail("{} has {} bytes from byte {}, but the file's sections lie between bytes {} and {}", where, section->size(),
                section->offset(), firstSection, fileSize);
  sections.push_back({section->offset(), section->offset() + section->size(), where});
  return true;
}

/// Sections are apart, or the same one shared by two targets.
bool ManifestVerifier::checkSections() {
  std::sort(sections.begin(), sections.end(),
            [](const PlacedSection &a, const PlacedSection &b) { return std::pair(a.begin, a.end) < std::pair(b.begin, b.end); });
  for (size_t i = 1; i < sections.size(); ++i) {
    const PlacedSection &a = sections[i - 1], &b = sections[i];
    if (b.begin < a.end && (a.begin != b.begin || a.end != b.end))
      return fail("{} and {} overlap", a.where, b.where);
  }
  return true;
}

bool ManifestVerifier::checkSource(const fb::Source &source, const std::string &where) {
  if (!checkName(source.name(), where + ".name"))
    return false;
  uint32_t rank = sizeOf(source.shape());
  if (rank > kMaxSourceRank || countElements(source.shape()) == 0)
    return fail("{}.shape has {} axes, more than {}, or no elements", where, rank, kMaxSourceRank);
  if (sizeOf(source.views()) != sizeOf(manifest.schemes()))
    return fail("{} has {} views for {} schemes", where, sizeOf(source.views()), sizeOf(manifest.schemes()));
  for (uint32_t s = 0; s < sizeOf(source.views()); ++s) {
    const fb::SourceView &view = *source.views()->Get(s);
    std::string at = fmt::format("{}.views[{}]", where, s);
    const auto *tensors = manifest.schemes()->Get(s)->tensors();
    if (!checkIndex(view.tensor(), sizeOf(tensors), at + ".tensor", "tensors"))
      return false;
    if (sizeOf(view.strides()) != rank)
      return fail("{} has {} strides for {} axes", at, sizeOf(view.strides()), rank);
    // The lowest and the highest element that the view reaches; 128 bits because a damaged stride may be anything.
    __int128 low = view.offset(), high = view.offset();
    for (uint32_t axis = 0; axis < rank; ++axis) {
      __int128 reach = __int128(source.shape()->Get(axis) - 1) * view.strides()->Get(axis);
      (reach < 0 ? low : high) += reach;
    }
    uint64_t elements = countElements(tensors->Get(view.tensor())->shape());
    if (low < 0 || high >= __int128(elements))
      return fail("{} reaches outside the {} elements of its tensor '{}'", at, elements,
                  tensors->Get(view.tensor())->names()->Get(0)->str());
  }
  return true;
}

bool ManifestVerifier::checkWeights(const fb::Target &target, const std::string &where) {
  uint64_t total = target.weights_bytes();
  if (total > kMaxBytes)
    return fail("{}.weights_bytes is {}", where, total);
  if (const fb::Section *data = target.weight_data()) {
    if (!checkSection(data, where + ".weight_data"))
      return false;
    if (data->size() != total)
      return fail("{}.weight_data has {} bytes, but weights_bytes is {}", where, data->size(), total);
  }
  std::vector<std::pair<uint64_t, uint64_t>> ranges;
  for (uint32_t i = 0; i < sizeOf(target.weights()); ++i) {
    const fb::PackedWeight &weight = *target.weights()->Get(i);
    std::string at = fmt::format("{}.weights[{}]", where, i);
    if (!checkName(weight.name(), at + ".name") || !checkName(weight.bind_symbol(), at + ".bind_symbol"))
      return false;
    if (weight.offset() % kBufferAlignment != 0 || weight.size() == 0 || weight.offset() > total || weight.size() > total - weight.offset())
      return fail("{} has {} bytes from byte {} of {}, which must be a multiple of {}", at, weight.size(), weight.offset(), total,
                  kBufferAlignment);
    if (weight.scratch_bytes() > kMaxBytes)
      return fail("{}.scratch_bytes is {}", at, weight.scratch_bytes());
    for (uint32_t s = 0; s < sizeOf(weight.sources()); ++s)
      if (!checkIndex(weight.sources()->Get(s), sizeOf(target.sources()), fmt::format("{}.sources[{}]", at, s), "sources"))
        return false;
    ranges.emplace_back(weight.offset(), weight.offset() + weight.size());
  }
  std::sort(ranges.begin(), ranges.end());
  for (size_t i = 1; i < ranges.size(); ++i)
    if (ranges[i].first < ranges[i - 1].second)
      return fail("{} has two weights that overlap at byte {}", where, ranges[i].first);
  return true;
}

bool ManifestVerifier::checkKernel(const fb::Kernel &kernel, const std::string &where) {
  if (!checkName(kernel.symbol(), where + ".symbol") || !checkName(kernel.kind(), where + ".kind"))
    return false;
  if (kernel.scratch_bytes() > kMaxBytes)
    return fail("{}.scratch_bytes is {}", where, kernel.scratch_bytes());
  if (kernel.threads() % 32 != 0 || kernel.threads() > 1024 || kernel.shared_bytes() > kMaxSharedBytes)
    return fail("{} has blocks of {} threads and {} bytes; a block is up to 32 warps of 32 threads with at most {} bytes", where,
                kernel.threads(), kernel.shared_bytes(), kMaxSharedBytes);
  if (kernel.threads() == 0 && (kernel.persistent() || kernel.dependent() || sizeOf(kernel.tensor_maps())))
    return fail("{} is a function of the host that is said to be persistent, dependent or to have tensor maps", where);
  if ((kernel.part_counters() == 0) != (kernel.part_bytes() == 0) || (kernel.threads() == 0 && kernel.part_bytes() != 0) ||
      kernel.part_counters() > kMaxPartCounters || kernel.part_bytes() > kMaxPartBytes || kernel.part_bytes() % 16 != 0)
    return fail(
        "{} leaves {} counters and {} bytes of a task's part of a sum; a device's kernel leaves both or none, at most {} and {}, in "
        "multiples of 16 bytes",
        where, kernel.part_counters(), kernel.part_bytes(), kMaxPartCounters, kMaxPartBytes);
  for (uint32_t i = 0; i < sizeOf(kernel.tensor_maps()); ++i)
    if (!checkTensorMap(*kernel.tensor_maps()->Get(i), fmt::format("{}.tensor_maps[{}]", where, i)))
      return false;
  for (uint64_t count : {kernel.rows_per_image(), kernel.rows_per_task(), kernel.column_tasks()})
    if (count == 0 || count > kMaxCount)
      return fail("{} has {} rows an image, {} rows a task and {} column tasks, expected each from 1 to {}", where, kernel.rows_per_image(),
                  kernel.rows_per_task(), kernel.column_tasks(), kMaxCount);
  // tasks(n) for the largest group has to fit into an int64.
  unsigned __int128 tasks = (unsigned __int128)kernel.rows_per_image() * kMaxGroup / kernel.rows_per_task() + 1;
  if (tasks * kernel.column_tasks() > uint64_t(1) << 62)
    return fail("{} has more tasks than can be counted", where);
  if (kernel.part_bytes() > 0 && tasks * kernel.column_tasks() > uint64_t(1) << 31)
    return fail("{} has more than {} tasks that leave parts of a sum", where, uint64_t(1) << 31);
  return true;
}

Error vitrt::verifyManifest(const fb::Manifest &manifest, uint64_t fileSize, uint64_t manifestSize, const std::string &name) {
  return ManifestVerifier(manifest, fileSize, manifestSize, name).run();
}
