//===- CudaTest.cpp - what the runtime does with NVIDIA's driver ---------------*- C++ -*-===//
//
// Part of the vitc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Without a GPU: the driver is test/support/fake_cuda.
//
//===--------------------------------------------------------------------------------------===//

#include "runtime/device/cuda/Module.h"
#include "runtime/device/cuda/Stream.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstdlib>
#include <cstring>
#include <numeric>
#include <vector>

using namespace vitrt;
using namespace vitrt::cuda;
using testing::AllOf;
using testing::HasSubstr;

namespace {

constexpr char kPtx[] = R"(.version 7.0
.target sm_80
.address_size 64
.visible .entry add_images(
	.param .u64 .ptr .align 1 add_images_param_0,
	.param .u64 .ptr .align 1 add_images_param_1,
	.param .u32 add_images_param_2
)
.maxntid 32
{
	ret;
}
)";

std::span<const std::byte> bytesOf(std::string_view text) { return std::as_bytes(std::span(text)); }

class Cuda : public testing::Test {
protected:
  void pretend(const std::string &settings) { setenv("FAKE_CUDA", ("code=" TOY_DEVICE_KERNELS "," + settings).c_str(), 1); }
  void SetUp() override { pretend(""); }
  void TearDown() override { unsetenv("FAKE_CUDA"); }

  std::string driverError(const std::string &path = FAKE_CUDA_DRIVER) {
    auto driver = Driver::load(path);
    return driver ? "" : driver.error().message;
  }
  std::shared_ptr<const Device> openDevice(int ordinal = 0) {
    auto driver = Driver::load(FAKE_CUDA_DRIVER);
    if (!driver) {
      ADD_FAILURE() << driver.error().message;
      return nullptr;
    }
    auto device = Device::open(*driver, ordinal);
    if (!device) {
      failure = device.error().message;
      return nullptr;
    }
    return *device;
  }
  std::string failure;
};

TEST_F(Cuda, SaysThatThereIsNoDriver) {
  EXPECT_THAT(driverError("/nonexistent/libcuda.so.1"), AllOf(HasSubstr("there is no driver for NVIDIA GPUs"), HasSubstr("--device=cpu")));
  setenv("VITRT_CUDA_DRIVER", "/elsewhere/libcuda.so", 1);
  EXPECT_THAT(driverError(""), HasSubstr("'/elsewhere/libcuda.so' cannot be loaded"));
  unsetenv("VITRT_CUDA_DRIVER");
}

TEST_F(Cuda, SaysThatTheDriverIsTooOld) {
  EXPECT_THAT(driverError("libm.so.6"), AllOf(HasSubstr("older than CUDA 12.0"), HasSubstr("525")));
  pretend("missing=cuGraphLaunch");
  EXPECT_THAT(driverError(), HasSubstr("has no cuGraphLaunch"));
}

TEST_F(Cuda, SaysThatThereIsNoGpu) {
  pretend("devices=0");
  EXPECT_THAT(driverError(), HasSubstr("finds no NVIDIA GPU"));
  pretend("init=fails");
  EXPECT_THAT(driverError(), AllOf(HasSubstr("cannot be initialized"), HasSubstr("error 999")));
  pretend("devices=2");
  EXPECT_NE(openDevice(1), nullptr);
  EXPECT_EQ(openDevice(2), nullptr);
  EXPECT_THAT(failure, HasSubstr("there is no GPU 2: the driver finds 2 of them, counted from 0"));
}

TEST_F(Cuda, SaysWhatTheGpuCanDo) {
  pretend("capability=9.0,multiprocessors=132,shared=232448");
  auto device = openDevice();
  ASSERT_TRUE(device);
  EXPECT_EQ(device->describe(), "GPU 0 ('Fake GPU')");
  EXPECT_EQ(device->major(), 9);
  EXPECT_EQ(device->minor(), 0);
  EXPECT_EQ(device->multiprocessors(), 132);
  EXPECT_EQ(device->sharedBytes(), 232448u);
}

TEST_F(Cuda, SaysHowMuchMemoryIsMissing) {
  pretend("memory=4194304");
  auto device = openDevice();
  ASSERT_TRUE(device);
  auto first = DeviceMemory::allocate(*device, 1 << 20, "the weights");
  ASSERT_TRUE(first) << first.error().message;
  auto second = DeviceMemory::allocate(*device, 7 << 19, "the activations");
  ASSERT_FALSE(second);
  EXPECT_EQ(second.error().status, VITRT_ERROR_MEMORY);
  EXPECT_EQ(second.error().message, "3.5 MB are needed for the activations, but of the 4.0 MB of GPU 0 ('Fake GPU') only 3.0 MB are free");
}

TEST_F(Cuda, SaysWhyKernelsDoNotLoad) {
  auto device = openDevice();
  ASSERT_TRUE(device);
  auto newer = Module::load(*device, {}, bytesOf(".version 8.0\n.target sm_90a\n"));
  ASSERT_FALSE(newer);
  EXPECT_THAT(newer.error().message, AllOf(HasSubstr("does not take the kernels"), HasSubstr("its compiler says: ptxas fatal")));
  auto machineCode = Module::load(*device,
                                  bytesOf("\x7f"
                                          "ELF and no more"),
                                  {});
  ASSERT_FALSE(machineCode);
  EXPECT_THAT(machineCode.error().message, HasSubstr("there is no PTX: no kernel image is available"));
  pretend("jit=fails");
  ASSERT_TRUE(openDevice());
  auto refused = Module::load(*device, {}, bytesOf(kPtx));
  ASSERT_FALSE(refused);
  EXPECT_THAT(refused.error().message, HasSubstr("Unexpected instruction"));
}

