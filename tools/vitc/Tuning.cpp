//===- Tuning.cpp - vitc's file of measured schedules -------------------------*- C++ -*-===//
//
// Part of the vitc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===--------------------------------------------------------------------------------------===//

#include "tools/vitc/Tuning.h"
#include "compiler/artifact/OutputFile.h"
#include "compiler/transforms/ScheduleTable.h"

#include "llvm/ADT/SmallString.h"
#include "llvm/ADT/StringExtras.h"
#include "llvm/Support/FileSystem.h"
#include "llvm/Support/Format.h"
#include "llvm/Support/Path.h"
#include "llvm/Support/raw_ostream.h"

#include <cstring>

using namespace mlir;
using namespace vitc;
using namespace vitc::tool;

static std::string defaultCache() {
  llvm::SmallString<128> path;
  if (!llvm::sys::path::cache_directory(path))
    return "";
  llvm::sys::path::append(path, "vitc", "schedules.json");
  return path.str().str();
}

/// Makes the folder of the file, and sees whether files can be made there.
static llvm::Error prepareFolder(const std::string &path) {
  StringRef folder = llvm::sys::path::parent_path(path);
  if (std::error_code error = folder.empty() ? std::error_code() : llvm::sys::fs::create_directories(folder))
    return llvm::createStringError("the folder of '" + path + "' cannot be made: " + error.message());
  // Never committed, so it is gone at once.
  return artifact::OutputFile::create(path, 1).takeError();
}

static llvm::Error write(const std::string &path, const std::string &text) {
  auto file = artifact::OutputFile::create(path, text.size());
  if (!file)
    return file.takeError();
  std::memcpy((*file)->bytes().data(), text.data(), text.size());
  return (*file)->commit();
}

/// Measures what `table` lacks, on a GPU if there is a number of one, and puts the result into `path`, over what is there by then: another vitc may have
/// written meanwhile.
static LogicalResult tuneInto(const std::string &path, Compilation &compilation, std::optional<int> gpu, ScheduleTable &table) {
  auto report = [](StringRef layer, StringRef schedule, double gain) {
    llvm::errs() << "vitc: note: " << layer << ": " << schedule << llvm::format(", %.2f times as fast as the default\n", gain);
  };
  // Measuring takes minutes: what would keep its results from being kept is said before.
  if (llvm::Error error = prepareFolder(path)) {
    reportError(toString(std::move(error)));
    return failure();
  }
  // What was measured before something failed is kept: it took minutes too.
  const LogicalResult tuned = gpu ? compilation.tuneOnGpu(*gpu, table, report) : compilation.tune(table, report);
  if (failed(tuned) && table.machines().empty())
    return failure();
  if (gpu && table.machines().empty())
    llvm::errs() << "vitc: note: nothing was measured: products of f32 have one schedule on a GPU, those of --precision=bf16 several\n";
  llvm::Expected<ScheduleTable> current = ScheduleTable::read(path);
  if (current) {
    current->merge(table);
    table = std::move(*current);
  } else {
    consumeError(current.takeError());
  }
  if (llvm::Error error = write(path, table.print())) {
    reportError(toString(std::move(error)));
    return failure();
  }
  return tuned;
}

LogicalResult tool::settleTuning(MLIRContext &context, const ModelConfig &config, Request &request) {
  std::string &path = request.compile.tuningCache;
  bool named = !path.empty();
  if (!named)
    path = defaultCache();
  if (path.empty() && request.tune) {
    reportError("there is no folder for the user's caches, neither XDG_CACHE_HOME nor HOME is set; name a file with --tuning-cache");
    return failure();
  }
  bool exists = !path.empty() && llvm::sys::fs::exists(path);
  ScheduleTable table;
  if (exists || (named && !request.tune)) {
    llvm::Expected<ScheduleTable> read = ScheduleTable::read(path);
    if (read) {
      table = std::move(*read);
    } else if (named) {
      reportError(toString(read.takeError()));
      return failure();
    } else {
      llvm::errs() << "vitc: warning: " << toString(read.takeError()) << "; it is not used\n";
      exists = false;
    }
  }
  Compilation compilation(context, config, request.compile);
  if (request.tune)
    return tuneInto(path, compilation, request.tuneGpu, table);
  if (!exists) {
    path.clear();
    return success();
  }
  FailureOr<std::vector<std::string>> machines = compilation.machineNames();
  if (failed(machines))
    return failure();
  auto isKnown = [&](const std::string &machine) { return table.machines().count(machine) != 0; };
  if (named && !table.outdated() && llvm::none_of(*machines, isKnown)) {
    std::string others;
    for (const auto &[name, launches] : table.machines())
      others += (others.empty() ? "'" : "', '") + name;
    llvm::errs() << "vitc: warning: '" << path << "' holds schedules for " << (others.empty() ? "no machine" : others + "'")
                 << ", none for '" << llvm::join(*machines, "' or '") << "'; the defaults are used\n";
  }
  return success();
}
