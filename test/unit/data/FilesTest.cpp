//===- FilesTest.cpp - complete files or none ---*- C++ -*-===//
//
// Part of the vitc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===--------------------------------------------------------------------------------------===//

#include "runtime/data/Files.h"
#include "test/unit/data/TemporaryFolder.h"

#include <atomic>
#include <fstream>
#include <gmock/gmock.h>
#include <sys/stat.h>
#include <thread>

using namespace vitrt;
using namespace vitc::test;
using testing::HasSubstr;

namespace {

std::vector<uint8_t> contents(const std::string &path) {
  auto bytes = readFile(path);
  EXPECT_TRUE(bool(bytes));
  return bytes ? *bytes : std::vector<uint8_t>();
}

TEST(FilesTest, readsWhatWasWritten) {
  TemporaryFolder folder;
  for (size_t size : {0, 1, 65535, 65536, 300001}) {
    std::vector<uint8_t> bytes(size);
    for (size_t i = 0; i < size; ++i)
      bytes[i] = uint8_t(i * 31);
    ASSERT_FALSE(bool(writeFile(folder.path("file"), bytes)));
    std::vector<uint8_t> read = contents(folder.path("file"));
    EXPECT_EQ(read, bytes);
    if (size > 65536)
      EXPECT_LE(read.capacity(), size + 1) << "memory for more than the file was asked for";
  }
  EXPECT_EQ(folder.files(), 1u);
}

TEST(FilesTest, missingAndUnreadablePathsAreSentences) {
  TemporaryFolder folder;
  EXPECT_THAT(readFile(folder.path("none")).error().message, HasSubstr("none: cannot be read: No such file"));
  EXPECT_THAT(readFile(folder.path()).error().message, HasSubstr("Is a directory"));
  EXPECT_THAT(writeFile(folder.path("none/file"), {}).message, HasSubstr("none/file: cannot be created: No such file"));
  EXPECT_THAT(writeFile(folder.path(), {}).message, HasSubstr("it is a folder"));
}

TEST(FilesTest, nothingIsLeftOfAFileThatIsNotCommitted) {
  TemporaryFolder folder;
  ASSERT_FALSE(bool(writeFile(folder.path("file"), std::vector<uint8_t>{1, 2, 3})));
  {
    auto file = OutputFile::create(folder.path("file"));
    ASSERT_TRUE(bool(file));
    ASSERT_FALSE(bool(file->write("other", 5)));
    EXPECT_EQ(folder.files(), 2u);
  }
  EXPECT_EQ(folder.files(), 1u);
  EXPECT_EQ(contents(folder.path("file")), (std::vector<uint8_t>{1, 2, 3}));
}

TEST(FilesTest, interruptionRemovesWhatIsNotCommitted) {
  TemporaryFolder folder;
  auto first = OutputFile::create(folder.path("first")), second = OutputFile::create(folder.path("second"));
  ASSERT_TRUE(first && second);
  ASSERT_FALSE(bool(first->commit()));
  removeUncommittedFiles();
  EXPECT_EQ(folder.files(), 1u);
  EXPECT_EQ(contents(folder.path("first")).size(), 0u);
}

TEST(FilesTest, filesHaveTheUsualMode) {
  TemporaryFolder folder;
  mode_t old = umask(022);
  ASSERT_FALSE(bool(writeFile(folder.path("file"), {})));
  struct stat status;
  ASSERT_EQ(stat(folder.path("file").c_str(), &status), 0);
  EXPECT_EQ(status.st_mode & 0777, 0644u);
  ASSERT_EQ(chmod(folder.path("file").c_str(), 0600), 0);
  ASSERT_FALSE(bool(writeFile(folder.path("file"), {})));
  ASSERT_EQ(stat(folder.path("file").c_str(), &status), 0);
  EXPECT_EQ(status.st_mode & 0777, 0600u);
  umask(old);
}

TEST(FilesTest, theUmaskIsNeverTouched) {
  TemporaryFolder folder;
  mode_t old = umask(077);
  std::atomic<bool> done = false;
  std::thread writer([&] {
    for (int i = 0; i < 100; ++i)
      EXPECT_FALSE(bool(writeFile(folder.path("written"), {})));
    done = true;
  });
  for (int i = 0; !done; ++i) {
    std::string path = folder.path("other" + std::to_string(i % 10));
    std::filesystem::remove(path);
    std::ofstream(path) << "private";
    struct stat status;
    ASSERT_EQ(stat(path.c_str(), &status), 0);
    EXPECT_EQ(status.st_mode & 0777, 0600u);
  }
  writer.join();
  umask(old);
}

TEST(FilesTest, aFullDiskIsASentence) {
  if (!std::filesystem::exists("/dev/full"))
    GTEST_SKIP() << "no /dev/full";
  EXPECT_THAT(writeFile("/dev/full", std::vector<uint8_t>(100)).message,
              HasSubstr("/dev/full: cannot be written: No space left on device"));
}

} // namespace
