//===- TestModels.h - models for tests, and the shared goldens' folder --------------*- C++ -*-===//
//
// Part of the vitc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===--------------------------------------------------------------------------------------===//

#ifndef VITC_TEST_UNIT_MODEL_TESTMODELS_H
#define VITC_TEST_UNIT_MODEL_TESTMODELS_H

#include "test/unit/TestPaths.h"

#include "compiler/model/ResolveModel.h"

#include "gtest/gtest.h"

#include <filesystem>
#include <fstream>
#include <sstream>

namespace vitc::test {

/// A resolved model; a failure to resolve fails the test.
inline LoadedModel resolve(llvm::StringRef model, std::vector<std::string> overrides = {}, llvm::StringRef preprocessor = "") {
  llvm::Expected<LoadedModel> loaded = resolveModel(model, overrides, preprocessor);
  if (loaded)
    return *loaded;
  ADD_FAILURE() << llvm::toString(loaded.takeError());
  return {};
}

/// The sentence with which a model is refused.
inline std::string refusal(llvm::StringRef model, std::vector<std::string> overrides = {}, llvm::StringRef preprocessor = "") {
  llvm::Expected<LoadedModel> loaded = resolveModel(model, overrides, preprocessor);
  if (!loaded)
    return llvm::toString(loaded.takeError());
  ADD_FAILURE() << model.str() << " is not refused";
  return "";
}

inline std::filesystem::path sharedData() { return sharedPath("data"); }

inline std::string readText(const std::filesystem::path &path) {
  std::ifstream file(path, std::ios::binary);
  std::stringstream text;
  text << file.rdbuf();
  return text.str();
}

/// A folder of this test's own, removed at the end.
class TemporaryFolder {
public:
  TemporaryFolder() {
    std::string pattern = (std::filesystem::temp_directory_path() / "vitc-model-XXXXXX").string();
    path = mkdtemp(pattern.data());
  }
  ~TemporaryFolder() { std::filesystem::remove_all(path); }
  std::string write(const std::string &name, const std::string &text) const {
    std::ofstream(path / name, std::ios::binary) << text;
    return (path / name).string();
  }
  std::filesystem::path path;
};

} // namespace vitc::test

#endif // VITC_TEST_UNIT_MODEL_TESTMODELS_H
