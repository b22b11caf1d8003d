//===- CApiTest.cpp - the C header --------------------------------------------*- C++ -*-===//
//
// Part of the vitc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===--------------------------------------------------------------------------------------===//

#include "runtime/vitrt.h"

#include "test/unit/runtime/TemporaryFolder.h"
#include "test/unit/runtime/ToyArtifact.h"

#include <cstring>
#include <gmock/gmock.h>
#include <thread>

using namespace vitrt::test;
using testing::HasSubstr;

extern "C" uint32_t versionSeenFromC(void);
extern "C" vitrt_status runFromC(const void *bytes, size_t size, const float *image, float *sums);

namespace {

std::string_view asText(std::span<const std::byte> bytes) { return {reinterpret_cast<const char *>(bytes.data()), bytes.size()}; }

TEST(CApi, Version) {
  EXPECT_EQ(versionSeenFromC(), uint32_t(VITRT_VERSION_MAJOR * 10000 + VITRT_VERSION_MINOR * 100 + VITRT_VERSION_PATCH));
}

TEST(CApi, RunsFromC) {
  AlignedBytes file = toyArtifact(5);
  std::vector<float> image = someValues(15, 3), sums(5);
  ASSERT_EQ(runFromC(file.bytes().data(), file.bytes().size(), image.data(), sums.data()), VITRT_OK) << vitrt_last_error();
  EXPECT_EQ(sums, toyResult(5, image));
}

TEST(CApi, OpensAFileAndTellsItsSignature) {
  TemporaryFolder folder;
  AlignedBytes file = toyArtifact(16);
  std::string path = folder.write("toy.vitx", asText(file.bytes()));
  vitrt_model *model = nullptr;
  ASSERT_EQ(vitrt_model_open(path.c_str(), nullptr, &model), VITRT_OK) << vitrt_last_error();
  EXPECT_STREQ(vitrt_model_name(model), "toy");
  EXPECT_STREQ(vitrt_model_target(model), "cpu");
  EXPECT_EQ(vitrt_model_has_weights(model), 1);
  ASSERT_EQ(vitrt_model_label_count(model), 2u);
  EXPECT_STREQ(vitrt_model_label(model, 1), "bee");
  EXPECT_EQ(vitrt_model_label(model, 2), nullptr);
  ASSERT_EQ(vitrt_model_input_count(model), 1u);
  ASSERT_EQ(vitrt_model_output_count(model), 1u);
  vitrt_tensor_info info;
  ASSERT_EQ(vitrt_model_input(model, 0, &info), VITRT_OK);
  EXPECT_EQ(vitrt_model_input_type(model, 0), VITRT_F32);
  EXPECT_STREQ(info.name, "images");
  ASSERT_EQ(info.rank, 3u);
  EXPECT_EQ(info.shape[0], 1);
  EXPECT_EQ(info.shape[1], 3);
  EXPECT_EQ(info.shape[2], 16);
  EXPECT_EQ(info.elements, 48u);
  ASSERT_EQ(vitrt_model_output(model, 0, &info), VITRT_OK);
  EXPECT_STREQ(info.name, "sums");
  EXPECT_EQ(info.elements, 16u);
  EXPECT_EQ(vitrt_model_output(model, 1, &info), VITRT_ERROR_ARGUMENT);
  EXPECT_STREQ(vitrt_last_error(), "output 1 was asked for, but the model has 1");
  vitrt_model_close(model);
}

TEST(CApi, BindsRandomWeightsOnce) {
  vitrt::fb::ManifestT manifest = toyManifest(5);
  AlignedBytes file = seal(manifest, toyCode());
  vitrt_model *model = nullptr;
  ASSERT_EQ(vitrt_model_open_memory(file.bytes().data(), file.bytes().size(), nullptr, &model), VITRT_OK) << vitrt_last_error();
  EXPECT_EQ(vitrt_model_has_weights(model), 0);
  vitrt_session *session = nullptr;
  EXPECT_EQ(vitrt_session_create(model, nullptr, &session), VITRT_ERROR_WEIGHTS);
  EXPECT_EQ(session, nullptr);
  EXPECT_EQ(vitrt_model_bind_weights(model, "/no/such/file"), VITRT_ERROR_IO);
  EXPECT_THAT(vitrt_last_error(), HasSubstr("cannot open '/no/such/file'"));
  EXPECT_EQ(vitrt_model_bind_random_weights(model, 1), VITRT_OK) << vitrt_last_error();
  EXPECT_EQ(vitrt_model_has_weights(model), 1);
  EXPECT_EQ(vitrt_model_bind_random_weights(model, 1), VITRT_ERROR_WEIGHTS);
  vitrt_model_close(model);
}

TEST(CApi, ErrorsBelongToTheirThread) {
  EXPECT_EQ(vitrt_model_open("/no/such/file.vitx", nullptr, nullptr), VITRT_ERROR_ARGUMENT);
  std::string mine = vitrt_last_error();
  std::thread([] {
    EXPECT_STREQ(vitrt_last_error(), "");
    vitrt_model *model = nullptr;
    EXPECT_EQ(vitrt_model_open("/no/such/file.vitx", nullptr, &model), VITRT_ERROR_IO);
  }).join();
  EXPECT_EQ(vitrt_last_error(), mine);
  EXPECT_EQ(mine, "vitrt_model_open was given a null model");
}

TEST(CApi, ChecksItsArguments) {
  AlignedBytes file = toyArtifact(5);
  vitrt_model *model = nullptr;
  vitrt_open_options options = {};
  EXPECT_EQ(vitrt_model_open_memory(file.bytes().data(), file.bytes().size(), &options, &model), VITRT_ERROR_ARGUMENT);
  EXPECT_THAT(vitrt_last_error(), HasSubstr("struct_size is 0"));
  options.struct_size = sizeof(options);
  int unknown = 5;
  std::memcpy(&options.verify, &unknown, sizeof(unknown));
  EXPECT_EQ(vitrt_model_open_memory(file.bytes().data(), file.bytes().size(), &options, &model), VITRT_ERROR_ARGUMENT);
  EXPECT_THAT(vitrt_last_error(), HasSubstr("verify is 5"));
  options.verify = VITRT_VERIFY_HEADER;
  options.target = "tpu";
  EXPECT_EQ(vitrt_model_open_memory(file.bytes().data(), file.bytes().size(), &options, &model), VITRT_ERROR_TARGET);
  EXPECT_EQ(model, nullptr);
  EXPECT_EQ(vitrt_model_open_memory(nullptr, 0, nullptr, &model), VITRT_ERROR_ARGUMENT);
  EXPECT_EQ(vitrt_run(nullptr, 1, nullptr, nullptr), VITRT_ERROR_ARGUMENT);
  EXPECT_EQ(vitrt_session_create(nullptr, nullptr, nullptr), VITRT_ERROR_ARGUMENT);
  EXPECT_EQ(vitrt_model_bind_weights(nullptr, "/"), VITRT_ERROR_ARGUMENT);
  EXPECT_EQ(vitrt_model_input(nullptr, 0, nullptr), VITRT_ERROR_ARGUMENT);
  EXPECT_EQ(vitrt_model_has_weights(nullptr), 0);
  EXPECT_EQ(vitrt_model_label_count(nullptr), 0u);
  vitrt_session_destroy(nullptr);
  vitrt_model_close(nullptr);
}

TEST(CApi, OneModelManyThreads) {
  AlignedBytes file = toyArtifact(5);
  vitrt_model *model = nullptr;
  ASSERT_EQ(vitrt_model_open_memory(file.bytes().data(), file.bytes().size(), nullptr, &model), VITRT_OK) << vitrt_last_error();
  std::vector<std::thread> callers;
  for (unsigned caller = 0; caller < 4; ++caller)
    callers.emplace_back([&, caller] {
      vitrt_session_options options = {sizeof(options), 1 + caller % 2, 0};
      vitrt_session *session = nullptr;
      ASSERT_EQ(vitrt_session_create(model, &options, &session), VITRT_OK) << vitrt_last_error();
      for (size_t batch = 1; batch < 20; ++batch) {
        std::vector<float> images = someValues(batch * 15, caller), sums(batch * 5);
        const float *inputs[] = {images.data()};
        float *outputs[] = {sums.data()};
        ASSERT_EQ(vitrt_run(session, batch, inputs, outputs), VITRT_OK) << vitrt_last_error();
        ASSERT_EQ(sums, toyResult(5, images));
        ASSERT_EQ(vitrt_run(session, 0, inputs, outputs), VITRT_ERROR_ARGUMENT);
        ASSERT_THAT(vitrt_last_error(), HasSubstr("a batch of 0 images"));
      }
      vitrt_session_destroy(session);
    });
  for (std::thread &caller : callers)
    caller.join();
  vitrt_model_close(model);
}

} // namespace
