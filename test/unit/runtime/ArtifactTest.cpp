//===- ArtifactTest.cpp -------------------------------------------------------*- C++ -*-===//
//
// Part of the vitc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===--------------------------------------------------------------------------------------===//

#include "runtime/artifact/Artifact.h"

#include "runtime/artifact/FileFormat.h"
#include "runtime/device/cpu/CpuFeatures.h"
#include "test/unit/runtime/ToyArtifact.h"

#include <cstring>
#include <fstream>
#include <gmock/gmock.h>

using namespace vitrt;
using namespace vitrt::test;
using testing::AllOf;
using testing::HasSubstr;
using testing::StartsWith;

namespace {

/// The message of the error, or "opened".
std::string openError(std::span<const std::byte> bytes, const ArtifactOptions &options = {}, vitrt_status expected = VITRT_ERROR_FORMAT) {
  auto artifact = Artifact::openMemory(bytes, options, "x.vitx");
  if (artifact)
    return "opened";
  EXPECT_EQ(artifact.error().status, expected) << artifact.error().message;
  return artifact.error().message;
}

TEST(Artifact, Opens) {
  AlignedBytes file = toyArtifact(5);
  auto artifact = Artifact::openMemory(file.bytes());
  ASSERT_TRUE(artifact) << artifact.error().message;
  EXPECT_EQ((*artifact)->model().name()->str(), "toy");
  EXPECT_EQ((*artifact)->target().name()->str(), "cpu");
  EXPECT_EQ((*artifact)->weights().size(), (*artifact)->target().weights_bytes());
  EXPECT_NE((*artifact)->code().find("toy5_sum"), nullptr);
  EXPECT_EQ((*artifact)->code().find("no_such_symbol"), nullptr);
}

TEST(Artifact, TwoAreLoadedSideBySide) {
  // Their code differs only in its address if the dynamic loader was not fooled into giving out the first library twice.
  AlignedBytes file = toyArtifact(5), copy = file.clone();
  auto first = Artifact::openMemory(file.bytes()), second = Artifact::openMemory(copy.bytes());
  ASSERT_TRUE(first && second);
  EXPECT_NE((*first)->code().find("toy5_sum"), (*second)->code().find("toy5_sum"));
}

TEST(Artifact, EveryFlippedByteIsFound) {
  AlignedBytes file = toyArtifact(5);
  std::span<std::byte> bytes = file.bytes();
  for (size_t i = 0; i < bytes.size(); ++i) {
    std::byte flipped = std::byte(1u << (i % 8));
    bytes[i] ^= flipped;
    ASSERT_THAT(openError(bytes), StartsWith("x.vitx: ")) << "byte " << i;
    bytes[i] ^= flipped;
  }
  EXPECT_EQ(openError(bytes), "opened");
}

TEST(Artifact, VerifyHeaderSkipsTheWeightsAlone) {
  AlignedBytes file = toyArtifact(5);
  std::span<std::byte> bytes = file.bytes();
  uint64_t weightsAt = 0;
  {
    auto artifact = Artifact::openMemory(bytes);
    ASSERT_TRUE(artifact);
    weightsAt = (*artifact)->target().weight_data()->offset();
  }
  ArtifactOptions quick;
  quick.verify = VITRT_VERIFY_HEADER;
  for (size_t i = 0; i < bytes.size(); ++i) {
    // The whole of code and padding is covered above; a sample is enough to see that this mode covers them too.
    if (i > 4096 && i < weightsAt && i % 17 != 0)
      continue;
    bytes[i] ^= std::byte(0x10);
    std::string message = openError(bytes, quick);
    if (i < weightsAt)
      ASSERT_THAT(message, StartsWith("x.vitx: ")) << "byte " << i;
    else
      ASSERT_EQ(message, "opened") << "byte " << i;
    bytes[i] ^= std::byte(0x10);
  }
}

TEST(Artifact, EveryTruncationIsFound) {
  AlignedBytes file = toyArtifact(5);
  for (size_t size = 0; size < file.bytes().size(); ++size)
    ASSERT_THAT(openError(file.bytes().first(size)),
                AllOf(StartsWith("x.vitx: "), testing::AnyOf(HasSubstr("truncated"), HasSubstr("empty"))))
        << size;
}

TEST(Artifact, MessagesNameWhatAndWhere) {
  AlignedBytes file = toyArtifact(5);
  std::span<std::byte> bytes = file.bytes();
  auto artifact = Artifact::openMemory(bytes);
  ASSERT_TRUE(artifact);
  uint64_t codeAt = (*artifact)->target().code()->offset(), weightsAt = (*artifact)->target().weight_data()->offset();
  auto flipped = [&](uint64_t at) {
    bytes[at] ^= std::byte(1);
    std::string message = openError(bytes);
    bytes[at] ^= std::byte(1);
    return message;
  };
  EXPECT_THAT(flipped(3), HasSubstr("not a .vitx artifact"));
  EXPECT_THAT(flipped(20), HasSubstr("the header (bytes 0 to 63) does not match its checksum"));
  EXPECT_THAT(flipped(100), HasSubstr("the manifest (bytes 64 to"));
  EXPECT_THAT(flipped(codeAt - 1), HasSubstr(fmt::format("byte {} of the file lies between its parts", codeAt - 1)));
  EXPECT_THAT(flipped(codeAt + 7), HasSubstr(fmt::format("the code of target 'cpu' (bytes {} to", codeAt)));
  EXPECT_THAT(flipped(weightsAt),
              HasSubstr(fmt::format("weight 'packed.scale' of target 'cpu' (bytes {} to {})", weightsAt, weightsAt + 19)));
  EXPECT_THAT(flipped(weightsAt + 30), HasSubstr(fmt::format("byte {} of the file lies between its parts", weightsAt + 30)));
  AlignedBytes other(100);
  std::memcpy(other.bytes().data(), "\x89PNG\r\n\x1a\n", 8);
  EXPECT_THAT(openError(other.bytes()), HasSubstr("not a .vitx artifact"));
}

/// Rewrites the header, with a checksum that fits.
void setHeader(std::span<std::byte> bytes, void (*change)(FileHeader &)) {
  FileHeader header;
  std::memcpy(&header, bytes.data(), sizeof(header));
  change(header);
  header.headerHash = hashBytes(&header, offsetof(FileHeader, headerHash));
  std::memcpy(bytes.data(), &header, sizeof(header));
}

TEST(Artifact, RefusesOtherVersions) {
  AlignedBytes newer = toyArtifact(5);
  setHeader(newer.bytes(), [](FileHeader &header) { header.formatVersion = 7; });
  EXPECT_THAT(openError(newer.bytes()),
              AllOf(HasSubstr("has format version 7"), HasSubstr("reads version 1"), HasSubstr("use a newer runtime")));

  fb::ManifestT manifest = toyManifest(5);
  manifest.abi_version = 9;
  AlignedBytes abi = seal(manifest, toyCode());
  EXPECT_THAT(openError(abi.bytes()), AllOf(HasSubstr("ABI version 9"), HasSubstr("calls version 1"), HasSubstr("use a newer runtime")));
}

TEST(Artifact, RefusesImpossibleHeaders) {
  AlignedBytes file = toyArtifact(5);
  auto changed = [&](void (*change)(FileHeader &)) {
    AlignedBytes copy = file.clone();
    setHeader(copy.bytes(), change);
    return openError(copy.bytes());
  };
  EXPECT_THAT(changed([](FileHeader &header) { header.manifestSize = UINT64_MAX; }), HasSubstr("more than the file holds"));
  EXPECT_THAT(changed([](FileHeader &header) { header.manifestSize = header.fileSize - 63; }), HasSubstr("more than the file holds"));
  EXPECT_THAT(changed([](FileHeader &header) { header.manifestSize = 0; }), HasSubstr("does not match its checksum"));
  EXPECT_THAT(changed([](FileHeader &header) { header.manifestOffset = 128; }), HasSubstr("reserved fields"));
  EXPECT_THAT(changed([](FileHeader &header) { header.fileSize = 1; }), HasSubstr("its header says 1"));
  EXPECT_THAT(changed([](FileHeader &header) {
                header.manifestSize = 0;
                header.manifestHash = hashBytes(nullptr, 0);
              }),
              HasSubstr("not a FlatBuffer"));
}

TEST(Artifact, MemoryMustBeAligned) {
  AlignedBytes file = toyArtifact(5);
  AlignedBytes shifted(file.bytes().size() + 16);
  std::memcpy(shifted.bytes().data() + 16, file.bytes().data(), file.bytes().size());
  EXPECT_THAT(openError(shifted.bytes().subspan(16), {}, VITRT_ERROR_ARGUMENT), HasSubstr("not aligned to 64 bytes"));
}

TEST(Artifact, MissingFileAndFolder) {
  auto missing = Artifact::open("/no/such/file.vitx");
  ASSERT_FALSE(missing);
  EXPECT_EQ(missing.error().status, VITRT_ERROR_IO);
  EXPECT_EQ(missing.error().message, "cannot open '/no/such/file.vitx': No such file or directory");
  auto folder = Artifact::open("/");
  ASSERT_FALSE(folder);
  EXPECT_EQ(folder.error().message, "'/' is a folder, expected a file");
}

TEST(Target, MissingFeaturesAreNamed) {
  fb::ManifestT manifest = toyManifest(5);
  manifest.targets[0]->features = {"sse9", "avx1024f"};
  AlignedBytes file = seal(manifest, toyCode());
  EXPECT_THAT(openError(file.bytes(), {}, VITRT_ERROR_TARGET),
              AllOf(HasSubstr("compiled for sse9 and avx1024f, which this CPU lacks"), HasSubstr("recompile with --target-cpu=")));
  // Bind functions are baseline code, and inspecting asks nothing of the machine.
  ArtifactOptions bind, inspect;
  bind.purpose = Purpose::Bind;
  inspect.purpose = Purpose::Inspect;
  EXPECT_EQ(openError(file.bytes(), bind), "opened");
  EXPECT_EQ(openError(file.bytes(), inspect), "opened");
}

TEST(Target, OtherArchitectureIsNamed) {
  fb::ManifestT manifest = toyManifest(5);
  manifest.targets[0]->triple = "riscv64-unknown-linux-gnu";
  AlignedBytes file = seal(manifest, toyCode());
  EXPECT_THAT(openError(file.bytes(), {}, VITRT_ERROR_TARGET),
              AllOf(HasSubstr("'riscv64-unknown-linux-gnu'"), HasSubstr(hostArchitecture())));
  ArtifactOptions inspect;
  inspect.purpose = Purpose::Inspect;
  EXPECT_EQ(openError(file.bytes(), inspect), "opened");
}

TEST(Target, FirstThatRunsIsChosenUnlessOneIsAskedFor) {
  fb::ManifestT manifest = toyManifest(5), second = toyManifest(5), third = toyManifest(5);
  manifest.targets[0]->name = "fast";
  manifest.targets[0]->features = {"avx1024f"};
  second.targets[0]->name = "reference";
  third.targets[0]->name = "slow";
  manifest.targets.push_back(std::move(second.targets[0]));
  manifest.targets.push_back(std::move(third.targets[0]));
  AlignedBytes file = seal(manifest, toyCode(), packToyWeights(5, someValues(5, 1), someValues(15, 2)));
  auto artifact = Artifact::openMemory(file.bytes());
  ASSERT_TRUE(artifact) << artifact.error().message;
  EXPECT_EQ((*artifact)->target().name()->str(), "reference");
  ArtifactOptions options;
  options.target = "slow";
  artifact = Artifact::openMemory(file.bytes(), options);
  ASSERT_TRUE(artifact) << artifact.error().message;
  EXPECT_EQ((*artifact)->target().name()->str(), "slow");
  options.target = "fast";
  EXPECT_THAT(openError(file.bytes(), options, VITRT_ERROR_TARGET), HasSubstr("avx1024f"));
  options.target = "cuda";
  EXPECT_THAT(openError(file.bytes(), options, VITRT_ERROR_TARGET),
              HasSubstr("there is no target 'cuda', the file has 'fast', 'reference' and 'slow'"));
}

TEST(Code, RefusesWhatIsNoLibrary) {
  fb::ManifestT manifest = toyManifest(5);
  std::vector<std::byte> nonsense(100, std::byte(7));
  AlignedBytes file = seal(manifest, nonsense);
  EXPECT_THAT(openError(file.bytes(), {}, VITRT_ERROR_TARGET), HasSubstr("refuses to map the artifact's code from memory"));
}

TEST(Artifact, ModelsMayHaveLongNames) {
  fb::ManifestT manifest = toyManifest(5);
  manifest.model->name = std::string(1000, 'n');
  AlignedBytes file = seal(manifest, toyCode());
  auto artifact = Artifact::openMemory(file.bytes());
  ASSERT_TRUE(artifact) << artifact.error().message;
  EXPECT_EQ((*artifact)->model().name()->size(), 1000u);
}

} // namespace
