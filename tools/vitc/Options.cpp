//===- Options.cpp - the command line of vitc -----------------------------------------===//
//
// Part of the vitc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===--------------------------------------------------------------------------------------===//

#include "tools/vitc/Options.h"
#include "compiler/codegen/gpu/Ptxas.h"

#include "mlir/IR/AsmState.h"
#include "mlir/Pass/PassManager.h"
#include "mlir/Support/Timing.h"

#include "llvm/ADT/StringExtras.h"
#include "llvm/ADT/StringSwitch.h"
#include "llvm/Support/CommandLine.h"
#include "llvm/Support/FileSystem.h"
#include "llvm/Support/Path.h"
#include "llvm/Support/WithColor.h"
#include "llvm/Support/raw_ostream.h"

namespace cl = llvm::cl;
using namespace vitc;
using namespace vitc::tool;

static cl::OptionCategory modelOptions("Model");
static cl::OptionCategory targetOptions("Target");
static cl::OptionCategory trainingOptions("Training");
static cl::OptionCategory outputOptions("Output");

static cl::opt<std::string> model(cl::Positional, cl::desc("MODEL"), cl::cat(modelOptions));
static cl::list<std::string> overrides("set", cl::desc("Override a config field; repeatable"), cl::value_desc("KEY=VALUE"),
                                       cl::cat(modelOptions));
static cl::opt<std::string> weights("weights", cl::desc("Weights: .safetensors, .pth, .bin, .npz or a folder"), cl::value_desc("FILE"),
                                    cl::cat(modelOptions));
static cl::opt<std::string> randomWeights("random-weights", cl::desc("Weights as a function of the tensors' names"), cl::value_desc("SEED"),
                                          cl::cat(modelOptions));
static cl::opt<std::string> initialization("init",
                                           cl::desc("Weights for training from scratch: timm (as timm begins) or mimetic (attention that\n"
                                                    "begins near the token itself, for small data sets)"),
                                           cl::value_desc("HOW"), cl::cat(modelOptions));
static cl::opt<std::string> initializationSeed("init-seed", cl::desc("Seed of --init (default: 0)"), cl::value_desc("SEED"), cl::init("0"),
                                               cl::cat(modelOptions));
static cl::opt<bool> externalWeights("external-weights", cl::desc("Leave the weights out; they are bound at load"), cl::cat(modelOptions));
static cl::opt<bool> explainWeights("explain-weights", cl::desc("Print which tensor went where"), cl::cat(modelOptions));
static cl::opt<std::string> preprocessor("preprocessor",
                                         cl::desc("A Hugging Face preprocessor_config.json instead of the model's preprocessing"),
                                         cl::value_desc("FILE"), cl::cat(modelOptions));
static cl::opt<bool> listModels("list-models", cl::desc("List presets; MODEL is a filter, with a dot for names with a tag"),
                                cl::cat(modelOptions));
static cl::opt<bool> printConfigOption("print-config", cl::desc("Print the complete config of MODEL"), cl::cat(modelOptions));

static cl::list<std::string>
    take("take",
         cl::desc("What the program returns: logits, features, tokens, block.N, attention.N; several are outputs by "
                  "these names (default: what the model's own class returns)"),
         cl::value_desc("NAME,..."), cl::CommaSeparated, cl::cat(modelOptions));

static cl::list<std::string> targets("target", cl::desc("cpu (default), cuda, emulator, reference; several go into one file"),
                                     cl::value_desc("NAME,..."), cl::CommaSeparated, cl::cat(targetOptions));
static cl::opt<std::string> targetCpu("target-cpu", cl::desc("CPU to compile for (default: host)"), cl::value_desc("NAME"),
                                      cl::init("host"), cl::cat(targetOptions));
static cl::opt<std::string> targetFeatures("target-features", cl::desc("Features to add and remove"), cl::value_desc("+a,-b"),
                                           cl::cat(targetOptions));
static cl::opt<std::string> targetTriple("target-triple", cl::desc("Machine to compile for (default: this one)"), cl::value_desc("TRIPLE"),
                                         cl::cat(targetOptions));
static cl::list<std::string> gpuArchitectures("gpu-arch",
                                              cl::desc("GPUs that cuda is compiled for, sm_80 and sm_90a (default: both); emulator and\n"
                                                       "--emit=ptx take the first one (default: sm_80)"),
                                              cl::value_desc("ARCH,..."), cl::CommaSeparated, cl::cat(targetOptions));
