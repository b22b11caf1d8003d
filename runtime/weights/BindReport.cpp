//===- BindReport.cpp - which tensor went where, for people -------------------*- C++ -*-===//
//
// Part of the vitc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===--------------------------------------------------------------------------------------===//

#include "runtime/weights/Binder.h"

#include <algorithm>
#include <fmt/ranges.h>
#include <map>
#include <set>

using namespace vitrt;

namespace {

uint64_t product(std::span<const uint64_t> shape) {
  uint64_t count = 1;
  for (uint64_t extent : shape)
    count *= extent;
  return count;
}

/// Whether the view's elements follow one another in the tensor.
bool isRowMajor(const BoundSource &source) {
  int64_t expected = 1;
  for (size_t axis = source.shape.size(); axis-- > 0;) {
    // The stride of an axis of one element is never used.
    if (source.shape[axis] != 1 && source.strides[axis] != expected)
      return false;
    expected *= int64_t(source.shape[axis]);
  }
  return true;
}

/// Which part of its tensor a weight is: "rows 192 to 383 of 576", "elements from 64 of 512".
std::string describePart(const BoundSource &source, bool rowMajor) {
  uint64_t rows = source.tensorShape.empty() ? 1 : source.tensorShape[0],
           rowElements = product(source.tensorShape) / std::max<uint64_t>(rows, 1);
  uint64_t elements = product(source.shape);
  if (rowMajor && rowElements > 0 && source.offset % rowElements == 0 && elements % rowElements == 0 && elements > 0)
    return fmt::format("rows {} to {} of {}", source.offset / rowElements, (source.offset + elements) / rowElements - 1, rows);
  return fmt::format("{} of {} elements, from {}", elements, product(source.tensorShape), source.offset);
}

/// What is done to the tensor's elements on their way: "as it is", "split: rows 192 to 383 of 576, f16 to f32".
std::vector<std::string> describeSteps(const BoundSource &source) {
  std::vector<std::string> steps;
  bool rowMajor = isRowMajor(source);
  if (source.sliced)
    steps.push_back("cut: " + describePart(source, rowMajor));
  else if (product(source.shape) != product(source.tensorShape))
    steps.push_back("split: " + describePart(source, rowMajor));
  if (!rowMajor)
    steps.push_back("transposed");
  else if (steps.empty() && source.shape != source.tensorShape)
    steps.push_back("reshaped");
  if (source.type != ElementType::F32)
    steps.push_back(fmt::format("{} to f32", nameOf(source.type)));
  if (steps.empty())
    steps.push_back("as it is");
  return steps;
}

/// Lines of cells, each column as wide as its widest cell (up to a limit, beyond which a line just gets longer).
class Columns {
public:
  void add(std::vector<std::string> cells) { lines.push_back(std::move(cells)); }
  std::string str() const {
    constexpr size_t kWidest = 48;
    std::vector<size_t> widths;
    for (const std::vector<std::string> &line : lines)
      for (size_t i = 0; i < line.size(); ++i) {
        widths.resize(std::max(widths.size(), i + 1));
        widths[i] = std::max(widths[i], std::min(line[i].size(), kWidest));
      }
    std::string text;
    for (const std::vector<std::string> &line : lines) {
      text += " ";
      for (size_t i = 0; i < line.size(); ++i)
        text += i + 1 == line.size() ? " " + line[i] : fmt::format(" {:<{}}", line[i], widths[i]);
      text += "\n";
    }
    return text;
  }

private:
  std::vector<std::vector<std::string>> lines;
};

} // namespace

std::string vitrt::explain(const BindReport &report) {
  std::string text = fmt::format("tensors by the names of {}, and the model's weights that they are\n", report.scheme);
  for (const std::string &note : report.notes)
    text += fmt::format("  {}\n", note);
  Columns tensors;
  std::set<std::string_view> used;
  std::map<std::string, size_t> counts;
  // Packed weights in the order of the model, each with what it is made of.
  std::vector<std::pair<std::string_view, std::vector<std::string_view>>> packed;
  std::map<std::string_view, size_t> packedIndex;
  for (const BoundSource &source : report.sources) {
    std::vector<std::string> steps = describeSteps(source);
    used.insert(source.tensor);
    for (const std::string &step : steps)
      ++counts[step.substr(0, step.find(':'))];
    tensors.add({source.tensor, fmt::format("{} {}", nameOf(source.type), formatShape(source.tensorShape)), "->",
                 fmt::format("{} {}", source.source, formatShape(source.shape)), fmt::format("{}", fmt::join(steps, ", "))});
    for (const std::string &name : source.packed) {
      auto [known, isNew] = packedIndex.try_emplace(name, packed.size());
      if (isNew)
        packed.push_back({name, {}});
      packed[known->second].second.push_back(source.source);
    }
  }
  text += tensors.str();
  text += "packed for the kernels, with what is folded into each\n";
  Columns weights;
  for (const auto &[name, sources] : packed)
    weights.add({std::string(name), "<-", fmt::format("{}", fmt::join(sources, ", "))});
  text += weights.str();
  std::vector<std::string> summary;
  for (const auto &[step, count] : counts)
    summary.push_back(fmt::format("{} {}", count, step));
  text += fmt::format("{} tensors used as {} weights: {}; {} known and not used, {} unknown\n", used.size(), report.sources.size(),
                      fmt::join(summary, ", "), report.ignored.size(), report.extra.size());
  for (const std::string &tensor : report.ignored)
    text += fmt::format("  not used: {}\n", tensor);
  for (const std::string &tensor : report.extra)
    text += fmt::format("  unknown, not used: {}\n", tensor);
  return text;
}
