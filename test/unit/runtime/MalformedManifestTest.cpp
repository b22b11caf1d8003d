//===- MalformedManifestTest.cpp ----------------------------------------------*- C++ -*-===//
//
// Part of the vitc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===--------------------------------------------------------------------------------------===//
//
// Files whose checksums fit and whose manifest is wrong: what a faulty compiler or a malicious hand would write.
//
//===--------------------------------------------------------------------------------------===//

#include "runtime/plan/Model.h"

#include "test/unit/runtime/ToyArtifact.h"

#include <gmock/gmock.h>
#include <limits>

using namespace vitrt;
using namespace vitrt::test;

namespace {

struct Malformed {
  const char *message;
  void (*change)(fb::ManifestT &);
};

void PrintTo(const Malformed &c, std::ostream *stream) { *stream << c.message; }

fb::TargetT &target(fb::ManifestT &m) { return *m.targets[0]; }
fb::ProgramT &program(fb::ManifestT &m) { return *target(m).programs[0]; }
/// The target as one for GPUs, with its code's bytes for both kinds of theirs.
void makeCuda(fb::ManifestT &m) {
  target(m).name = "cuda";
  target(m).architecture = "sm_80";
  for (auto *section : {&target(m).ptx, &target(m).cubin}) {
    *section = std::make_unique<fb::SectionT>(*target(m).code);
    (*section)->size = target(m).code->size;
  }
  for (auto &kernel : target(m).kernels)
    kernel->threads = 32;
}
/// A kernel for larger groups, as the first launch's own.
void addLarger(fb::ManifestT &m, uint64_t images, uint32_t kernel) {
  auto choice = std::make_unique<fb::KernelChoiceT>();
  choice->images = images;
  choice->kernel = kernel;
  program(m).launches[0]->larger.push_back(std::move(choice));
}
/// The first launch's kernel sees its first operand in rows of 16 bytes.
fb::TensorMapT &addTensorMap(fb::ManifestT &m) {
  fb::KernelT &kernel = *target(m).kernels[program(m).launches[0]->kernel];
  kernel.threads = 32;
  auto map = std::make_unique<fb::TensorMapT>();
  map->element_bytes = 4;
  map->sizes = {4, 1};
  map->strides = {16};
  map->box = {4, 1};
  kernel.tensor_maps.push_back(std::move(map));
  return *kernel.tensor_maps.back();
}
constexpr uint64_t kHuge = std::numeric_limits<uint64_t>::max();

const Malformed kCases[] = {
    {"model is missing", [](fb::ManifestT &m) { m.model.reset(); }},
    {"model.name is missing or empty", [](fb::ManifestT &m) { m.model->name.clear(); }},
    {"model has images of 1 x 0 x 5", [](fb::ManifestT &m) { m.model->height = 0; }},
    {"model.preprocess has 0 means", [](fb::ManifestT &m) { m.model->preprocess = std::make_unique<fb::PreprocessT>(); }},
    {"deviation 0",
     [](fb::ManifestT &m) {
       m.model->preprocess = std::make_unique<fb::PreprocessT>();
       m.model->preprocess->mean = {0.5f};
       m.model->preprocess->std = {0};
     }},
    {"a value that this runtime does not know",
     [](fb::ManifestT &m) {
       m.model->preprocess = std::make_unique<fb::PreprocessT>();
       m.model->preprocess->interpolation = fb::Interpolation(99);
     }},
    {"schemes[1].name is missing or empty", [](fb::ManifestT &m) { m.schemes[1]->name.clear(); }},
    {"schemes[0].tensors[1] has no name", [](fb::ManifestT &m) { m.schemes[0]->tensors[1]->names.clear(); }},
    {"schemes[0].tensors[1].shape has no elements", [](fb::ManifestT &m) { m.schemes[0]->tensors[1]->shape = {5, 0}; }},
    {"schemes[0].tensors[1].shape has no elements, or too many",
     [](fb::ManifestT &m) { m.schemes[0]->tensors[1]->shape = {1ull << 40, 1ull << 40}; }},
    {"targets[0] has code of a GPU, which only a target 'cuda' has", [](fb::ManifestT &m) { target(m).architecture = "sm_80"; }},
    {"targets[0].architecture is missing or empty", [](fb::ManifestT &m) { target(m).name = "cuda"; }},
    {"targets[0].architecture is 'sm_x', expected a name as 'sm_80' or 'sm_90a'",
     [](fb::ManifestT &m) {
       makeCuda(m);
       target(m).architecture = "sm_x";
     }},
    {"targets[0].ptx is missing or empty",
     [](fb::ManifestT &m) {
       makeCuda(m);
       target(m).ptx.reset();
     }},
    {"bytes from byte 1099511627776, but the file's sections lie between",
     [](fb::ManifestT &m) {
       makeCuda(m);
       target(m).ptx->offset = 1ull << 40;
     }},
    {"targets[0].cubin is empty",
     [](fb::ManifestT &m) {
       makeCuda(m);
       target(m).cubin->size = 0;
     }},
    {"targets[0].kernels[0] has blocks of no threads, and is for a GPU",
     [](fb::ManifestT &m) {
       makeCuda(m);
       target(m).kernels[0]->threads = 0;
     }},
    {"there are no targets", [](fb::ManifestT &m) { m.targets.clear(); }},
    {"targets[0].triple is missing", [](fb::ManifestT &m) { target(m).triple.clear(); }},
    {"targets[0] has no programs", [](fb::ManifestT &m) { target(m).programs.clear(); }},
    {"targets[0].sources[1].shape has 6 axes", [](fb::ManifestT &m) { target(m).sources[1]->shape = {1, 1, 1, 1, 1, 1}; }},
    {"targets[0].sources[0] has 1 views for 2 schemes", [](fb::ManifestT &m) { target(m).sources[0]->views.pop_back(); }},
    {"targets[0].sources[0].views[0].tensor is 2, but there are 2 tensors",
     [](fb::ManifestT &m) { target(m).sources[0]->views[0]->tensor = 2; }},
    {"targets[0].sources[1].views[0] has 1 strides for 2 axes", [](fb::ManifestT &m) { target(m).sources[1]->views[0]->strides = {1}; }},
    {"reaches outside the 15 elements of its tensor 'bias.kernel'", [](fb::ManifestT &m) { target(m).sources[1]->views[0]->offset = 1; }},
    {"reaches outside the 15 elements", [](fb::ManifestT &m) { target(m).sources[1]->views[0]->strides = {-1, 3}; }},
    {"reaches outside the 15 elements",
     [](fb::ManifestT &m) {
       target(m).sources[1]->views[0]->strides = {std::numeric_limits<int64_t>::min(), std::numeric_limits<int64_t>::max()};
     }},
    {"reaches outside the 15 elements", [](fb::ManifestT &m) { target(m).sources[1]->views[0]->offset = kHuge; }},
    {"targets[0].weights[1] has 60 bytes from byte 128 of 128", [](fb::ManifestT &m) { target(m).weights[1]->offset = 128; }},
    {"targets[0].weights[1] has 60 bytes from byte 32", [](fb::ManifestT &m) { target(m).weights[1]->offset = 32; }},
    {"two weights that overlap at byte 0", [](fb::ManifestT &m) { target(m).weights[1]->offset = 0; }},
    {"targets[0].weights[0] has 18446744073709551615 bytes", [](fb::ManifestT &m) { target(m).weights[0]->size = kHuge; }},
    {"targets[0].weights[0].bind_symbol is missing", [](fb::ManifestT &m) { target(m).weights[0]->bind_symbol.clear(); }},
    {"targets[0].weights[0].sources[0] is 2, but there are 2 sources", [](fb::ManifestT &m) { target(m).weights[0]->sources = {2}; }},
    {"targets[0].weights[0].scratch_bytes is", [](fb::ManifestT &m) { target(m).weights[0]->scratch_bytes = kHuge; }},
    {"targets[0].weights_bytes is", [](fb::ManifestT &m) { target(m).weights_bytes = kHuge; }},
    {"targets[0].weight_data has 128 bytes, but weights_bytes is 192", [](fb::ManifestT &m) { target(m).weights_bytes = 192; }},
    {"targets[0].kernels[0].symbol is missing", [](fb::ManifestT &m) { target(m).kernels[0]->symbol.clear(); }},
    {"targets[0].kernels[0].kind is missing or empty", [](fb::ManifestT &m) { target(m).kernels[0]->kind.clear(); }},
    {"targets[0].kernels[1] has 0 rows an image", [](fb::ManifestT &m) { target(m).kernels[1]->rows_per_image = 0; }},
    {"targets[0].kernels[1] has 3 rows an image, 0 rows a task", [](fb::ManifestT &m) { target(m).kernels[1]->rows_per_task = 0; }},
    {"targets[0].kernels[1] has more tasks than can be counted",
     [](fb::ManifestT &m) { target(m).kernels[1]->rows_per_image = target(m).kernels[1]->column_tasks = 1ull << 31; }},
    {"programs[0].name is missing", [](fb::ManifestT &m) { program(m).name.clear(); }},
    {"programs[0].group_images is 0", [](fb::ManifestT &m) { program(m).group_images = 0; }},
    {"programs[0].arena_bytes_per_image is 130", [](fb::ManifestT &m) { program(m).arena_bytes_per_image = 130; }},
    {"programs[0].buffers[4] has 60 bytes an image from byte 128", [](fb::ManifestT &m) { program(m).buffers[4]->offset_per_image = 128; }},
    {"programs[0].buffers[4] has 60 bytes an image from byte 4", [](fb::ManifestT &m) { program(m).buffers[4]->offset_per_image = 4; }},
    {"programs[0].buffers[4] has 60 bytes an image from byte 18446744073709551552",
     [](fb::ManifestT &m) { program(m).buffers[4]->offset_per_image = kHuge - 63; }},
    {"programs[0].buffers[2] has 60 bytes an image for 16 elements", [](fb::ManifestT &m) { program(m).buffers[2]->shape = {16}; }},
    {"programs[0].buffers[0] has 64 bytes an image for 15 elements", [](fb::ManifestT &m) { program(m).buffers[0]->bytes_per_image = 64; }},
    {"programs[0].buffers[1].weight is 2, but there are 2 weights", [](fb::ManifestT &m) { program(m).buffers[1]->weight = 2; }},
    {"programs[0].buffers[1].kind is 17", [](fb::ManifestT &m) { program(m).buffers[1]->kind = fb::BufferKind(17); }},
    {"programs[0].buffers[2].type is 5", [](fb::ManifestT &m) { program(m).buffers[2]->type = fb::NumberType(5); }},
    {"programs[0].buffers[2].type is -1", [](fb::ManifestT &m) { program(m).buffers[2]->type = fb::NumberType(-1); }},
    {"programs[0].buffers[0] is of type 1; an output is f32, an input f32 or bytes",
     [](fb::ManifestT &m) { program(m).buffers[0]->type = fb::NumberType::BF16; }},
    {"programs[0].buffers[5] is of type 2; an output is f32, an input f32 or bytes",
     [](fb::ManifestT &m) { program(m).buffers[5]->type = fb::NumberType::I8; }},
    {"programs[0].buffers[0] is bytes on a grid of 0 from 0; a picture's are the numbers themselves",
     [](fb::ManifestT &m) {
       program(m).buffers[0]->type = fb::NumberType::I8;
       program(m).buffers[0]->bytes_per_image = 15;
     }},
    {"programs[0].buffers[2] has 60 bytes an image for 31 elements",
     [](fb::ManifestT &m) {
       program(m).buffers[2]->type = fb::NumberType::BF16;
       program(m).buffers[2]->shape = {31};
     }},
    {"('layer.scale') writes 3 rows of bytes without two f32 for each after them",
     [](fb::ManifestT &m) { program(m).buffers[2]->type = fb::NumberType::I8; }},
    {"('layer.scale') writes bytes without axes",
     [](fb::ManifestT &m) {
       program(m).buffers[2]->type = fb::NumberType::I8;
       program(m).buffers[2]->shape = {};
     }},
    {"('layer.scale') writes bytes of scale -1 and zero point 0, which are no grid",
     [](fb::ManifestT &m) {
       program(m).buffers[2]->type = fb::NumberType::I8;
       program(m).buffers[2]->scale = -1;
     }},
    {"('layer.scale') writes bytes of scale 0.5 and zero point 256, which are no grid",
     [](fb::ManifestT &m) {
       program(m).buffers[2]->type = fb::NumberType::I8;
       program(m).buffers[2]->scale = 0.5;
       program(m).buffers[2]->zero_point = 256;
     }},
    {"('layer.bias') writes 3 rows of bytes without two f32 for each after them",
     [](fb::ManifestT &m) {
       // As many scales as there are bytes, not as there are rows.
       program(m).buffers[2]->type = fb::NumberType::I8;
       program(m).launches[0] = std::make_unique<fb::LaunchT>(*program(m).launches[1]);
       program(m).launches[0]->operands = {0, 2, 4};
       program(m).launches[0]->results = 2;
     }},
    {"programs[0].inputs[0] is 6, but there are 6 buffers", [](fb::ManifestT &m) { program(m).inputs = {6}; }},
    {"programs[0].inputs[0] names buffer 5, which is of another kind", [](fb::ManifestT &m) { program(m).inputs = {5}; }},
    {"programs[0].inputs[1] names buffer 0, which is of another kind or listed twice",
     [](fb::ManifestT &m) { program(m).inputs = {0, 0}; }},
    {"programs[0].outputs[1] is called 'sums', as another one is",
     [](fb::ManifestT &m) {
       program(m).buffers.push_back(std::make_unique<fb::BufferT>(*program(m).buffers[5]));
       program(m).outputs = {5, 6};
     }},
    {"programs[0].outputs leaves out buffer 5", [](fb::ManifestT &m) { program(m).outputs.clear(); }},
    {"programs[0].launches[1].name is missing", [](fb::ManifestT &m) { program(m).launches[1]->name.clear(); }},
    {"programs[0].launches[0].larger[0].kernel is 3, but there are 3 kernels", [](fb::ManifestT &m) { addLarger(m, 2, 3); }},
    {"programs[0].launches[0].larger[0] is for 1 images, expected more than 1", [](fb::ManifestT &m) { addLarger(m, 1, 0); }},
    {"programs[0].launches[0].larger[1] is for 4 images, expected more than 4",
     [](fb::ManifestT &m) {
       addLarger(m, 4, 0);
       addLarger(m, 4, 0);
     }},
    {"kernels[0] is a function of the host that is said to be persistent", [](fb::ManifestT &m) { target(m).kernels[0]->persistent = true; }},
    {"targets[0].kernels[0] leaves 0 counters and 16 bytes of a task's part of a sum",
     [](fb::ManifestT &m) {
       target(m).kernels[0]->threads = 32;
       target(m).kernels[0]->part_bytes = 16;
     }},
    {"targets[0].kernels[0] leaves 1 counters and 24 bytes",
     [](fb::ManifestT &m) {
       target(m).kernels[0]->threads = 32;
       target(m).kernels[0]->part_counters = 1;
       target(m).kernels[0]->part_bytes = 24;
     }},
    {"targets[0].kernels[0] has more than 2147483648 tasks that leave parts of a sum",
     [](fb::ManifestT &m) {
       target(m).kernels[0]->threads = 32;
       target(m).kernels[0]->part_counters = 1;
       target(m).kernels[0]->part_bytes = 16;
       target(m).kernels[0]->rows_per_image = target(m).kernels[0]->column_tasks = 1 << 16;
     }},
    {".tensor_maps[0] has 1 sizes, 1 strides and 2 sides of a box", [](fb::ManifestT &m) { addTensorMap(m).sizes = {4}; }},
    {".tensor_maps[0] has elements of 8 bytes, expected 2 or 4", [](fb::ManifestT &m) { addTensorMap(m).element_bytes = 8; }},
    {".tensor_maps[0].swizzle is 16, expected 0, 32, 64 or 128", [](fb::ManifestT &m) { addTensorMap(m).swizzle = 16; }},
    {".tensor_maps[0].sizes[1] is 0", [](fb::ManifestT &m) { addTensorMap(m).sizes[1] = 0; }},
    {".tensor_maps[0].box[1] is 257, expected from 1 to 256", [](fb::ManifestT &m) { addTensorMap(m).box[1] = 257; }},
    {".tensor_maps[0].strides[0] is 20, expected a multiple of 16", [](fb::ManifestT &m) { addTensorMap(m).strides[0] = 20; }},
    {".tensor_maps[0] moves rows of 64 bytes in a swizzle of 32",
     [](fb::ManifestT &m) {
       addTensorMap(m).box[0] = 16;
       target(m).kernels[program(m).launches[0]->kernel]->tensor_maps[0]->swizzle = 32;
     }},
    {".tensor_maps[0].operand is 9, but there are", [](fb::ManifestT &m) { addTensorMap(m).operand = 9; }},
    {" sees more of buffer ", [](fb::ManifestT &m) { addTensorMap(m).sizes[1] = 1 << 20; }},
    {" sees images of 16 bytes in buffer ", [](fb::ManifestT &m) { addTensorMap(m).per_image = true; }},
    {"programs[0].launches[1].kernel is 3, but there are 3 kernels", [](fb::ManifestT &m) { program(m).launches[1]->kernel = 3; }},
    {"programs[0].launches[2].operands[0] is 77, but there are 6 buffers",
     [](fb::ManifestT &m) { program(m).launches[2]->operands[0] = 77; }},
    {"programs[0].launches[2] writes 3 of its 2 operands", [](fb::ManifestT &m) { program(m).launches[2]->results = 3; }},
    {"programs[0].launches[2] writes 0 of its 2 operands", [](fb::ManifestT &m) { program(m).launches[2]->results = 0; }},
    {"('layer.sum') writes buffer 1, an input or a weight", [](fb::ManifestT &m) { program(m).launches[2]->operands[1] = 1; }},
    {"('layer.scale') reads buffer 4 before anything has written it", [](fb::ManifestT &m) { program(m).launches[0]->operands[0] = 4; }},
    {"programs[0].outputs[0] is never written", [](fb::ManifestT &m) { program(m).launches.pop_back(); }},
    {"programs[0] needs more than 70368744177664 bytes for a group of 4 images",
     [](fb::ManifestT &m) { program(m).arena_bytes_per_image = 1ull << 45; }},
    {"programs[0] needs more than 70368744177664 bytes for a group of 4096 images",
     [](fb::ManifestT &m) {
       program(m).group_images = 4096;
       program(m).buffers[5]->shape = {1ull << 34};
       program(m).buffers[5]->bytes_per_image = 1ull << 36;
     }},
    {"programs[0] is inference, but does not take one input of the model's images 1 x 3 x 6", [](fb::ManifestT &m) { m.model->width = 6; }},
    {"programs[0] is inference, but does not take one input of the model's images 1 x 3 x 5",
     [](fb::ManifestT &m) { program(m).buffers[0]->shape = {3, 5}; }},
    {"programs[0] is inference, but does not take one input of the model's images 1 x 3 x 5",
     [](fb::ManifestT &m) {
       auto second = std::make_unique<fb::BufferT>(*program(m).buffers[0]);
       second->name = "more images";
       program(m).buffers.push_back(std::move(second));
       program(m).inputs = {0, 6};
     }},
};

class MalformedManifest : public testing::TestWithParam<Malformed> {};

TEST_P(MalformedManifest, IsRefusedWithASentence) {
  fb::ManifestT manifest = toyManifest(5);
  std::vector<std::byte> weights = packToyWeights(5, someValues(5, 1), someValues(15, 2));
  AlignedBytes whole = seal(manifest, toyCode(), weights);
  ASSERT_TRUE(Model::openMemory(whole.bytes()));
  // Hashes and section offsets were set above; only manifest and header are made again around the change.
  GetParam().change(manifest);
  AlignedBytes file = reseal(manifest, whole);
  auto model = Model::openMemory(file.bytes());
  ASSERT_FALSE(model);
  EXPECT_EQ(model.error().status, VITRT_ERROR_FORMAT);
  EXPECT_THAT(model.error().message,
              testing::AllOf(testing::HasSubstr("the manifest is not valid: "), testing::HasSubstr(GetParam().message)));
}

INSTANTIATE_TEST_SUITE_P(All, MalformedManifest, testing::ValuesIn(kCases));

/// The same for sections, whose places `seal` would choose.
TEST(MalformedSections, AreRefusedWithASentence) {
  fb::ManifestT manifest = toyManifest(5);
  AlignedBytes whole = seal(manifest, toyCode(), packToyWeights(5, someValues(5, 1), someValues(15, 2)));
  uint64_t codeAt = target(manifest).code->offset, codeSize = target(manifest).code->size;
  auto openWith = [&](uint64_t offset, uint64_t size) {
    target(manifest).code->offset = offset;
    target(manifest).code->size = size;
    AlignedBytes file = reseal(manifest, whole);
    auto model = Model::openMemory(file.bytes());
    return model ? "opened" : model.error().message;
  };
  using testing::HasSubstr;
  EXPECT_EQ(openWith(codeAt, codeSize), "opened");
  EXPECT_THAT(openWith(codeAt + 1, codeSize), HasSubstr("targets[0].code begins at byte"));
  EXPECT_THAT(openWith(0, codeSize), HasSubstr("but the file's sections lie between bytes"));
  EXPECT_THAT(openWith(codeAt, kHuge), HasSubstr("but the file's sections lie between bytes"));
  EXPECT_THAT(openWith(kHuge - 4095, 4096), HasSubstr("but the file's sections lie between bytes"));
  EXPECT_THAT(openWith(codeAt, whole.bytes().size() - codeAt), HasSubstr("overlap"));
  EXPECT_THAT(openWith(codeAt, 0), HasSubstr("targets[0].code is empty"));
}

TEST(MalformedManifestOnLoad, MissingSymbolsAndPrograms) {
  fb::ManifestT manifest = toyManifest(5);
  target(manifest).kernels[2]->symbol = "toy5_nothing";
  AlignedBytes file = seal(manifest, toyCode());
  auto model = Model::openMemory(file.bytes());
  ASSERT_FALSE(model);
  EXPECT_THAT(model.error().message, testing::HasSubstr("does not export 'toy5_nothing'"));

  manifest = toyManifest(5);
  program(manifest).name = "train";
  AlignedBytes other = seal(manifest, toyCode());
  model = Model::openMemory(other.bytes());
  ASSERT_FALSE(model);
  EXPECT_THAT(model.error().message, testing::HasSubstr("target 'cpu' has no program called 'infer'"));
}

} // namespace
