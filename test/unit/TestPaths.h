//===- TestPaths.h - where tests find their files ------------------------------*- C++ -*-===//
//
// Part of the vitc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===--------------------------------------------------------------------------------------===//

#ifndef VITC_TEST_UNIT_TESTPATHS_H
#define VITC_TEST_UNIT_TESTPATHS_H

#include <cstdlib>
#include <filesystem>
#include <string>

namespace vitc::test {

/// A file of test/data, which the repository holds.
inline std::filesystem::path dataPath(const std::string &name) { return std::filesystem::path(VITC_TEST_DATA_DIR) / name; }

/// A file of models/.
inline std::filesystem::path modelPath(const std::string &name) { return std::filesystem::path(VITC_MODELS_DIR) / name; }

/// A file of the optional data (environment VITC_SHARED, else ../shared beside the source), which may not exist: see VITC_SKIP_WITHOUT.
inline std::filesystem::path sharedPath(const std::string &name) {
  const char *folder = std::getenv("VITC_SHARED");
  return std::filesystem::path(folder && *folder ? folder : VITC_SHARED_DIR) / name;
}

} // namespace vitc::test

/// Skips the running test, visibly, where optional data is absent.
#define VITC_SKIP_WITHOUT(path)                                                                                                                      \
  if (!std::filesystem::exists(path))                                                                                                                \
  GTEST_SKIP() << "no " << (path)

#endif // VITC_TEST_UNIT_TESTPATHS_H
