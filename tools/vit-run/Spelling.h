//===- Spelling.h - what a mistyped word may have meant -------------------------*- C++ -*-===//
//
// Part of the vitc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===--------------------------------------------------------------------------------------===//

#ifndef VITC_TOOLS_VITRUN_SPELLING_H
#define VITC_TOOLS_VITRUN_SPELLING_H

#include <CLI/CLI.hpp>
#include <string>
#include <string_view>
#include <vector>

namespace vitrun {

/// "; did you mean NAME?" if a name is close enough to be a slip of the finger.
std::string suggestion(std::string_view given, const std::vector<std::string> &names);

/// Accepts one of some words; the error names them and the nearest.
CLI::Validator oneOf(std::vector<std::string> words);

} // namespace vitrun

#endif // VITC_TOOLS_VITRUN_SPELLING_H
