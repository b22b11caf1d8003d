//===- Inspect.cpp - vit-run inspect ---*- C++ -*-===//
//
// Part of the vitc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===--------------------------------------------------------------------------------------===//

#include "runtime/artifact/Artifact.h"
#include "runtime/artifact/FileFormat.h"
#include "tools/vit-run/Inspection.h"
#include "tools/vit-run/Options.h"

namespace vitrun {
namespace {

struct InspectOptions {
  std::string file, target, verify = "all";
  bool json = false;
};

int inspect(const InspectOptions &options) {
  vitrt::ArtifactOptions open;
  open.verify = options.verify == "header" ? VITRT_VERIFY_HEADER : VITRT_VERIFY_ALL;
  open.target = options.target;
  open.purpose = vitrt::Purpose::Inspect;
  auto artifact = vitrt::Artifact::open(options.file, open);
  if (!artifact)
    return fail(artifact.error());
  if (options.json)
    fmt::print("{}\n", inspectionJson(**artifact).dump(2));
  else
    printInspection(**artifact);
  return ExitDone;
}

} // namespace

void addInspectCommand(CLI::App &tool, Action &action) {
  auto options = std::make_shared<InspectOptions>();
  CLI::App *command = tool.add_subcommand("inspect", "Show what an artifact is, needs and holds, its plan and its memory");
  command->add_option("FILE.vitx", options->file, "The compiled model")->required();
  command->add_option("--target", options->target, "Whose plan to show (default: the file's first)")->type_name("NAME");
  command->add_option("--verify", options->verify, "Which checksums to check: all, or header")
      ->check(CLI::IsMember({"all", "header"}))
      ->type_name("WHAT");
  command->add_flag("--json", options->json, "The same as JSON");
  command->footer(
      "Nothing in the file is run, so artifacts of other machines can be inspected too.\n\nExample:\n  vit-run inspect tiny.vitx");
  command->callback([options, &action] { action = [options] { return inspect(*options); }; });
}

} // namespace vitrun
