//===- SchemeParts.h - what the tables of names are written with ------------------------------===//
//
// Part of the vitc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===--------------------------------------------------------------------------------------===//

#ifndef VITC_COMPILER_FRONTEND_SCHEMEPARTS_H
#define VITC_COMPILER_FRONTEND_SCHEMEPARTS_H

#include "compiler/frontend/SchemeTables.h"

namespace vitc::schemes {

/// PyTorch's spelling of a module's two tensors.
RoleNames torch(Role role, std::vector<std::string> modules);

/// Flax's: a dense layer has a kernel, a normalization a scale.
RoleNames dense(Role role, const std::string &module);
RoleNames scale(Role role, const std::string &module);

/// A tensor by its own name.
RoleNames plain(Role role, std::vector<std::string> names);

/// Query, key and value in one tensor each of weights and biases.
std::vector<RoleNames> packed(const std::string &weight, const std::string &bias);

std::vector<RoleNames> join(std::vector<RoleNames> first, std::vector<RoleNames> second);

/// The frameworks' tables; what the config lacks is not looked for.
std::vector<SchemeTable> timmSchemes(const ModelConfig &config);
std::vector<SchemeTable> huggingFaceSchemes(const ModelConfig &config);

} // namespace vitc::schemes

#endif // VITC_COMPILER_FRONTEND_SCHEMEPARTS_H
