//===- vitc.cpp - compile a Vision Transformer into one file --------------------------===//
//
// Part of the vitc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===--------------------------------------------------------------------------------------===//

#include "compiler/artifact/OutputFile.h"
#include "compiler/driver/Calibrate.h"
#include "compiler/model/ConfigFields.h"
#include "compiler/model/ConfigJson.h"
#include "compiler/model/Presets.h"
#include "tools/support/Progress.h"
#include "tools/vitc/ListTargets.h"
#include "tools/vitc/Options.h"
#include "tools/vitc/Tuning.h"

#include "mlir/IR/AsmState.h"
#include "mlir/IR/Diagnostics.h"
#include "mlir/IR/MLIRContext.h"
#include "mlir/IR/Remarks.h"
#include "mlir/IR/Verifier.h"

#include "llvm/Support/FileSystem.h"
#include "llvm/Support/InitLLVM.h"
#include "llvm/Support/Signals.h"

#include <cmath>
#include <csignal>
#include <cstring>
#include <memory>
#include <optional>
#include <unistd.h>
#include <utility>

using namespace mlir;
using namespace vitc;
using namespace vitc::tool;

/// Errors and warnings as sentences of this tool; remarks with the layer that they are about.
static LogicalResult printDiagnostic(Diagnostic &diagnostic) {
  llvm::raw_ostream &os = llvm::errs();
  switch (diagnostic.getSeverity()) {
  case DiagnosticSeverity::Error:
    os << "vitc: error: ";
    break;
  case DiagnosticSeverity::Warning:
    os << "vitc: warning: ";
    break;
  case DiagnosticSeverity::Remark:
    os << "vitc: remark: ";
    break;
  case DiagnosticSeverity::Note:
    os << "vitc: note: ";
    break;
  }
  os << describe(diagnostic) << '\n';
  for (Diagnostic &note : diagnostic.getNotes())
    (void)printDiagnostic(note);
  return success();
}

/// Fails with a sentence printed.
static int fail(llvm::Error error) {
  handleAllErrors(std::move(error), [](const llvm::ErrorInfoBase &info) { reportError(info.message()); });
  return 1;
}

/// Finds the ranges that int8 wants in the images the user named.
static llvm::Error findRanges(MLIRContext &context, const ModelConfig &config, const artifact::WeightsFrom &weights, StringRef path,
                              Request &request) {
  if (request.calibration.empty())
    return llvm::Error::success();
  std::optional<Progress> bar;
  uint64_t reported = 0;
  llvm::Expected<CalibratedRanges> ranges =
      calibrate(context, config, request.compile, weights, request.calibration, path, [&](uint64_t done, uint64_t total) {
        if (!bar)
          bar.emplace("calibrating", total, "images");
        bar->advance(done - std::exchange(reported, done));
        if (done == total)
          bar->finish();
      });
  if (!ranges)
    return ranges.takeError();
  bool any = llvm::any_of(*ranges, [](const auto &entry) { return std::isfinite(entry.second.rowRange); });
  if (!any)
    return llvm::createStringError(request.calibration + ": no layer has numbers on these images; are there NaNs or infinities in them?");
  request.compile.ranges = std::move(*ranges);
  return llvm::Error::success();
}

/// Reports the binding of weights in megabytes once it takes longer than a second.
static artifact::Progress reportWeights() {
  auto bar = std::make_shared<std::optional<Progress>>();
  auto reported = std::make_shared<uint64_t>(0);
  return [=](uint64_t done, uint64_t total) {
    if (!*bar)
      bar->emplace("packing weights", total >> 20, "MB");
    (*bar)->advance((done >> 20) - *reported);
    *reported = done >> 20;
    if (done == total)
      (*bar)->finish();
  };
}

static int writeText(const Request &request, llvm::function_ref<LogicalResult(llvm::raw_ostream &)> print) {
  // Printed into memory first: an output appears only when it is whole.
  std::string text;
  llvm::raw_string_ostream os(text);
  if (failed(print(os)))
    return 1;
  llvm::sys::fs::file_status status;
  bool isFile = !request.output.empty() && request.output != "-" &&
                (llvm::sys::fs::status(request.output, status) || status.type() == llvm::sys::fs::file_type::regular_file);
  if (isFile && !text.empty()) {
    auto file = artifact::OutputFile::create(request.output, text.size());
    if (!file)
      return fail(file.takeError());
    std::memcpy((*file)->bytes().data(), text.data(), text.size());
    if (llvm::Error error = (*file)->commit())
      return fail(std::move(error));
    return 0;
  }
  // Pipes, devices and stdout have no whole to wait for.
  std::error_code error;
  StringRef path = request.output.empty() ? StringRef("-") : StringRef(request.output);
  llvm::raw_fd_ostream stream(path, error, llvm::sys::fs::OF_Text);
  if (!error) {
    stream << text;
    stream.flush();
    error = stream.error();
    stream.clear_error();
  }
  if (error) {
    reportError("cannot write '" + path + "': " + error.message());
    return 1;
  }
  return 0;
}

