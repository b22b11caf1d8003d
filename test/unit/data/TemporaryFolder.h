//===- TemporaryFolder.h - a folder that a test may fill ---*- C++ -*-===//
//
// Part of the vitc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===--------------------------------------------------------------------------------------===//

#ifndef VITC_TEST_UNIT_DATA_TEMPORARYFOLDER_H
#define VITC_TEST_UNIT_DATA_TEMPORARYFOLDER_H

#include <cstdint>
#include <filesystem>
#include <fstream>
#include <string>
#include <vector>

namespace vitc::test {

/// Created empty, removed with all it holds.
class TemporaryFolder {
public:
  TemporaryFolder() {
    std::string name = (std::filesystem::temp_directory_path() / "vitc-test-XXXXXX").string();
    root = mkdtemp(name.data());
  }
  ~TemporaryFolder() { std::filesystem::remove_all(root); }

  std::string path(const std::string &name = "") const { return (root / name).string(); }

  /// Writes a file, and the folders it lies in; gives its path.
  std::string write(const std::string &name, const std::vector<uint8_t> &bytes) const {
    std::filesystem::create_directories((root / name).parent_path());
    std::ofstream(root / name, std::ios::binary).write(reinterpret_cast<const char *>(bytes.data()), std::streamsize(bytes.size()));
    return path(name);
  }

  size_t files() const {
    size_t count = 0;
    for ([[maybe_unused]] auto &entry : std::filesystem::directory_iterator(root))
      ++count;
    return count;
  }

private:
  std::filesystem::path root;
};

} // namespace vitc::test

#endif // VITC_TEST_UNIT_DATA_TEMPORARYFOLDER_H