static cl::opt<std::string>
    ptxas("ptxas",
          cl::desc("Program that makes machine code for GPUs, or none (default: that of a CUDA toolkit if there is\n"
                   "one; without it the GPU's driver compiles the file's PTX when the file is opened)"),
          cl::value_desc("FILE"), cl::cat(targetOptions));
static cl::opt<std::string> calibration("calibration",
                                        cl::desc("Images that int8 takes ranges from; otherwise rows are quantized as they come"),
                                        cl::value_desc("FOLDER-OR-NPY"), cl::cat(targetOptions));
static cl::opt<std::string>
    precision("precision", cl::desc("Number type of the products: f32 (default), bf16, int8 (cpu), or f16 and\ntf32 (emulator and cuda)"),
              cl::value_desc("P"), cl::init("f32"), cl::cat(targetOptions));
static cl::opt<bool> listTargets("list-targets", cl::desc("List the targets"), cl::cat(targetOptions));
static cl::opt<std::string>
    optLevel("O",
             cl::desc("Optimization level: 0 compiles each operation as it is, 1 fuses, 2 (default) also combines weights and leaves out\n"
                      "what no result needs, 3 adds LLVM's -O3"),
             cl::Prefix, cl::init("2"), cl::cat(targetOptions));

static cl::opt<std::string>
    imageType("images", cl::desc("What the program takes: f32 (default), normalised [C, H, W], or u8, pixels [H, W, C] as decoded"),
              cl::value_desc("TYPE"), cl::init("f32"), cl::cat(modelOptions));
static cl::opt<bool> train("train", cl::desc("Compile the training program beside inference"), cl::cat(trainingOptions));
static cl::opt<std::string> optimizer("optimizer", cl::desc("sgd, adam, adamw (default) or labml-adam"), cl::value_desc("NAME"),
                                      cl::init("adamw"), cl::cat(trainingOptions));
static cl::opt<std::string> momentumType("momentum-dtype", cl::desc("How sgd's momentum rests: f32 (default) or bf16, as in Flax"),
                                         cl::value_desc("TYPE"), cl::init("f32"), cl::cat(trainingOptions));
static cl::list<std::string> freezePatterns("freeze", cl::desc("Weights that stay as they are, by the framework's names; repeatable"),
                                            cl::value_desc("PATTERN"), cl::cat(trainingOptions));

static cl::opt<std::string>
    recompute("recompute",
              cl::desc("Activations computed again instead of kept: none, attention, block, auto (default: attention,\n"
                       "or block if --memory-limit asks for it)"),
              cl::value_desc("WHAT"), cl::init("auto"), cl::cat(trainingOptions));
static cl::opt<std::string> memoryLimit("memory-limit", cl::desc("What a training run may take on one thread, as 300M or 1G bytes"),
                                        cl::value_desc("BYTES"), cl::cat(trainingOptions));

static cl::opt<bool> tuneOption("tune", cl::desc("Measure schedules on this machine and keep the best ones in the tuning cache"),
                                cl::cat(targetOptions));
static cl::opt<std::string> tuneDevice("device",
                                       cl::desc("Where --tune measures: cpu (default), cuda, or cuda:N (the N-th NVIDIA GPU, from 0)"),
                                       cl::value_desc("NAME"), cl::init("cpu"), cl::cat(targetOptions));
static cl::opt<std::string> tuningCache("tuning-cache",
                                        cl::desc("File of measured schedules (default: vitc/schedules.json in the user's cache folder)"),
                                        cl::value_desc("FILE"), cl::cat(targetOptions));

static cl::opt<std::string> output("o", cl::desc("Output file; - is stdout for text"), cl::value_desc("FILE"), cl::cat(outputOptions));
static cl::opt<std::string> emit("emit",
                                 cl::desc("Stop after a stage and print it: config, vit, vit-opt, kernel, plan, llvm, asm, ptx, artifact"),
                                 cl::value_desc("STAGE"), cl::init("artifact"), cl::cat(outputOptions));
static cl::opt<bool> remarks("remarks", cl::desc("Print each fusion, done or missed and why"), cl::cat(outputOptions));

static constexpr llvm::StringLiteral overview =
    "vitc: compile a Vision Transformer into one file\n\n"
    "  MODEL is a preset's name, a config file (.json) or a folder of transformers, timm or OpenCLIP.\n\n"
    "EXAMPLE: vitc vit_tiny_patch16_224 --weights=model.safetensors -o tiny.vitx\n";

