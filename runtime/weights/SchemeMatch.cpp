//===- SchemeMatch.cpp - which framework's names does a file have -------------*- C++ -*-===//
//
// Part of the vitc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===--------------------------------------------------------------------------------------===//

#include "runtime/weights/SchemeMatch.h"

#include <algorithm>
#include <fmt/ranges.h>
#include <set>

using namespace vitrt;

namespace {

std::vector<uint64_t> shapeOf(const fb::FileTensor &tensor) {
  return tensor.shape() ? std::vector<uint64_t>(tensor.shape()->begin(), tensor.shape()->end()) : std::vector<uint64_t>();
}

ptrdiff_t findTensor(const fb::FileTensor &tensor, const TensorFile &file) {
  for (const flatbuffers::String *name : *tensor.names())
    if (ptrdiff_t index = file.find(name->string_view()); index >= 0)
      return index;
  return -1;
}

/// Whether a file's tensor has the scheme's shape; `sliced` if its first axis above 1 is longer and the scheme allows that.
bool fitsShape(const std::vector<uint64_t> &shape, const std::vector<uint64_t> &expected, bool sliceable, bool &sliced) {
  sliced = false;
  if (shape == expected)
    return true;
  if (!sliceable || shape.size() != expected.size())
    return false;
  size_t axis = 0;
  while (axis < expected.size() && expected[axis] == 1 && shape[axis] == 1)
    ++axis;
  sliced = axis < expected.size() && expected[axis] > 1 && shape[axis] > expected[axis] &&
           std::equal(shape.begin() + ptrdiff_t(axis) + 1, shape.end(), expected.begin() + ptrdiff_t(axis) + 1);
  return sliced;
}

bool isFloat(ElementType type) {
  return type == ElementType::F32 || type == ElementType::F16 || type == ElementType::BF16 || type == ElementType::F64;
}

/// The tensors of a scheme that the target's packed weights are made from.
std::vector<bool> neededTensors(const fb::Manifest &manifest, const fb::Target &target, uint32_t scheme) {
  const auto *tensors = manifest.schemes()->Get(scheme)->tensors();
  std::vector<bool> needed(tensors ? tensors->size() : 0);
  if (target.weights())
    for (const fb::PackedWeight *weight : *target.weights())
      if (weight->sources())
        for (uint32_t source : *weight->sources())
          needed[target.sources()->Get(source)->views()->Get(scheme)->tensor()] = true;
  return needed;
}

SchemeMatch matchScheme(const fb::Manifest &manifest, const fb::Target &target, uint32_t scheme, const TensorFile &file) {
  SchemeMatch match;
  match.scheme = scheme;
  std::vector<bool> needed = neededTensors(manifest, target, scheme);
  match.files.assign(needed.size(), -1);
  match.sliced.assign(needed.size(), false);
  for (uint32_t t = 0; t < needed.size(); ++t) {
    if (!needed[t])
      continue;
    const fb::FileTensor &tensor = *manifest.schemes()->Get(scheme)->tensors()->Get(t);
    std::vector<uint64_t> expected = shapeOf(tensor);
    ptrdiff_t index = findTensor(tensor, file);
    if (index < 0) {
      match.missing.push_back(fmt::format("{} {}", tensor.names()->Get(0)->str(), formatShape(expected)));
      continue;
    }
    const TensorInfo &info = file.tensors()[size_t(index)];
    bool sliced;
    if (!fitsShape(info.shape, expected, tensor.sliceable(), sliced) || !isFloat(info.type)) {
      match.mismatched.push_back(fmt::format("{} is {} {}, expected {}{}", info.name, nameOf(info.type), formatShape(info.shape),
                                             formatShape(expected), isFloat(info.type) ? "" : " of f32, f16, bf16 or f64"));
      continue;
    }
    match.files[t] = index;
    match.sliced[t] = sliced;
    ++match.found;
  }
  return match;
}

} // namespace

