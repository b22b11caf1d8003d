//===- DriverApi.h - what the runtime calls of NVIDIA's driver ----------------*- C++ -*-===//
//
// Part of the vitc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Own declarations of the part of the CUDA driver API 12.0 that the runtime needs, so that it builds without NVIDIA's headers and runs without
// its libraries until somebody asks for a GPU. Names are NVIDIA's in the style of this project; values and layouts are checked against cuda.h
// by test/unit/runtime/CudaApiCheck.cpp where a toolkit is installed.
//
//===--------------------------------------------------------------------------------------===//

#ifndef VITC_RUNTIME_DEVICE_CUDA_DRIVERAPI_H
#define VITC_RUNTIME_DEVICE_CUDA_DRIVERAPI_H

#include <cstddef>
#include <cstdint>

namespace vitrt::cuda::api {

/// CUresult; the few that the runtime tells apart.
enum Result : int {
  Success = 0,
  InvalidValue = 1,
  OutOfMemory = 2,
  NoDevice = 100,
  InvalidDevice = 101,
  InvalidImage = 200,
  NoBinaryForGpu = 209,
  InvalidPtx = 218,
  UnsupportedPtxVersion = 222,
  NotFound = 500,
  NotReady = 600,
  IllegalAddress = 700,
  LaunchFailed = 719,
  CaptureUnsupported = 900,
};

/// CUdevice_attribute.
enum DeviceAttribute : int {
  MultiprocessorCount = 16,
  ComputeCapabilityMajor = 75,
  ComputeCapabilityMinor = 76,
  MaxSharedMemoryPerBlockOptin = 97,
};

/// CUfunction_attribute.
enum FunctionAttribute : int { MaxDynamicSharedSizeBytes = 8 };

/// CUjit_option.
enum JitOption : int { InfoLogBuffer = 3, InfoLogBufferSizeBytes = 4, ErrorLogBuffer = 5, ErrorLogBufferSizeBytes = 6 };

// Flags of cuStreamCreate and cuEventCreate.
inline constexpr unsigned kStreamNonBlocking = 1;
inline constexpr unsigned kEventDefault = 0;

/// CUstreamCaptureMode.
enum CaptureMode : int { CaptureGlobal = 0, CaptureThreadLocal = 1, CaptureRelaxed = 2 };

/// CUdriverProcAddressQueryResult.
enum AddressStatus : int { AddressFound = 0, AddressNotFound = 1, AddressVersionTooNew = 2 };

using Device = int;
using DevicePointer = unsigned long long;
using Context = struct ContextTag *;
using Module = struct ModuleTag *;
using Function = struct FunctionTag *;
using Stream = struct StreamTag *;
using Event = struct EventTag *;
using Graph = struct GraphTag *;
using GraphExec = struct GraphExecTag *;

/// CUtensorMap: how a bulk copy finds a tile in a tensor; opaque, passed to kernels by value.
struct alignas(128) TensorMap {
  uint64_t opaque[16];
};

// CUtensorMapDataType, of which a copy only needs the size; CUtensorMapInterleave, Swizzle, L2promotion and FloatOOBfill.
enum TensorType : int { TensorUint16 = 1, TensorUint32 = 2 };
enum TensorInterleave : int { InterleaveNone = 0 };
enum TensorSwizzle : int { SwizzleNone = 0, Swizzle32 = 1, Swizzle64 = 2, Swizzle128 = 3 };
enum TensorPromotion : int { PromotionNone = 0, Promotion64 = 1, Promotion128 = 2, Promotion256 = 3 };
enum TensorFill : int { FillZeros = 0 };

/// CUlaunchAttribute: one of many, of which only this one is used.
enum LaunchAttributeId : int { ProgrammaticStreamSerialization = 6 };
struct LaunchAttribute {
  LaunchAttributeId id;
  int padding = 0;
  union {
    int allowed;
    char any[64];
  } value = {};
};

/// CUlaunchConfig.
struct LaunchConfig {
  unsigned gridX, gridY, gridZ, blockX, blockY, blockZ, sharedBytes;
  Stream stream;
  LaunchAttribute *attributes;
  unsigned attributeCount;
};

/// The version of the API whose functions are asked for; a driver of CUDA 12.0 or newer has them all.
inline constexpr int kApiVersion = 12000;

/// cuGetProcAddress_v2, the one symbol that is looked up by name.
using GetProcAddress = Result (*)(const char *symbol, void **function, int version, uint64_t flags, AddressStatus *status);

// X(member, name, parameters): the functions of the table below.
#define VITRT_CUDA_FUNCTIONS(X)                                                                                                            \
  X(init, cuInit, (unsigned flags))                                                                                                        \
  X(driverGetVersion, cuDriverGetVersion, (int *version))                                                                                  \
  X(getErrorName, cuGetErrorName, (Result, const char **text))                                                                             \
  X(getErrorString, cuGetErrorString, (Result, const char **text))                                                                         \
  X(deviceGetCount, cuDeviceGetCount, (int *count))                                                                                        \
  X(deviceGet, cuDeviceGet, (Device *, int ordinal))                                                                                       \
  X(deviceGetName, cuDeviceGetName, (char *name, int length, Device))                                                                      \
  X(deviceGetAttribute, cuDeviceGetAttribute, (int *value, DeviceAttribute, Device))                                                       \
  X(devicePrimaryCtxRetain, cuDevicePrimaryCtxRetain, (Context *, Device))                                                                 \
  X(devicePrimaryCtxRelease, cuDevicePrimaryCtxRelease, (Device))                                                                          \
  X(ctxSetCurrent, cuCtxSetCurrent, (Context))                                                                                             \
  X(memGetInfo, cuMemGetInfo, (size_t *free, size_t *total))                                                                               \
  X(memAlloc, cuMemAlloc, (DevicePointer *, size_t bytes))                                                                                 \
  X(memFree, cuMemFree, (DevicePointer))                                                                                                   \
  X(memHostAlloc, cuMemHostAlloc, (void **, size_t bytes, unsigned flags))                                                                 \
  X(memFreeHost, cuMemFreeHost, (void *))                                                                                                  \
  X(memcpyHtoDAsync, cuMemcpyHtoDAsync, (DevicePointer to, const void *from, size_t bytes, Stream))                                        \
  X(memcpyDtoHAsync, cuMemcpyDtoHAsync, (void *to, DevicePointer from, size_t bytes, Stream))                                              \
  X(memsetD32Async, cuMemsetD32Async, (DevicePointer, unsigned value, size_t count, Stream))                                               \
  X(moduleLoadDataEx, cuModuleLoadDataEx, (Module *, const void *image, unsigned options, JitOption *, void **values))                     \
  X(moduleUnload, cuModuleUnload, (Module))                                                                                                \
  X(moduleGetFunction, cuModuleGetFunction, (Function *, Module, const char *name))                                                        \
  X(funcSetAttribute, cuFuncSetAttribute, (Function, FunctionAttribute, int value))                                                        \
  X(occupancyMaxActiveBlocksPerMultiprocessor, cuOccupancyMaxActiveBlocksPerMultiprocessor,                                                \
    (int *blocks, Function, int threads, size_t sharedBytes))                                                                              \
  X(launchKernelEx, cuLaunchKernelEx, (const LaunchConfig *, Function, void **parameters, void **extra))                                   \
  X(streamCreate, cuStreamCreate, (Stream *, unsigned flags))                                                                              \
  X(streamDestroy, cuStreamDestroy, (Stream))                                                                                              \
  X(streamSynchronize, cuStreamSynchronize, (Stream))                                                                                      \
  X(streamWaitEvent, cuStreamWaitEvent, (Stream, Event, unsigned flags))                                                                   \
  X(streamBeginCapture, cuStreamBeginCapture, (Stream, CaptureMode))                                                                       \
  X(streamEndCapture, cuStreamEndCapture, (Stream, Graph *))                                                                               \
  X(eventCreate, cuEventCreate, (Event *, unsigned flags))                                                                                 \
  X(eventDestroy, cuEventDestroy, (Event))                                                                                                 \
  X(eventRecord, cuEventRecord, (Event, Stream))                                                                                           \
  X(eventSynchronize, cuEventSynchronize, (Event))                                                                                         \
  X(eventElapsedTime, cuEventElapsedTime, (float *milliseconds, Event begin, Event end))                                                   \
  X(graphInstantiate, cuGraphInstantiateWithFlags, (GraphExec *, Graph, unsigned long long flags))                                         \
  X(graphLaunch, cuGraphLaunch, (GraphExec, Stream))                                                                                       \
  X(graphDestroy, cuGraphDestroy, (Graph))                                                                                                 \
  X(graphExecDestroy, cuGraphExecDestroy, (GraphExec))                                                                                     \
  X(tensorMapEncodeTiled, cuTensorMapEncodeTiled,                                                                                          \
    (TensorMap *, TensorType, uint32_t rank, void *address, const uint64_t *shape, const uint64_t *strides, const uint32_t *box,           \
     const uint32_t *elementStrides, TensorInterleave, TensorSwizzle, TensorPromotion, TensorFill))

struct Functions {
#define X(member, name, parameters) Result(*member) parameters = nullptr;
  VITRT_CUDA_FUNCTIONS(X)
#undef X
};

} // namespace vitrt::cuda::api

#endif // VITC_RUNTIME_DEVICE_CUDA_DRIVERAPI_H
