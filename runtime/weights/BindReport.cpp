//===- BindReport.cpp - which tensor went where, for people -------------------*- C++ -*-===//
//
// Part of the vitc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===--------------------------------------------------------------------------------------===//

#include "runtime/weights/Binder.h"

#include <fmt/ranges.h>

using namespace vitrt;

namespace {

uint64_t product(const std::vector<uint64_t> &shape) {
  uint64_t count = 1;
  for (uint64_t extent : shape)
    count *= extent;
  return count;
}

/// What the view does to the tensor: "as it is", "transposed", "part from element 36864".
std::string describeView(const BoundSource &source) {
  std::vector<std::string> steps;
  int64_t expected = 1;
  bool rowMajor = true;
  for (size_t axis = source.shape.size(); axis-- > 0;) {
    // The stride of an axis of one element is never used.
    rowMajor &= source.shape[axis] == 1 || source.strides[axis] == expected;
    expected *= int64_t(source.shape[axis]);
  }
  if (source.sliced)
    steps.push_back(fmt::format("first {} of {} elements", product(source.shape), product(source.tensorShape)));
  else if (product(source.shape) != product(source.tensorShape))
    steps.push_back(fmt::format("part from element {}", source.offset));
  if (!rowMajor)
    steps.push_back("transposed");
  else if (steps.empty() && source.shape != source.tensorShape)
    steps.push_back("reshaped");
  if (source.type != ElementType::F32)
    steps.push_back("converted to f32");
  return steps.empty() ? "as it is" : fmt::format("{}", fmt::join(steps, ", "));
}

} // namespace

std::string vitrt::explain(const BindReport &report) {
  std::string text = fmt::format("weights by the names of {}\n", report.scheme);
  for (const std::string &note : report.notes)
    text += fmt::format("  {}\n", note);
  for (const BoundSource &source : report.sources)
    text += fmt::format("  {} {} <- {} {} {} ({}) -> {}\n", source.source, formatShape(source.shape), source.tensor, nameOf(source.type),
                        formatShape(source.tensorShape), describeView(source), fmt::join(source.packed, ", "));
  for (const std::string &tensor : report.ignored)
    text += fmt::format("  not used: {}\n", tensor);
  for (const std::string &tensor : report.extra)
    text += fmt::format("  unknown, not used: {}\n", tensor);
  return text;
}