void tool::reportError(const llvm::Twine &text) { llvm::errs() << "vitc: error: " << text << '\n'; }

/// A number of bytes, with K, M or G for powers of 1024; nothing if it is none.
static std::optional<uint64_t> parseBytes(llvm::StringRef text) {
  uint64_t unit = 1, bytes;
  for (auto [suffix, size] : {std::pair("K", uint64_t(1) << 10), {"M", uint64_t(1) << 20}, {"G", uint64_t(1) << 30}})
    if (text.consume_back(suffix))
      unit = size;
  if (text.getAsInteger(10, bytes) || bytes == 0 || bytes > UINT64_MAX / unit)
    return std::nullopt;
  return bytes * unit;
}

/// The options of training into the request; what is wrong with them as in readValues.
static std::string readTraining(Request &request) {
  if (!train) {
    auto given = [](const cl::Option &option) { return option.getNumOccurrences() > 0; };
    for (auto [isGiven, name] : {std::pair(given(optimizer), "optimizer"),
                                 {given(momentumType), "momentum-dtype"},
                                 {given(freezePatterns), "freeze"},
                                 {given(recompute), "recompute"},
                                 {given(memoryLimit), "memory-limit"}})
      if (isGiven)
        return std::string("--") + name + " says how training is compiled, which needs --train";
    return "";
  }
  TrainingOptions training;
  std::optional<vitrt::OptimizerKind> kind = parseOptimizer(optimizer);
  if (!kind)
    return "--optimizer=" + optimizer + " is not an optimizer of this version; there are sgd, adam, adamw and labml-adam";
  training.optimizer = *kind;
  if (momentumType != "f32" && momentumType != "bf16")
    return "--momentum-dtype=" + momentumType + " is no type that a momentum can have; there are f32 and bf16";
  training.bf16Momentum = momentumType == "bf16";
  if (training.bf16Momentum && *kind != vitrt::OptimizerKind::Sgd)
    return "--momentum-dtype=bf16 is of sgd alone, but --optimizer is " + optimizer;
  training.freeze = freezePatterns;
  using Choice = std::optional<std::optional<Recompute>>;
  Choice chosen = llvm::StringSwitch<Choice>(recompute)
                      .Case("none", std::optional(Recompute::None))
                      .Case("attention", std::optional(Recompute::Attention))
                      .Case("block", std::optional(Recompute::Block))
                      .Case("auto", std::optional<Recompute>())
                      .Default(std::nullopt);
  if (!chosen)
    return "--recompute=" + recompute + " is nothing that can be computed again; there are none, attention, block and auto";
  training.recompute = *chosen;
  if (!memoryLimit.empty()) {
    std::optional<uint64_t> bytes = parseBytes(memoryLimit);
    if (!bytes)
      return "--memory-limit=" + memoryLimit + " is no number of bytes; give one as 300M or 1G";
    training.memoryLimit = *bytes;
  }
  if (request.compile.precision == Precision::Int8)
    return "--precision=int8 has no products of gradients, which --train needs; there are f32 and bf16";
  if (request.compile.images == ImageType::U8)
    return "--images=u8 is for inference, and --train evaluates images that it has normalised; compile two files";
  if (!take.empty())
    return "--take chooses what inference returns, and --train evaluates its class scores; compile two files";
  request.compile.training = std::move(training);
  return "";
}

/// Where the weights come from; what is wrong with that as in readValues.
static std::string readWeights(artifact::WeightsFrom &from) {
  if (int(!weights.empty()) + int(!randomWeights.empty()) + int(!initialization.empty()) + int(externalWeights) > 1)
    return "--weights, --random-weights, --init and --external-weights exclude each other";
  from.path = weights;
  uint64_t seed;
  if (!randomWeights.empty()) {
    if (llvm::StringRef(randomWeights).getAsInteger(10, seed))
      return "--random-weights=" + randomWeights + " is no seed; a seed is a number from 0 on";
    from.randomSeed = seed;
  }
  if (initialization.empty())
    return initializationSeed.getNumOccurrences() ? "--init-seed is the seed of --init, which is not given" : "";
  if (llvm::StringRef(initializationSeed).getAsInteger(10, seed))
    return "--init-seed=" + initializationSeed + " is no seed; a seed is a number from 0 on";
  auto kind = llvm::StringSwitch<std::optional<Initialization>>(initialization)
                  .Case("timm", Initialization::Timm)
                  .Case("mimetic", Initialization::Mimetic)
                  .Default(std::nullopt);
  if (!kind)
    return "--init=" + initialization + " is no initialization of this version; there are timm and mimetic";
  from.initial = InitialWeights{*kind, seed};
  return "";
}

