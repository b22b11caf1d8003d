//===- TemporaryFolder.h - files for one test ---------------------------------*- C++ -*-===//
//
// Part of the vitc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===--------------------------------------------------------------------------------------===//

#ifndef VITC_TEST_UNIT_RUNTIME_TEMPORARYFOLDER_H
#define VITC_TEST_UNIT_RUNTIME_TEMPORARYFOLDER_H

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <string>
#include <string_view>

namespace vitrt::test {

/// A folder that goes with the object.
class TemporaryFolder {
public:
  TemporaryFolder() {
    std::string pattern = (std::filesystem::temp_directory_path() / "vitrt-XXXXXX").string();
    if (!mkdtemp(pattern.data()))
      std::abort();
    folder = pattern;
  }
  ~TemporaryFolder() { std::filesystem::remove_all(folder); }
  TemporaryFolder(const TemporaryFolder &) = delete;
  TemporaryFolder &operator=(const TemporaryFolder &) = delete;

  std::string path() const { return folder.string(); }
  /// Writes a file and returns its path.
  std::string write(const std::string &name, std::string_view bytes) const {
    std::string path = (folder / name).string();
    std::ofstream(path, std::ios::binary) << bytes;
    return path;
  }

private:
  std::filesystem::path folder;
};

} // namespace vitrt::test

#endif // VITC_TEST_UNIT_RUNTIME_TEMPORARYFOLDER_H