SchemeMatch vitrt::matchSchemes(const fb::Manifest &manifest, const fb::Target &target, const TensorFile &file) {
  SchemeMatch best;
  for (uint32_t s = 0; manifest.schemes() && s < manifest.schemes()->size(); ++s) {
    SchemeMatch match = matchScheme(manifest, target, s, file);
    if (s == 0 || (!best.fits() && (match.fits() || match.found > best.found)))
      best = std::move(match);
  }
  return best;
}

Error vitrt::describeMismatch(const fb::Manifest &manifest, const SchemeMatch &match, const TensorFile &file) {
  const fb::Scheme &scheme = *manifest.schemes()->Get(match.scheme);
  std::string model = manifest.model()->name()->str();
  if (match.found == 0 && match.mismatched.empty()) {
    std::vector<std::string> schemes, there;
    for (const fb::Scheme *known : *manifest.schemes())
      if (known->tensors() && known->tensors()->size() > 0)
        schemes.push_back(fmt::format("{} ('{}')", known->name()->str(), known->tensors()->Get(0)->names()->Get(0)->str()));
    for (size_t i = 0; i < std::min<size_t>(3, file.tensors().size()); ++i)
      there.push_back("'" + file.tensors()[i].name + "'");
    return makeError(VITRT_ERROR_WEIGHTS, "'{}' holds no tensor of {} by the names of {}; its {} tensors are called {}{}", file.name(),
                     model, fmt::join(schemes, ", "), file.tensors().size(), fmt::join(there, ", "),
                     file.tensors().size() > there.size() ? ", ..." : "");
  }
  std::vector<std::string> known, unknown, lines;
  listUnused(manifest, match, file, known, unknown);
  for (const std::string &line : match.missing)
    lines.push_back("  missing: " + line);
  for (const std::string &line : match.mismatched)
    lines.push_back("  mis-shaped: " + line);
  for (const std::string &line : unknown)
    lines.push_back("  extra: " + line);
  return makeError(VITRT_ERROR_WEIGHTS, "'{}' does not fit {} by the names of {}: {} tensors missing, {} mis-shaped, {} extra\n{}",
                   file.name(), model, scheme.name()->str(), match.missing.size(), match.mismatched.size(), unknown.size(),
                   fmt::join(lines, "\n"));
}

void vitrt::listUnused(const fb::Manifest &manifest, const SchemeMatch &match, const TensorFile &file, std::vector<std::string> &known,
                       std::vector<std::string> &unknown) {
  const fb::Scheme &scheme = *manifest.schemes()->Get(match.scheme);
  std::set<ptrdiff_t> used(match.files.begin(), match.files.end());
  std::set<std::string_view> names;
  if (scheme.tensors())
    for (const fb::FileTensor *tensor : *scheme.tensors())
      for (const flatbuffers::String *name : *tensor->names())
        names.insert(name->string_view());
  auto isKnown = [&](const std::string &name) {
    if (names.count(name))
      return true;
    if (scheme.ignored())
      for (const flatbuffers::String *pattern : *scheme.ignored())
        if (matchesGlob(pattern->string_view(), name))
          return true;
    return false;
  };
  for (size_t i = 0; i < file.tensors().size(); ++i) {
    const TensorInfo &info = file.tensors()[i];
    if (!used.count(ptrdiff_t(i)))
      (isKnown(info.name) ? known : unknown).push_back(fmt::format("{} {}", info.name, formatShape(info.shape)));
  }
}

bool vitrt::matchesGlob(std::string_view pattern, std::string_view text) {
  size_t p = 0, t = 0, star = std::string_view::npos, retry = 0;
  while (t < text.size()) {
    if (p < pattern.size() && (pattern[p] == '?' || (pattern[p] == text[t] && pattern[p] != '*'))) {
      ++p, ++t;
    } else if (p < pattern.size() && pattern[p] == '*') {
      star = p++;
      retry = t;
    } else if (star != std::string_view::npos) {
      p = star + 1;
      t = ++retry;
    } else {
      return false;
    }
  }
  return pattern.find_first_not_of('*', p) == std::string_view::npos;
}
