//===- CudaApiCheck.cpp - own declarations of the driver against NVIDIA's ------*- C++ -*-===//
//
// Part of the vitc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Compiled where a CUDA toolkit is installed; it has nothing to run. Headers older than CUDA 12.0 lack some of the functions.
//
//===--------------------------------------------------------------------------------------===//

#include "runtime/device/cuda/DriverApi.h"

#include <cuda.h>

#include <cstddef>
#include <type_traits>

#if CUDA_VERSION >= 12000

using namespace vitrt::cuda::api;

// ---- values ------------------------------------------------------------------------------------------------------------------

static_assert(int(Success) == CUDA_SUCCESS && int(InvalidValue) == CUDA_ERROR_INVALID_VALUE &&
              int(OutOfMemory) == CUDA_ERROR_OUT_OF_MEMORY && int(NoDevice) == CUDA_ERROR_NO_DEVICE &&
              int(InvalidDevice) == CUDA_ERROR_INVALID_DEVICE && int(InvalidImage) == CUDA_ERROR_INVALID_IMAGE &&
              int(NoBinaryForGpu) == CUDA_ERROR_NO_BINARY_FOR_GPU && int(InvalidPtx) == CUDA_ERROR_INVALID_PTX &&
              int(UnsupportedPtxVersion) == CUDA_ERROR_UNSUPPORTED_PTX_VERSION && int(NotFound) == CUDA_ERROR_NOT_FOUND &&
              int(NotReady) == CUDA_ERROR_NOT_READY && int(IllegalAddress) == CUDA_ERROR_ILLEGAL_ADDRESS &&
              int(CaptureUnsupported) == CUDA_ERROR_STREAM_CAPTURE_UNSUPPORTED && int(LaunchFailed) == CUDA_ERROR_LAUNCH_FAILED);
static_assert(int(MultiprocessorCount) == CU_DEVICE_ATTRIBUTE_MULTIPROCESSOR_COUNT &&
              int(ComputeCapabilityMajor) == CU_DEVICE_ATTRIBUTE_COMPUTE_CAPABILITY_MAJOR &&
              int(ComputeCapabilityMinor) == CU_DEVICE_ATTRIBUTE_COMPUTE_CAPABILITY_MINOR &&
              int(MaxSharedMemoryPerBlockOptin) == CU_DEVICE_ATTRIBUTE_MAX_SHARED_MEMORY_PER_BLOCK_OPTIN);
static_assert(int(MaxDynamicSharedSizeBytes) == CU_FUNC_ATTRIBUTE_MAX_DYNAMIC_SHARED_SIZE_BYTES);
static_assert(int(InfoLogBuffer) == CU_JIT_INFO_LOG_BUFFER && int(InfoLogBufferSizeBytes) == CU_JIT_INFO_LOG_BUFFER_SIZE_BYTES &&
              int(ErrorLogBuffer) == CU_JIT_ERROR_LOG_BUFFER && int(ErrorLogBufferSizeBytes) == CU_JIT_ERROR_LOG_BUFFER_SIZE_BYTES);
static_assert(kStreamNonBlocking == CU_STREAM_NON_BLOCKING && kEventDefault == CU_EVENT_DEFAULT &&
              int(CaptureThreadLocal) == CU_STREAM_CAPTURE_MODE_THREAD_LOCAL);
static_assert(int(AddressFound) == CU_GET_PROC_ADDRESS_SUCCESS && int(AddressNotFound) == CU_GET_PROC_ADDRESS_SYMBOL_NOT_FOUND &&
              int(AddressVersionTooNew) == CU_GET_PROC_ADDRESS_VERSION_NOT_SUFFICIENT && CU_GET_PROC_ADDRESS_DEFAULT == 0);
static_assert(int(TensorUint16) == CU_TENSOR_MAP_DATA_TYPE_UINT16 && int(TensorUint32) == CU_TENSOR_MAP_DATA_TYPE_UINT32);
static_assert(int(InterleaveNone) == CU_TENSOR_MAP_INTERLEAVE_NONE && int(SwizzleNone) == CU_TENSOR_MAP_SWIZZLE_NONE &&
              int(Swizzle32) == CU_TENSOR_MAP_SWIZZLE_32B && int(Swizzle64) == CU_TENSOR_MAP_SWIZZLE_64B &&
              int(Swizzle128) == CU_TENSOR_MAP_SWIZZLE_128B && int(Promotion256) == CU_TENSOR_MAP_L2_PROMOTION_L2_256B &&
              int(FillZeros) == CU_TENSOR_MAP_FLOAT_OOB_FILL_NONE);

// ---- layouts and functions -----------------------------------------------------------------------------------------------------

static_assert(sizeof(TensorMap) == sizeof(CUtensorMap) && alignof(TensorMap) == alignof(CUtensorMap));
static_assert(int(ProgrammaticStreamSerialization) == CU_LAUNCH_ATTRIBUTE_PROGRAMMATIC_STREAM_SERIALIZATION &&
              sizeof(LaunchAttribute) == sizeof(CUlaunchAttribute) &&
              offsetof(LaunchAttribute, value) == offsetof(CUlaunchAttribute, value));
static_assert(sizeof(LaunchConfig) == sizeof(CUlaunchConfig) &&
              offsetof(LaunchConfig, sharedBytes) == offsetof(CUlaunchConfig, sharedMemBytes) &&
              offsetof(LaunchConfig, stream) == offsetof(CUlaunchConfig, hStream) &&
              offsetof(LaunchConfig, attributes) == offsetof(CUlaunchConfig, attrs) &&
              offsetof(LaunchConfig, attributeCount) == offsetof(CUlaunchConfig, numAttrs));
static_assert(sizeof(Device) == sizeof(CUdevice) && sizeof(DevicePointer) == sizeof(CUdeviceptr));

/// Whether values of both types are passed in the same way.
template <typename A, typename B>
constexpr bool passedAlike = sizeof(A) == sizeof(B) && alignof(A) == alignof(B) && std::is_pointer_v<A> == std::is_pointer_v<B> &&
                             std::is_floating_point_v<A> == std::is_floating_point_v<B>;

template <typename A, typename B> constexpr bool calledAlike = false;
template <typename R, typename... As, typename S, typename... Bs>
  requires(sizeof...(As) == sizeof...(Bs))
constexpr bool calledAlike<R (*)(As...), S (*)(Bs...)> = passedAlike<R, S> && (passedAlike<As, Bs> && ...);

static_assert(calledAlike<GetProcAddress, decltype(&cuGetProcAddress)>);
// The header's macros give each name the function of its newest version.
#define X(member, name, parameters) static_assert(calledAlike<decltype(Functions::member), decltype(&name)>, #member);
VITRT_CUDA_FUNCTIONS(X)
#undef X

#endif
