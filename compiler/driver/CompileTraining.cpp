//===- CompileTraining.cpp - training programs beside inference -----------------------===//
//
// Part of the vitc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===--------------------------------------------------------------------------------------===//

#include "compiler/codegen/cpu/TrainingUpdate.h"
#include "compiler/codegen/gpu/GpuCodegen.h"
#include "compiler/driver/Compile.h"
#include "compiler/frontend/Import.h"
#include "compiler/model/Nearest.h"
#include "compiler/transforms/StateLayout.h"
#include "dialects/kernel/KernelDialect.h"

#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "llvm/ADT/StringSet.h"
#include "llvm/Support/GlobPattern.h"
#include "llvm/Support/MathExtras.h"

using namespace mlir;
using namespace vitc;

static constexpr std::pair<vitrt::OptimizerKind, llvm::StringLiteral> optimizers[] = {
    {vitrt::OptimizerKind::Sgd, "sgd"},
    {vitrt::OptimizerKind::Adam, "adam"},
    {vitrt::OptimizerKind::AdamW, "adamw"},
    {vitrt::OptimizerKind::LabmlAdam, "labml-adam"},
};

StringRef vitc::optimizerName(vitrt::OptimizerKind kind) {
  return llvm::find_if(optimizers, [&](const auto &entry) { return entry.first == kind; })->second;
}

std::optional<vitrt::OptimizerKind> vitc::parseOptimizer(StringRef name) {
  for (const auto &[kind, known] : optimizers)
    if (known == name)
      return kind;
  return std::nullopt;
}

/// The framework's name of the tensor that a source is a part of.
static StringRef frameworkName(const WeightNaming &naming, const Source &source) {
  return naming.schemes.front().tensors[source.views.front().tensor].names.front();
}

/// Marks the weights whose framework's names match one of the patterns. Fails, after an error, at a pattern that matches none.
static LogicalResult freeze(ModuleOp module, const ModelConfig &config, ArrayRef<std::string> patterns) {
  WeightNaming naming = describeWeights(config);
  llvm::StringSet<> frozen;
  for (const std::string &text : patterns) {
    llvm::Expected<llvm::GlobPattern> pattern = llvm::GlobPattern::create(text);
    if (!pattern)
      return module.emitError() << "--freeze=" << text << " is no pattern: " << toString(pattern.takeError());
    bool matched = false;
    std::vector<StringRef> names;
    for (const Source &source : naming.sources) {
      names.push_back(frameworkName(naming, source));
      if (!pattern->match(names.back()))
        continue;
      matched = true;
      frozen.insert(source.name);
    }
    if (!matched)
      return module.emitError() << "--freeze=" << text << " matches no weight of '" << config.name << "', the nearest is '"
                                << nearest(text, names, 1).front() << "'";
  }
  module.walk([&](vit::WeightOp weight) {
    if (frozen.contains(weight.getSource()))
      weight->setAttr("vit.frozen", UnitAttr::get(weight.getContext()));
  });
  return success();
}

OwningOpRef<ModuleOp> Compilation::importTraining() {
  if (std::string unsupported = unsupportedSwitches(config); !unsupported.empty()) {
    emitError(UnknownLoc::get(&context)) << unsupported;
    return {};
  }
  OwningOpRef<ModuleOp> module = importTrainingModel(context, config);
  if (module && failed(freeze(*module, config, options.training->freeze)))
    return {};
  return module;
}

/// Elements of a tensor of a scheme that follow what the sources take of it.
static int64_t elementsLeft(const WeightNaming &naming, size_t scheme, uint32_t tensor) {
  int64_t taken = 0;
  for (const Source &source : naming.sources)
    if (source.views[scheme].tensor == tensor)
      taken += llvm::product_of(source.shape);
  return llvm::product_of(naming.schemes[scheme].tensors[tensor].shape) - taken;
}

WeightNaming vitc::describeAllWeights(const ModelConfig &config) {
  WeightNaming naming = describeWeights(config);
  std::vector<Source> rests;
  for (const Source &source : naming.sources) {
    uint32_t whole = source.views.front().tensor;
    int64_t rest = elementsLeft(naming, 0, whole);
    if (rest <= 0 || llvm::any_of(rests, [&](const Source &known) { return known.views.front().tensor == whole; }))
      continue;
    // A framework that does not have the rest cannot bind what training has to keep.
    for (size_t scheme = naming.schemes.size(); --scheme > 0;)
      if (elementsLeft(naming, scheme, source.views[scheme].tensor) != rest) {
        naming.schemes.erase(naming.schemes.begin() + ptrdiff_t(scheme));
        for (std::vector<Source> *sources : {&naming.sources, &rests})
          for (Source &other : *sources)
            other.views.erase(other.views.begin() + ptrdiff_t(scheme));
      }
    Source kept;
    kept.name = "rest of " + source.name;
    kept.shape = {rest};
    for (size_t scheme = 0; scheme < naming.schemes.size(); ++scheme) {
      uint32_t tensor = source.views[scheme].tensor;
      kept.views.push_back({tensor, llvm::product_of(naming.schemes[scheme].tensors[tensor].shape) - rest, {1}});
    }
    rests.push_back(std::move(kept));
  }
  naming.sources.insert(naming.sources.end(), rests.begin(), rests.end());
  return naming;
}

