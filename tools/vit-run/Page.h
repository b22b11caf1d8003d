//===- Page.h - a page of predictions ---*- C++ -*-===//
//
// Part of the vitc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===--------------------------------------------------------------------------------------===//

#ifndef VITC_TOOLS_VITRUN_PAGE_H
#define VITC_TOOLS_VITRUN_PAGE_H

#include "runtime/image/Image.h"

#include <string>
#include <vector>

namespace vitrun {

/// A picture, what the model says it is and what it is.
struct PageEntry {
  vitrt::Image picture;
  std::string predicted, actual;
  double probability;
  bool right;
};

/// Draws the entries as a grid under a title: each picture enlarged, below it the predicted class with its probability in green, or in red
/// with the true class.
vitrt::Image drawPage(const std::vector<PageEntry> &entries, const std::string &title);

} // namespace vitrun

#endif // VITC_TOOLS_VITRUN_PAGE_H
