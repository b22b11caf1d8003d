//===- Spelling.cpp - what a mistyped word may have meant -----------------------*- C++ -*-===//
//
// Part of the vitc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===--------------------------------------------------------------------------------------===//

#include "tools/vit-run/Spelling.h"

#include <algorithm>
#include <fmt/ranges.h>
#include <numeric>
#include <utility>

namespace vitrun {

namespace {

/// Levenshtein's distance.
size_t editDistance(std::string_view a, std::string_view b) {
  std::vector<size_t> row(b.size() + 1);
  std::iota(row.begin(), row.end(), size_t(0));
  for (size_t i = 0; i < a.size(); ++i) {
    size_t diagonal = std::exchange(row[0], i + 1);
    for (size_t j = 0; j < b.size(); ++j)
      diagonal = std::exchange(row[j + 1], std::min({row[j] + 1, row[j + 1] + 1, diagonal + (a[i] != b[j])}));
  }
  return row.back();
}

} // namespace

std::string suggestion(std::string_view given, const std::vector<std::string> &names) {
  auto nearest = std::min_element(names.begin(), names.end(), [&](const std::string &a, const std::string &b) {
    return editDistance(given, a) < editDistance(given, b);
  });
  if (nearest == names.end() || editDistance(given, *nearest) > 1 + given.size() / 3)
    return "";
  return fmt::format("; did you mean {}?", *nearest);
}

CLI::Validator oneOf(std::vector<std::string> words) {
  return CLI::Validator(
      [words = std::move(words)](const std::string &given) -> std::string {
        if (std::find(words.begin(), words.end(), given) != words.end())
          return "";
        return fmt::format("`{}` is not one of {}{}", given, fmt::join(words, ", "), suggestion(given, words));
      },
      "");
}

} // namespace vitrun
