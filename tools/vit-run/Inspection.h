//===- Inspection.h - what an artifact is, as JSON and as text ---*- C++ -*-===//
//
// Part of the vitc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===--------------------------------------------------------------------------------------===//

#ifndef VITC_TOOLS_VITRUN_INSPECTION_H
#define VITC_TOOLS_VITRUN_INSPECTION_H

#include "runtime/artifact/Artifact.h"

#include <nlohmann/json.hpp>

namespace vitrun {

/// As `--target` takes it: "cpu", "cuda:sm_80".
std::string nameOf(const vitrt::fb::Target &target);

/// Model, targets, and the chosen target's sections, plan, buffers and memory. Sizes are bytes.
nlohmann::ordered_json inspectionJson(const vitrt::Artifact &artifact);

/// The same for people, on stdout.
void printInspection(const vitrt::Artifact &artifact);

} // namespace vitrun

#endif // VITC_TOOLS_VITRUN_INSPECTION_H
