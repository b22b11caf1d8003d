//===- Driver.h - the fake driver, and what its calls have in common ------------*- C++ -*-===//
//
// Part of the vitc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===--------------------------------------------------------------------------------------===//

#ifndef VITC_TEST_SUPPORT_FAKECUDA_DRIVER_H
#define VITC_TEST_SUPPORT_FAKECUDA_DRIVER_H

#include "test/support/fake_cuda/Kernels.h"
#include "test/support/fake_cuda/Streams.h"

#include "runtime/device/cuda/DriverApi.h"

#include <mutex>
#include <type_traits>

namespace fakecuda {

namespace api = vitrt::cuda::api;

/// The functions that the runtime finds in the driver, by the runtime's names for them.
namespace calls {
#define X(member, name, parameters) std::remove_pointer_t<decltype(api::Functions::member)> member;
VITRT_CUDA_FUNCTIONS(X)
#undef X
} // namespace calls

/// A loaded module.
struct Module {
  std::vector<Kernel> kernels;
};

struct Driver {
  std::mutex mutex;
  Settings settings;
  bool ready = false;
  api::Result failure = api::Success; ///< of a kernel: the GPU is of no use any more
  DeviceMemory memory;
  Streams streams;
  std::map<std::byte *, uint64_t> pinned;
  std::unique_ptr<Code> code;
  std::mt19937_64 random;
};

Driver &driver();

/// Each thread has a current GPU of its own.
inline thread_local bool contextIsCurrent = false;

template <typename T, typename Handle> T *to(Handle handle) { return reinterpret_cast<T *>(handle); }
template <typename Handle, typename T> Handle from(T *object) { return reinterpret_cast<Handle>(object); }

/// What every call on a context does first and last.
template <typename Function> api::Result inContext(Function function) {
  Driver &d = driver();
  std::scoped_lock lock(d.mutex);
  if (!d.ready || !contextIsCurrent)
    return api::Result(201); // CUDA_ERROR_INVALID_CONTEXT
  if (d.failure != api::Success)
    return d.failure;
  api::Result result = function(d);
  if (d.settings.order == Settings::Order::Random && !d.streams.capturesAny())
    d.streams.disturb(d.random);
  return d.failure != api::Success ? d.failure : result;
}

/// What may not be done while launches are recorded, and frees what it is given even if the GPU has failed.
template <typename Function> api::Result destroy(Function function) {
  Driver &d = driver();
  std::scoped_lock lock(d.mutex);
  if (d.streams.capturesAny())
    return api::CaptureUnsupported;
  api::Result result = function(d);
  return d.failure != api::Success ? d.failure : result;
}

/// What may not be done while launches are recorded.
template <typename Function> api::Result outsideOfCapture(Function function) {
  return inContext([&](Driver &d) { return d.streams.capturesAny() ? api::CaptureUnsupported : function(d); });
}

/// Gives work to a stream, or to the graph that is recorded from it.
api::Result enqueue(Driver &d, api::Stream handle, Work work);

} // namespace fakecuda

#endif // VITC_TEST_SUPPORT_FAKECUDA_DRIVER_H