/// Where and whether schedules are measured into the request, whose targets are there; what is wrong as in readValues.
static std::string readTuning(Request &request) {
  request.tune = tuneOption;
  if (!tuneOption)
    return tuneDevice.getNumOccurrences() ? "--device=" + tuneDevice + " says where --tune measures, which is not asked for" : "";
  std::vector<std::string> &targetNames = request.compile.targets;
  if (tuneDevice == "cpu") {
    if (!llvm::is_contained(targetNames, "cpu"))
      return "--tune measures kernels on the cpu, which is none of the targets; with --device=cuda it measures a GPU's";
    return "";
  }
  llvm::StringRef name = tuneDevice;
  int ordinal = 0;
  if (!name.consume_front("cuda") || (!name.empty() && (!name.consume_front(":") || name.getAsInteger(10, ordinal) || ordinal < 0)))
    return "--device=" + tuneDevice + " is no device that --tune measures on; there are cpu, cuda and cuda:N";
  request.tuneGpu = ordinal;
  if (targets.empty())
    targetNames = {"cuda"};
  if (!llvm::is_contained(targetNames, "cuda"))
    return "--tune --device=" + tuneDevice + " measures kernels of the target cuda, which is none of " + llvm::join(targetNames, ",");
  return "";
}

/// The options of GPUs into the request; what is wrong with them as in readValues.
static std::string readGpus(Request &request) {
  std::vector<gpu::DeviceTarget> &gpus = request.compile.gpus;
  std::vector<std::string> names = gpuArchitectures;
  if (names.empty())
    names = {"sm_80", "sm_90a"};
  gpus.clear();
  for (const std::string &name : names) {
    std::optional<gpu::DeviceTarget> device = gpu::parseArchitecture(name);
    if (!device)
      return "--gpu-arch=" + name + " is no architecture that there are kernels for; there are sm_80, which newer GPUs run too, and sm_90a";
    if (llvm::any_of(gpus, [&](const gpu::DeviceTarget &other) { return other.architecture == device->architecture; }))
      return "--gpu-arch names " + name + " twice";
    gpus.push_back(*device);
  }
  if (ptxas != "none" && !ptxas.empty() && !llvm::sys::fs::can_execute(ptxas))
    return "--ptxas=" + ptxas + " is no program; give its path, or none";
  request.compile.ptxas = ptxas.empty() ? gpu::findPtxas() : ptxas == "none" ? "" : ptxas.getValue();
  if (llvm::SmallString<128> folder; llvm::sys::path::cache_directory(folder)) {
    llvm::sys::path::append(folder, "vitc", "cubin");
    request.compile.cubinCache = folder.str();
  }
  return "";
}