/// Each weight's value before the first step, as a binding: the source as it is.
static void addParameterBindings(ModuleOp module, const WeightNaming &naming) {
  OpBuilder builder = OpBuilder::atBlockEnd(module.getBody());
  for (const Source &source : naming.sources) {
    auto type = RankedTensorType::get(source.shape, builder.getF32Type());
    auto binding = kernel::BindingOp::create(builder, module.getLoc(), "parameter:" + source.name,
                                             builder.getArrayAttr(FlatSymbolRefAttr::get(builder.getContext(), source.name)));
    Block &block = binding.getBody().emplaceBlock();
    Value value = block.addArgument(type, module.getLoc());
    OpBuilder nested = OpBuilder::atBlockEnd(&block);
    kernel::YieldOp::create(nested, module.getLoc(), value);
  }
}

FailureOr<OwningOpRef<ModuleOp>> Compilation::lowerTraining(StringRef target, Phase phase, Recompute recompute) {
  cpu::CpuTarget machine;
  if (failed(resolve(target, machine)))
    return failure();
  OwningOpRef<ModuleOp> module = importTraining();
  if (!module)
    return failure();
  PipelineOptions pipeline = pipelineOptions(target, machine);
  pipeline.recompute = recompute;
  PassManager passes(&context);
  if (options.configurePasses && failed(options.configurePasses(passes)))
    return failure();
  buildTrainingVitPipeline(passes, pipeline);
  if (phase != Phase::VitOpt)
    buildTrainingKernelPipeline(passes, pipeline);
  if (failed(passes.run(*module)))
    return failure();
  if (phase != Phase::VitOpt)
    addParameterBindings(*module, describeAllWeights(config));
  return module;
}

FailureOr<artifact::Training> Compilation::describeTraining(ModuleOp module, ModuleOp kernels, const cpu::CpuTarget &machine, bool device) {
  const TrainingOptions &training = *options.training;
  artifact::Training result;
  result.optimizer = optimizerName(training.optimizer).str();
  result.bf16Momentum = training.bf16Momentum;

  auto bytes = [](int64_t elements) { return static_cast<int64_t>(llvm::alignTo(elements * sizeof(float), 64)); };
  auto layout = [&](StringRef name) { return module->getAttrOfType<DictionaryAttr>(name); };
  llvm::StringSet<> trained;
  for (Attribute name : module->getAttrOfType<ArrayAttr>("kernel.trained"))
    trained.insert(cast<StringAttr>(name).getValue());
  DictionaryAttr parameters = layout("kernel.parameters");
  int64_t graphBytes = bytes(StateLayout::size(parameters)),
          end = std::max(graphBytes, bytes(StateLayout::size(layout("kernel.gradients"))));
  // Weights that take no part in the loss come last: they are only kept.
  for (const Source &source : describeAllWeights(config).sources) {
    std::optional<StateRange> range = StateLayout::lookup(parameters, source.name);
    int64_t offset = range ? range->first * static_cast<int64_t>(sizeof(float)) : end;
    if (!range) {
      int64_t elements = 1;
      for (int64_t size : source.shape)
        elements *= size;
      end += bytes(elements);
    }
    result.parameters.push_back({source.name, "parameter:" + source.name, offset, trained.contains(source.name)});
  }
  llvm::sort(result.parameters, [](const auto &a, const auto &b) { return a.offset < b.offset; });
  result.parameterBytes = end;
  result.gradientBytes = std::max(end, bytes(StateLayout::size(layout("kernel.gradients"))));
  result.derivedBytes = bytes(StateLayout::size(layout("kernel.derived")));

  auto add = [&](const auto &info) {
    if (succeeded(info))
      result.kernels.push_back(planKernel(*info));
    return LogicalResult(info);
  };
  auto addUpdate = [&](const cpu::UpdateSpec &spec, StringRef symbol) {
    return device ? add(gpu::emitUpdate(kernels, spec, symbol)) : add(cpu::emitUpdate(kernels, spec, symbol, machine));
  };
  bool isSgd = training.optimizer == vitrt::OptimizerKind::Sgd;
  for (bool average : {false, true})
    for (auto [momentum, nesterov] : {std::pair(true, false), std::pair(false, false), std::pair(true, true)}) {
      if (!isSgd && (nesterov || !momentum))
        continue;
      cpu::UpdateSpec spec{training.optimizer, momentum, nesterov, training.bf16Momentum && momentum, average, /*clearGradients=*/true};
      result.updates.push_back({static_cast<uint32_t>(result.kernels.size()), momentum, nesterov, average});
      if (failed(addUpdate(spec, "update_" + std::to_string(result.updates.size() - 1))))
        return failure();
    }
  result.squareSum = result.kernels.size();
  if (failed(device ? add(gpu::emitSquareSum(kernels, "square_sum")) : add(cpu::emitSquareSum(kernels, "square_sum", machine))))
    return failure();
  return result;
}
