//===- CommandLine.h - from arguments to a command and its exit code -----------*- C++ -*-===//
//
// Part of the vitc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===--------------------------------------------------------------------------------------===//

#ifndef VITC_TOOLS_VITRUN_COMMANDLINE_H
#define VITC_TOOLS_VITRUN_COMMANDLINE_H

namespace vitrun {

/// Parses the arguments, runs the command they name and gives the tool's exit code (Options.h).
int runCommandLine(int argc, char **argv);

} // namespace vitrun

#endif // VITC_TOOLS_VITRUN_COMMANDLINE_H