static int emitPhase(const Request &request, Compilation &compilation) {
  StringRef target = request.compile.targets.front();
  // Values are named after the layers that they hold.
  OpPrintingFlags flags;
  flags.printNameLocAsPrefix();
  return writeText(request, [&](llvm::raw_ostream &os) -> LogicalResult {
    switch (request.emit) {
    case Phase::Vit: {
      OwningOpRef<ModuleOp> module = request.compile.training ? compilation.importTraining() : compilation.import();
      if (!module || failed(verify(*module)))
        return failure();
      module->print(os, flags);
      return success();
    }
    case Phase::VitOpt:
    case Phase::Kernel: {
      FailureOr<OwningOpRef<ModuleOp>> module =
          request.compile.training
              ? compilation.lowerTraining(target, request.emit, request.compile.training->recompute.value_or(Recompute::Attention))
              : compilation.lower(target, request.emit);
      if (failed(module))
        return failure();
      (*module)->print(os, flags);
      return success();
    }
    case Phase::Plan:
      return compilation.printPlan(target, os);
    default:
      return compilation.printCode(target, request.emit, os);
    }
  });
}

/// Whether one of the `--set`s says how many classes the model has.
static bool setsClasses(llvm::ArrayRef<std::string> overrides) {
  return llvm::any_of(overrides, [](llvm::StringRef override) {
    const ConfigField *field = findConfigField(override.split('=').first);
    return field && field->key == "num_classes";
  });
}

/// Makes the model fit the weight file where that is a matter of resizing, and says what was done.
static llvm::Error adapt(const Request &request, ModelConfig &config, artifact::WeightsFrom &weights) {
  if (weights.path.empty())
    return llvm::Error::success();
  llvm::Expected<std::vector<FileShape>> shapes = artifact::readShapes(weights.path);
  if (!shapes)
    return shapes.takeError();
  Adaptation adaptation = adaptToWeights(config, *shapes, setsClasses(request.overrides));
  for (const std::string &note : adaptation.notes)
    llvm::errs() << "vitc: note: " << note << '\n';
  weights.fresh = std::move(adaptation.fresh);
  return validate(config);
}

static int compileModel(Request &request) {
  llvm::Expected<LoadedModel> loaded = resolveModel(request.model, request.overrides, request.preprocessor);
  if (!loaded)
    return fail(loaded.takeError());
  for (const std::string &warning : loaded->warnings)
    llvm::errs() << "vitc: warning: " << warning << '\n';
  if (request.emit == Phase::Config || request.action == Request::Action::PrintConfig)
    return writeText(request, [&](llvm::raw_ostream &os) { return os << printConfig(loaded->config), success(); });

  MLIRContext context;
  context.getDiagEngine().registerHandler(printDiagnostic);
  if (request.remarks &&
      failed(remark::enableOptimizationRemarks(context, nullptr, std::make_unique<remark::RemarkEmittingPolicyAll>(),
                                               remark::RemarkCategories{{}, ".*", ".*", ".*", ".*"}, /*printAsEmitRemarks=*/true)))
    return 1;
  artifact::WeightsFrom weights = request.weights;
  if (weights.external() && !request.externalWeights)
    weights.path = loaded->weightsPath;
  if (llvm::Error error = adapt(request, loaded->config, weights))
    return fail(std::move(error));
  if (weights.initial && weights.initial->kind == Initialization::Mimetic)
    if (std::string refused = refuseMimetic(loaded->config); !refused.empty()) {
      reportError(refused);
      return 2;
    }
  if (request.compile.images == ImageType::U8 && !loaded->config.preprocess.resizeRounding) {
    reportError("--images=u8: pictures of this model are resized to numbers between those of bytes (resize_rounding=false), which it has "
                "to be given");
    return 2;
  }
  std::string path = request.output.empty() ? loaded->config.name + ".vitx" : request.output;
  if (llvm::Error error = findRanges(context, loaded->config, weights, path, request))
    return fail(std::move(error));
  if (failed(settleTuning(context, loaded->config, request)))
    return 1;
  if (request.emit != Phase::Artifact) {
    Compilation compilation(context, loaded->config, request.compile);
    return emitPhase(request, compilation);
  }

  if (weights.external() && !request.externalWeights) {
    reportError("'" + request.model +
                "' comes without weights; give --weights=FILE, --init=timm to train them, --random-weights=SEED or --external-weights");
    return 2;
  }
  if (request.output == "-") {
    reportError("an artifact is not written to stdout; give -o FILE.vitx, or --emit=STAGE for text");
    return 2;
  }
  artifact::BindingNotes notes;
  if (llvm::Error error = compile(context, loaded->config, request.compile, weights, path, reportWeights(), notes))
    return fail(std::move(error));
  for (const std::string &note : notes.notes)
    llvm::errs() << "vitc: note: " << note << '\n';
  for (const std::string &warning : notes.warnings)
    llvm::errs() << "vitc: warning: " << warning << '\n';
  if (request.explainWeights)
    llvm::outs() << notes.explanation;
  return 0;
}

int main(int argc, char **argv) {
  llvm::InitLLVM init(argc, argv);
  // A file over the process's limit is an error of the write, not a crash.
  std::signal(SIGXFSZ, SIG_IGN);
  // Unfinished files are removed before this is called.
  llvm::sys::SetInterruptFunction([] {
    constexpr char message[] = "vitc: error: interrupted\n";
    (void)!write(STDERR_FILENO, message, sizeof(message) - 1);
    _exit(130);
  });
  int exitCode = 0;
  std::optional<Request> request = parseCommandLine(argc, argv, exitCode);
  if (!request)
    return exitCode;
  switch (request->action) {
  case Request::Action::ListModels:
    for (const std::string &name : listPresets(request->model))
      llvm::outs() << name << '\n';
    return 0;
  case Request::Action::ListTargets:
    listTargets(llvm::outs());
    return 0;
  case Request::Action::PrintConfig:
  case Request::Action::Compile:
    return compileModel(*request);
  }
}