/// What is wrong with the values, in one sentence; empty if nothing is.
static std::string readValues(Request &request) {
  if (optLevel.size() != 1 || optLevel[0] < '0' || optLevel[0] > '3')
    return "-O" + optLevel + " is no optimization level; there are -O0, -O1, -O2 and -O3";
  request.compile.optLevel = optLevel[0] - '0';
  std::optional<Phase> phase = parsePhase(emit);
  if (!phase)
    return "--emit=" + emit + " is no stage; there are config, vit, vit-opt, kernel, plan, llvm, asm, ptx and artifact";
  request.emit = *phase;
  auto wanted = llvm::StringSwitch<std::optional<Precision>>(precision)
                    .Case("f32", Precision::F32)
                    .Case("bf16", Precision::Bf16)
                    .Case("f16", Precision::F16)
                    .Case("tf32", Precision::Tf32)
                    .Case("int8", Precision::Int8)
                    .Default(std::nullopt);
  if (!wanted)
    return "--precision=" + precision + " is not a precision of this version; there are f32, bf16, f16, tf32 and int8";
  request.compile.precision = *wanted;
  if (!calibration.empty() && *wanted != Precision::Int8)
    return "--calibration=" + calibration + " finds ranges for int8, but --precision is " + precision;
  request.calibration = calibration;
  if (imageType != "f32" && imageType != "u8")
    return "--images=" + imageType + " is nothing that a program takes; there are f32 and u8";
  request.compile.images = imageType == "u8" ? ImageType::U8 : ImageType::F32;
  if (!targets.empty())
    request.compile.targets = targets;
  if (std::string wrong = readTuning(request); !wrong.empty())
    return wrong;
  if (!calibration.empty() && !llvm::is_contained(request.compile.targets, "cpu"))
    return "--calibration=" + calibration + " finds ranges for int8 on the cpu, which is none of the targets";
  for (const std::string &target : request.compile.targets)
    if (target != "cpu" && target != "reference" && target != "emulator" && target != "cuda")
      return "--target=" + target + " is not a target of this version; there are cpu, reference, emulator and cuda";
  const bool ofGpus = *wanted == Precision::F16 || *wanted == Precision::Tf32;
  if (ofGpus && llvm::is_contained(request.compile.targets, "cpu"))
    return "--precision=" + precision +
           " is for a GPU's tensor cores, --target=emulator and cuda; --target=cpu multiplies f32, bf16 and int8, and wants a file of its "
           "own";
  if (ofGpus && train)
    return "--precision=" + precision + " has no products of gradients, which --train needs; there are f32 and bf16";
  for (std::string target : {"emulator", "cuda"})
    if (llvm::is_contained(request.compile.targets, target)) {
      if (request.compile.precision == Precision::Int8)
        return "--target=" + target + " multiplies f32, bf16, f16 and tf32; --precision=int8 is for the cpu";
    }
  if (std::string wrong = readGpus(request); !wrong.empty())
    return wrong;
  const bool cuda = llvm::is_contained(request.compile.targets, "cuda");
  if (cuda && (request.emit == Phase::Llvm || request.emit == Phase::Asm))
    return "--emit=" + emit + " prints code of a CPU, and --target=cuda has none for its kernels; --emit=ptx prints theirs";
  if (!cuda && request.emit == Phase::Ptx)
    return "--emit=ptx prints a GPU's kernels, which need --target=cuda";
  if (request.emit != Phase::Artifact && request.emit != Phase::Config && request.compile.targets.size() > 1)
    return "--emit prints one target; --target=" + llvm::join(request.compile.targets, ",") + " names several";
  if (std::string wrong = readWeights(request.weights); !wrong.empty())
    return wrong;
  return readTraining(request);
}

std::optional<Request> tool::parseCommandLine(int argc, char **argv, int &exitCode) {
  mlir::registerAsmPrinterCLOptions();
  mlir::registerMLIRContextCLOptions();
  mlir::registerPassManagerCLOptions();
  mlir::registerDefaultTimingManagerCLOptions();
  cl::HideUnrelatedOptions({&modelOptions, &targetOptions, &trainingOptions, &outputOptions});

  cl::SetVersionPrinter([](llvm::raw_ostream &os) { os << "vitc " VITC_VERSION << '\n'; });
  // LLVM's parser exits with 1 on a bad usage; the convention here is 2 and the word "error".
  std::string complaint;
  llvm::raw_string_ostream complaints(complaint);
  bool parsed = cl::ParseCommandLineOptions(argc, argv, overview, &complaints);
  exitCode = 2;
  if (!parsed) {
    llvm::StringRef text(complaint);
    for (llvm::StringRef program : {llvm::StringRef(argv[0]), llvm::sys::path::filename(argv[0])})
      if (text.consume_front(program))
        text.consume_front(": ");
    reportError(text.trim());
    return std::nullopt;
  }
  Request request;
  request.model = model;
  if (listTargets)
    request.action = Request::Action::ListTargets;
  else if (listModels)
    request.action = Request::Action::ListModels;
  else if (printConfigOption)
    request.action = Request::Action::PrintConfig;
  request.overrides = overrides;
  request.preprocessor = preprocessor;
  request.externalWeights = externalWeights;
  request.explainWeights = explainWeights;
  request.remarks = remarks;
  request.output = output;
  request.compile.tuningCache = tuningCache;
  request.compile.take = take;
  request.compile.triple = targetTriple;
  request.compile.cpu = targetCpu;
  request.compile.features = targetFeatures;
  request.compile.configurePasses = [](mlir::PassManager &passes) { return mlir::applyPassManagerCLOptions(passes); };
  if (std::string wrong = readValues(request); !wrong.empty()) {
    reportError(wrong);
    return std::nullopt;
  }
  bool needsModel = request.action == Request::Action::Compile || request.action == Request::Action::PrintConfig;
  if (needsModel && request.model.empty()) {
    reportError("no model was given; name a preset, a config file or a model's folder, as in 'vitc vit_tiny_patch16_224 -o tiny.vitx'");
    return std::nullopt;
  }
  return request;
}
