//===- GpuArchitecture.h - which GPU runs which code ---------------------------*- C++ -*-===//
//
// Part of the vitc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===--------------------------------------------------------------------------------------===//

#ifndef VITC_RUNTIME_ARTIFACT_GPUARCHITECTURE_H
#define VITC_RUNTIME_ARTIFACT_GPUARCHITECTURE_H

#include <charconv>
#include <optional>
#include <string>
#include <string_view>

namespace vitrt {

/// The target of a file that NVIDIA's GPUs run; there may be one for each architecture.
inline constexpr std::string_view kCudaTarget = "cuda";

/// A GPU that code shall run on.
struct Gpu {
  std::string name; ///< for messages: "GPU 0 ('NVIDIA A100-SXM4-40GB')"
  int major, minor; ///< compute capability
};

/// What NVIDIA's compilers make code for: "sm_80", "sm_90a" (CUDA C++ Programming Guide, "Compute capability").
struct GpuArchitecture {
  int major = 0, minor = 0;
  bool exact = false; ///< the "a": features that no later GPU has

  /// Nothing if `name` is none.
  static std::optional<GpuArchitecture> parse(std::string_view name) {
    if (!name.starts_with("sm_"))
      return std::nullopt;
    name.remove_prefix(3);
    bool exact = name.ends_with('a');
    name.remove_suffix(exact);
    int number = 0;
    auto [end, error] = std::from_chars(name.data(), name.data() + name.size(), number);
    if (error != std::errc() || end != name.data() + name.size() || number < 10 || number > 999)
      return std::nullopt;
    return GpuArchitecture{number / 10, number % 10, exact};
  }

  int number() const { return major * 10 + minor; }
  /// Whether the driver of that GPU can compile PTX for this.
  bool runsOn(const Gpu &gpu) const { return exact ? gpu.major == major && gpu.minor == minor : gpu.major * 10 + gpu.minor >= number(); }
};

} // namespace vitrt

#endif // VITC_RUNTIME_ARTIFACT_GPUARCHITECTURE_H