TEST_F(Cuda, SaysWhichKernelIsNotThere) {
  auto device = openDevice();
  ASSERT_TRUE(device);
  // Machine code that the driver does not take is no error where there is PTX.
  auto module = Module::load(*device,
                             bytesOf("\x7f"
                                     "ELF and no more"),
                             bytesOf(kPtx));
  ASSERT_TRUE(module) << module.error().message;
  EXPECT_THAT(module->origin(), testing::HasSubstr("PTX, compiled by the driver, which did not take the machine code: "));
  auto other = module->function("other", 32, 0);
  ASSERT_FALSE(other);
  EXPECT_THAT(other.error().message, HasSubstr("there is no kernel 'other' in the file's code"));
  auto large = module->function("add_images", 32, 1 << 20);
  ASSERT_FALSE(large);
  EXPECT_THAT(large.error().message,
              HasSubstr("needs 1048576 bytes of shared memory, but a block of GPU 0 ('Fake GPU') has 166912 at most"));
  auto wide = module->function("add_images", 64, 0);
  ASSERT_FALSE(wide);
  EXPECT_THAT(wide.error().message, HasSubstr("blocks of 64 threads"));
}

TEST_F(Cuda, RunsAGraph) {
  auto device = openDevice();
  ASSERT_TRUE(device);
  constexpr size_t count = 96, bytes = count * sizeof(float);
  auto module = Module::load(*device, {}, bytesOf(kPtx));
  ASSERT_TRUE(module) << module.error().message;
  auto function = module->function("add_images", 32, 0);
  auto memory = DeviceMemory::allocate(*device, 2 * bytes, "numbers");
  auto pinned = PinnedMemory::allocate(*device, bytes, "numbers");
  auto stream = Stream::create(*device);
  auto begin = Event::create(*device), end = Event::create(*device);
  ASSERT_TRUE(function && memory && pinned && stream && begin && end);

  api::DevicePointer from = memory->begin(), to = from + bytes;
  int32_t images = 5;
  auto graph = stream->capture([&]() -> Error {
    for (auto &[a, b] : {std::pair(from, to), {to, from}}) {
      const api::DevicePointer pointers[] = {a, b};
      const void *arguments[] = {&pointers[0], &pointers[1], &images};
      if (Error error = stream->launch({*function, 3, 32, 0, arguments}))
        return error;
    }
    return Error::success();
  });
  ASSERT_TRUE(graph) << graph.error().message;
  // The arguments were copied.
  images = 1000;

  std::vector<float> values(count);
  std::iota(values.begin(), values.end(), 0.0f);
  std::memcpy(pinned->bytes().data(), values.data(), bytes);
  ASSERT_FALSE(stream->copyToDevice(from, pinned->bytes()));
  ASSERT_FALSE(stream->record(*begin));
  ASSERT_FALSE(stream->launch(*graph));
  ASSERT_FALSE(stream->launch(*graph));
  ASSERT_FALSE(stream->record(*end));
  ASSERT_FALSE(stream->copyToHost(pinned->bytes(), from));
  ASSERT_FALSE(stream->wait());
  std::memcpy(values.data(), pinned->bytes().data(), bytes);
  for (size_t i = 0; i < count; ++i)
    EXPECT_EQ(values[i], float(i) + 20);
  auto seconds = end->secondsSince(*device, *begin);
  ASSERT_TRUE(seconds) << seconds.error().message;
  EXPECT_GE(*seconds, 0);
}

TEST_F(Cuda, ZeroesMemory) {
  auto device = openDevice();
  ASSERT_TRUE(device);
  auto memory = DeviceMemory::allocate(*device, 1024, "numbers");
  auto pinned = PinnedMemory::allocate(*device, 1024, "numbers");
  auto stream = Stream::create(*device);
  ASSERT_TRUE(memory && pinned && stream);
  ASSERT_FALSE(stream->zero(memory->begin() + 4, 16));
  ASSERT_FALSE(stream->zero(memory->begin(), 0));
  ASSERT_FALSE(stream->copyToHost(pinned->bytes(), memory->begin()));
  ASSERT_FALSE(stream->wait());
  for (size_t i = 0; i < 1024; ++i)
    EXPECT_EQ(pinned->bytes()[i] == std::byte(0), i >= 4 && i < 20) << i;
  EXPECT_THAT(stream->zero(memory->begin() + 1024, 4).message, HasSubstr("4 bytes of GPU 0 ('Fake GPU') cannot be zeroed"));
}

TEST_F(Cuda, SaysThatAKernelFailed) {
  pretend("fail=add_images");
  auto device = openDevice();
  ASSERT_TRUE(device);
  auto module = Module::load(*device, {}, bytesOf(kPtx));
  auto stream = Stream::create(*device);
  ASSERT_TRUE(module && stream);
  auto function = module->function("add_images", 32, 0);
  auto memory = DeviceMemory::allocate(*device, 1024, "numbers");
  ASSERT_TRUE(function && memory);
  api::DevicePointer pointer = memory->begin();
  int32_t images = 1;
  const void *arguments[] = {&pointer, &pointer, &images};
  ASSERT_FALSE(stream->launch({*function, 1, 32, 0, arguments}));
  Error error = stream->wait();
  EXPECT_EQ(error.status, VITRT_ERROR_DEVICE);
  EXPECT_THAT(error.message, HasSubstr("an illegal memory access was encountered (CUDA_ERROR_ILLEGAL_ADDRESS)"));
}

} // namespace
