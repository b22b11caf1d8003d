//===- TorchTest.cpp ----------------------------------------------------------*- C++ -*-===//
//
// Part of the vitc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===--------------------------------------------------------------------------------------===//
//
// Files of test/data/torch, as torch.save wrote them (scripts/make_torch_files.py), and what damage makes of them.
//
//===--------------------------------------------------------------------------------------===//

#include "runtime/weights/TensorFile.h"

#include "test/unit/TestPaths.h"
#include "test/unit/runtime/TemporaryFolder.h"

#include <cstring>
#include <fstream>
#include <gmock/gmock.h>
#include <sstream>

using namespace vitrt;
using namespace vitrt::test;
using testing::ElementsAre;
using testing::HasSubstr;
using vitc::test::dataPath;

namespace {

std::string torchFile(const std::string &name) { return dataPath("torch/" + name).string(); }

std::string readFile(const std::string &path) {
  std::ifstream file(path, std::ios::binary);
  std::ostringstream text;
  text << file.rdbuf();
  return text.str();
}

std::unique_ptr<TensorFile> open(const std::string &name) {
  auto opened = openTensorFile(torchFile(name));
  EXPECT_TRUE(opened) << opened.error().message;
  return opened ? std::move(*opened) : nullptr;
}

std::string refusal(const std::string &name) {
  auto opened = openTensorFile(torchFile(name));
  return opened ? "opened" : opened.error().message;
}

template <typename T> std::vector<T> read(const TensorFile &file, const std::string &name) {
  ptrdiff_t index = file.find(name);
  EXPECT_GE(index, 0) << name;
  if (index < 0)
    return {};
  auto data = file.read(size_t(index));
  EXPECT_TRUE(data) << data.error().message;
  std::vector<T> values(data->bytes.size() / sizeof(T));
  if (!values.empty())
    std::memcpy(values.data(), data->bytes.data(), data->bytes.size());
  return values;
}

const TensorInfo &info(const TensorFile &file, const std::string &name) { return file.tensors()[size_t(file.find(name))]; }

std::string notes(const TensorFile &file) {
  std::string text;
  for (const std::string &note : file.notes())
    text += note + "\n";
  return text;
}

class EveryFormat : public testing::TestWithParam<const char *> {};
INSTANTIATE_TEST_SUITE_P(Torch, EveryFormat, testing::Values("zip.pth", "legacy.pth", "protocol5.pth", "deflated.pth"),
                         [](const auto &test) { return std::string(test.param).substr(0, std::string(test.param).find('.')); });

TEST_P(EveryFormat, EveryType) {
  auto file = open(GetParam());
  ASSERT_TRUE(file);
  EXPECT_THAT(read<float>(*file, "float32"), ElementsAre(-2, -1, 0, 1, 2, 3));
  EXPECT_THAT(read<double>(*file, "float64"), ElementsAre(-2, -1, 0, 1, 2, 3));
  EXPECT_THAT(read<uint16_t>(*file, "float16"), ElementsAre(0xc000, 0xbc00, 0, 0x3c00, 0x4000, 0x4200));
  EXPECT_THAT(read<uint16_t>(*file, "bfloat16"), ElementsAre(0xc000, 0xbf80, 0, 0x3f80, 0x4000, 0x4040));
  EXPECT_THAT(read<int64_t>(*file, "int64"), ElementsAre(-2, -1, 0, 1, 2, 3));
  EXPECT_THAT(read<int32_t>(*file, "int32"), ElementsAre(-2, -1, 0, 1, 2, 3));
  EXPECT_THAT(read<int16_t>(*file, "int16"), ElementsAre(-2, -1, 0, 1, 2, 3));
  EXPECT_THAT(read<int8_t>(*file, "int8"), ElementsAre(-2, -1, 0, 1, 2, 3));
  EXPECT_THAT(read<uint8_t>(*file, "uint8"), ElementsAre(0, 1, 2, 3, 4, 5));
  EXPECT_THAT(read<uint8_t>(*file, "bool"), ElementsAre(0, 1, 1, 1, 1, 1));
  EXPECT_THAT(read<uint16_t>(*file, "uint16"), ElementsAre(0, 1, 2, 3, 4, 5));
  EXPECT_THAT(read<uint32_t>(*file, "uint32"), ElementsAre(0, 1, 2, 3, 4, 5));
  EXPECT_THAT(read<uint64_t>(*file, "uint64"), ElementsAre(0, 1, 2, 3, 4, 5));
  constexpr ElementType kSigned[] = {ElementType::F32, ElementType::F16, ElementType::BF16, ElementType::F64,
                                     ElementType::I64, ElementType::I32, ElementType::I16,  ElementType::I8};
  const char *names[] = {"float32", "float16", "bfloat16", "float64", "int64", "int32", "int16", "int8"};
  for (size_t i = 0; i < std::size(names); ++i) {
    EXPECT_EQ(info(*file, names[i]).type, kSigned[i]) << names[i];
    EXPECT_THAT(info(*file, names[i]).shape, ElementsAre(2, 3));
  }
  EXPECT_EQ(info(*file, "uint16").type, ElementType::U16);
  EXPECT_EQ(info(*file, "bool").type, ElementType::Bool);
  EXPECT_EQ(info(*file, "complex64").type, ElementType::Other);
  EXPECT_EQ(info(*file, "complex64").bytes, 16u);
  EXPECT_EQ(info(*file, "float8").type, ElementType::Other);
}

TEST_P(EveryFormat, EveryLayout) {
  auto file = open(GetParam());
  ASSERT_TRUE(file);
  EXPECT_EQ(file->tensors().size(), 24u);
  EXPECT_THAT(read<float>(*file, "scalar"), ElementsAre(3));
  EXPECT_TRUE(info(*file, "scalar").shape.empty());
  EXPECT_THAT(info(*file, "empty").shape, ElementsAre(0, 3));
  EXPECT_TRUE(read<float>(*file, "empty").empty());
  EXPECT_THAT(read<float>(*file, "parameter"), ElementsAre(-2, -1, 0, 1));
  EXPECT_THAT(read<float>(*file, "attributes"), ElementsAre(-2, -1, 0, 1));
  EXPECT_THAT(info(*file, "transposed").shape, ElementsAre(3, 2));
  EXPECT_THAT(read<float>(*file, "transposed"), ElementsAre(-2, -1, 0, 1, 2, 3));
  // arange(24) - 2 of [2, 3, 4], permuted to [4, 2, 3] in memory and back.
  std::vector<float> permuted = read<float>(*file, "permuted");
  ASSERT_EQ(permuted.size(), 24u);
  for (size_t i = 0; i < 24; ++i)
    EXPECT_EQ(permuted[i], float(i) - 2);
  // Both are parts of arange(24) - 6.
  EXPECT_THAT(read<float>(*file, "shared.0"), ElementsAre(-2, -1, 0, 1));
  EXPECT_THAT(read<float>(*file, "shared.1"), ElementsAre(-1, 0, 1, 4, 5, 6, 9, 10, 11, 14, 15, 16));
  EXPECT_THAT(read<float>(*file, "repeated"), ElementsAre(1, 1, 1, 2, 2, 2));
  EXPECT_EQ(notes(*file), "");
}

TEST(Torch, BigEndianStorages) {
  auto file = open("big-endian.pth");
  ASSERT_TRUE(file);
  EXPECT_THAT(read<float>(*file, "head.weight"), ElementsAre(-2, -1, 0, 1));
}

TEST(Torch, StateDictIsFoundInACheckpoint) {
  auto file = open("checkpoint.pth");
  ASSERT_TRUE(file);
  ASSERT_EQ(file->tensors().size(), 2u);
  EXPECT_THAT(read<float>(*file, "head.weight"), ElementsAre(-2, -1, 0, 1));
  EXPECT_THAT(notes(*file), HasSubstr("took the entry 'model' of 'args', 'best', 'epoch', 'model', 'model_ema', 'optimizer', 'schedule'"));
  EXPECT_THAT(notes(*file), HasSubstr("dropped the prefix 'module.' or '_orig_mod.' of 2 names"));
}

TEST(Torch, AveragedWeightsComeFirst) {
  auto file = open("ema.pth");
  ASSERT_TRUE(file);
  EXPECT_THAT(read<float>(*file, "head.weight"), ElementsAre(-1, 0, 1, 2));
  EXPECT_THAT(notes(*file), HasSubstr("took the entry 'state_dict_ema'"));
}

TEST(Torch, TheTeacherOfDino) {
  auto file = open("dino.pth");
  ASSERT_TRUE(file);
  EXPECT_THAT(read<float>(*file, "head.weight"), ElementsAre(-2, -1, 0, 1));
  EXPECT_THAT(notes(*file), HasSubstr("took the entry 'teacher'"));
  EXPECT_THAT(notes(*file), HasSubstr("dropped the prefix 'backbone.' of 2 names"));
}

TEST(Torch, TheOnlyDictionaryAndWhatIsInIt) {
  auto file = open("nested.pth");
  ASSERT_TRUE(file);
  EXPECT_THAT(read<float>(*file, "head.bias"), ElementsAre(-2, -1));
  EXPECT_THAT(notes(*file), HasSubstr("took the entry 'weights_of_mine.model'"));
}

TEST(Torch, WhatIsNoTensorIsSkipped) {
  auto file = open("flat.pth");
  ASSERT_TRUE(file);
  EXPECT_EQ(file->tensors().size(), 2u);
  EXPECT_THAT(notes(*file), HasSubstr("skipped what is no tensor: 'args', 'epoch'"));
}

TEST(Torch, CallsAreRefusedByName) {
  EXPECT_THAT(refusal("command.pth"), HasSubstr("the pickle wants to call 'posix.system'"));
  EXPECT_THAT(refusal("command-legacy.pth"), HasSubstr("the pickle wants to call 'posix.system'"));
  EXPECT_FALSE(std::filesystem::exists("ran"));
  EXPECT_THAT(refusal("object.pth"), HasSubstr("the pickle wants to call '__main__.OfItsOwn' for the tensor 'tail'"));
  EXPECT_THAT(refusal("sparse.pth"), HasSubstr("the pickle wants to call 'torch._utils._rebuild_sparse_tensor' for the tensor 'tail'"));
  EXPECT_THAT(refusal("module.pth"), HasSubstr("the pickle wants to call 'torch.nn.modules.linear.Linear' for all that it holds"));
  EXPECT_THAT(refusal("module.pth"), HasSubstr("save model.state_dict() instead"));
  EXPECT_THAT(refusal("tensor.pth"), HasSubstr("what torch.save was given is no dictionary of tensors"));
  EXPECT_THAT(refusal("no-tensors.pth"), HasSubstr("its entries are 'epoch', 'names'"));
  EXPECT_THAT(refusal("torchscript.pt"), HasSubstr("is a TorchScript program"));
}

TEST(Torch, Shards) {
  for (const char *path : {"hugging-face-vit-shards", "hugging-face-vit-shards/pytorch_model.bin.index.json"}) {
    auto shards = open(path);
    auto whole = openTensorFile(dataPath("goldens/hugging-face-vit").string());
    ASSERT_TRUE(shards && whole);
    ASSERT_EQ(shards->tensors().size(), (*whole)->tensors().size());
    for (const TensorInfo &tensor : (*whole)->tensors()) {
      EXPECT_EQ(info(*shards, tensor.name).shape, tensor.shape);
      EXPECT_EQ(read<float>(*shards, tensor.name), read<float>(**whole, tensor.name)) << tensor.name;
    }
  }
}

TEST(Torch, FolderWithOneFile) {
  TemporaryFolder folder;
  folder.write("pytorch_model.bin", readFile(torchFile("small.pth")));
  auto opened = openTensorFile(folder.path());
  ASSERT_TRUE(opened) << opened.error().message;
  EXPECT_EQ((*opened)->tensors().size(), 2u);
}

TEST(Torch, AnIndexOfItselfIsNoEndlessFile) {
  TemporaryFolder folder;
  auto opened = openTensorFile(folder.write("a.index.json", R"({"weight_map": {"w": "a.index.json"}})"));
  ASSERT_FALSE(opened);
}

/// Opens and reads whatever there is.
void readAll(const std::string &path, bool mustFail) {
  auto opened = openTensorFile(path);
  if (!opened) {
    ASSERT_FALSE(opened.error().message.empty());
    return;
  }
  ASSERT_FALSE(mustFail);
  for (size_t i = 0; i < (*opened)->tensors().size(); ++i) {
    auto data = (*opened)->read(i);
    ASSERT_TRUE(data || !data.error().message.empty());
    if (data)
      ASSERT_EQ(data->bytes.size(), (*opened)->tensors()[i].bytes);
    (*opened)->release(i);
  }
}

class Damage : public testing::TestWithParam<const char *> {};
INSTANTIATE_TEST_SUITE_P(Torch, Damage, testing::Values("small.pth", "small-legacy.pth", "dino.pth"), [](const auto &test) {
  std::string name = test.param;
  return name.starts_with("small-") ? std::string("legacy") : name.substr(0, name.find('.'));
});

TEST_P(Damage, EveryTruncationIsRefused) {
  TemporaryFolder folder;
  std::string whole = readFile(torchFile(GetParam()));
  ASSERT_FALSE(whole.empty());
  for (size_t size = 0; size < whole.size(); ++size)
    ASSERT_NO_FATAL_FAILURE(readAll(folder.write("cut.pth", whole.substr(0, size)), true)) << size;
}

TEST_P(Damage, EveryFlipIsReadOrRefused) {
  TemporaryFolder folder;
  std::string whole = readFile(torchFile(GetParam()));
  for (size_t i = 0; i < whole.size(); ++i)
    for (int bit : {0, 4, 7}) {
      std::string flipped = whole;
      flipped[i] = char(flipped[i] ^ 1 << bit);
      ASSERT_NO_FATAL_FAILURE(readAll(folder.write("flip.pth", flipped), false)) << i;
    }
}

/// Every instruction in every place of a pickle.
TEST(Torch, EveryByteAsEveryInstruction) {
  TemporaryFolder folder;
  std::string whole = readFile(torchFile("small-legacy.pth"));
  std::string instructions = "(.012FIJKLMNPQRSTUVXabcd}eghijl]opqrst)uGBC";
  for (int opcode = 0x80; opcode < 0x99; ++opcode)
    instructions += char(opcode);
  // The object's pickle follows those of the magic number, the protocol and the system.
  size_t begin = whole.find("head.weight") - 10;
  for (size_t i = begin; i < begin + 150; i += 2)
    for (char instruction : instructions) {
      std::string changed = whole;
      changed[i] = instruction;
      ASSERT_NO_FATAL_FAILURE(readAll(folder.write("changed.pth", changed), false)) << i;
    }
}

} // namespace
