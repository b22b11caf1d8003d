//===- Train.cpp - vit-run train ---*- C++ -*-===//
//
// Part of the vitc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===--------------------------------------------------------------------------------------===//

#include "runtime/artifact/Artifact.h"
#include "tools/vit-run/Options.h"

namespace vitrun {
namespace {

int train(const std::string &file) {
  vitrt::ArtifactOptions options;
  options.verify = VITRT_VERIFY_HEADER;
  options.purpose = vitrt::Purpose::Inspect;
  auto artifact = vitrt::Artifact::open(file, options);
  if (!artifact)
    return fail(artifact.error());
  return failUsage(fmt::format("{}: this artifact holds no training program, only inference", file));
}

} // namespace

void addTrainCommand(CLI::App &tool, Action &action) {
  auto file = std::make_shared<std::string>();
  CLI::App *command = tool.add_subcommand("train", "Train a model, if the artifact holds a training program");
  command->add_option("FILE.vitx", *file, "The compiled model")->required();
  command->allow_extras();
  command->group(""); // not listed, since no artifact holds one
  command->footer("Example:\n  vit-run train model.vitx --data=photographs/");
  command->callback([file, &action] { action = [file] { return train(*file); }; });
}

} // namespace vitrun
