//===- main.cpp - vit-run: runs compiled Vision Transformers ----------------------------------===//
//
// Part of the vitc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===--------------------------------------------------------------------------------------===//

#include "tools/vit-run/CommandLine.h"

int main(int argc, char **argv) { return vitrun::runCommandLine(argc, argv); }
