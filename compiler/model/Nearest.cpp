//===- Nearest.cpp - what a misspelt name was probably meant to be ---------------------------===//
//
// Part of the vitc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===--------------------------------------------------------------------------------------===//

#include "compiler/model/Nearest.h"

#include "llvm/ADT/STLExtras.h"

using namespace vitc;

static std::string plain(llvm::StringRef name) {
  std::string out;
  for (char c : name.lower())
    if (c != '_' && c != '-')
      out.push_back(c);
  return out;
}

std::vector<std::string> vitc::nearest(llvm::StringRef name, llvm::ArrayRef<llvm::StringRef> candidates, size_t count) {
  std::string wanted = plain(name);
  std::vector<std::pair<unsigned, llvm::StringRef>> ranked;
  for (llvm::StringRef candidate : candidates)
    ranked.emplace_back(llvm::StringRef(wanted).edit_distance(plain(candidate)), candidate);
  llvm::sort(ranked); // equal distances by name
  std::vector<std::string> names;
  for (auto &[distance, candidate] : llvm::ArrayRef(ranked).take_front(count))
    names.push_back(candidate.str());
  return names;
}
