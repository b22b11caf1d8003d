//===- ClassMap.cpp - a data set's classes by the model's -----------------------*- C++ -*-===//
//
// Part of the vitc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===--------------------------------------------------------------------------------------===//

#include "tools/vit-run/ClassMap.h"

#include <algorithm>
#include <charconv>

namespace vitrun {

vitrt::Expected<std::vector<int64_t>> matchClasses(std::span<const std::string> names, const std::vector<std::string> &labels,
                                                   size_t classes, const std::string &data) {
  std::vector<int64_t> byLabel, byNumber, byOrder;
  for (const std::string &name : names) {
    byOrder.push_back(int64_t(byOrder.size()));
    if (auto it = std::find(labels.begin(), labels.end(), name); it != labels.end())
      byLabel.push_back(it - labels.begin());
    int64_t number;
    auto [end, error] = std::from_chars(name.data(), name.data() + name.size(), number);
    if (error == std::errc() && end == name.data() + name.size() && number >= 0 && size_t(number) < classes)
      byNumber.push_back(number);
  }
  if (byLabel.size() == names.size())
    return byLabel;
  if (byNumber.size() == names.size())
    return byNumber;
  if (names.size() == classes)
    return byOrder;
  return vitrt::makeError(
      VITRT_ERROR_ARGUMENT,
      "{}: {} classes whose names are neither the model's labels nor class numbers, expected that or as many as the model has: {}", data,
      names.size(), classes);
}

} // namespace vitrun
