//===- ScheduleTable.cpp - schedules that were found by measuring -------------*- C++ -*-===//
//
// Part of the vitc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===--------------------------------------------------------------------------------------===//

#include "compiler/transforms/ScheduleTable.h"
#include "dialects/kernel/KernelDialect.h"

#include "mlir/AsmParser/AsmParser.h"
#include "mlir/IR/Diagnostics.h"
#include "mlir/IR/IRMapping.h"

#include "llvm/ADT/SetVector.h"
#include "llvm/ADT/SmallVectorExtras.h"
#include "llvm/ADT/StringExtras.h"
#include "llvm/Support/JSON.h"
#include "llvm/Support/MemoryBuffer.h"

#include <cmath>

using namespace mlir;
using namespace vitc;

namespace json = llvm::json;

/// Raised when the file's shape changes.
static constexpr int64_t formatVersion = 1;
/// Raised when the kernels change so much that what was measured with older ones no longer tells the best schedule.
static constexpr int64_t kernelVersion = 1;

static constexpr llvm::StringLiteral formatKey = "vitc_schedules", kernelKey = "kernels", machinesKey = "machines",
                                     scheduleKey = "schedule", gainKey = "gain";

static llvm::Error wrong(StringRef path, const Twine &what) {
  return llvm::createStringError("'" + path + "' is not a table of schedules as vitc --tune writes it: " + what);
}

llvm::Expected<ScheduleTable> ScheduleTable::read(StringRef path) {
  llvm::ErrorOr<std::unique_ptr<llvm::MemoryBuffer>> file = llvm::MemoryBuffer::getFile(path);
  if (!file)
    return llvm::createStringError("cannot read schedules from '" + path + "': " + file.getError().message());
  llvm::Expected<json::Value> value = json::parse((*file)->getBuffer());
  if (!value)
    return wrong(path, toString(value.takeError()));
  json::Object *root = value->getAsObject();
  std::optional<int64_t> format = root ? root->getInteger(formatKey) : std::nullopt;
  if (!format)
    return wrong(path, "it has no \"" + formatKey + "\"");
  if (*format != formatVersion)
    return wrong(path, "its format is " + Twine(*format) + ", expected " + Twine(formatVersion));
  const json::Object *machines = root->getObject(machinesKey);
  if (!machines)
    return wrong(path, "it has no \"" + machinesKey + "\"");
  bool current = root->getInteger(kernelKey) == kernelVersion;
  ScheduleTable table;
  for (const auto &[machine, launches] : *machines) {
    if (!launches.getAsObject())
      return wrong(path, "\"" + machine.str() + "\" is no object of launches");
    for (const auto &[launch, entry] : *launches.getAsObject()) {
      const json::Object *fields = entry.getAsObject();
      std::optional<StringRef> schedule = fields ? fields->getString(scheduleKey) : std::nullopt;
      if (!schedule)
        return wrong(path, "\"" + launch.str() + "\" has no \"" + scheduleKey + "\"");
      if (current)
        table.set(machine, launch, {schedule->str(), fields->getNumber(gainKey).value_or(1)});
      else
        ++table.outdatedEntries;
    }
  }
  return table;
}

std::string ScheduleTable::print() const {
  std::string text;
  llvm::raw_string_ostream stream(text);
  json::OStream out(stream, /*IndentSize=*/1);
  out.object([&] {
    out.attribute(formatKey, formatVersion);
    out.attribute(kernelKey, kernelVersion);
    out.attributeObject(machinesKey, [&] {
      for (const auto &[machine, launches] : launchesOf)
        out.attributeObject(machine, [&] {
          for (const auto &[launch, entry] : launches)
            out.attributeObject(launch, [&] {
              out.attribute(scheduleKey, entry.schedule);
              out.attribute(gainKey, std::round(entry.gain * 1000) / 1000);
            });
        });
    });
  });
  return text + "\n";
}

const ScheduleTable::Entry *ScheduleTable::find(StringRef machine, StringRef launch) const {
  auto launches = launchesOf.find(machine.str());
  if (launches == launchesOf.end())
    return nullptr;
  auto entry = launches->second.find(launch.str());
  return entry == launches->second.end() ? nullptr : &entry->second;
}

void ScheduleTable::set(StringRef machine, StringRef launch, Entry entry) { launchesOf[machine.str()][launch.str()] = std::move(entry); }

void ScheduleTable::merge(const ScheduleTable &other) {
  for (const auto &[machine, launches] : other.launchesOf)
    for (const auto &[launch, entry] : launches)
      set(machine, launch, entry);
}

OwningOpRef<func::FuncOp> vitc::isolate(Operation *launch) {
  OpBuilder builder(launch->getContext());
  llvm::SetVector<Value> operands(launch->operand_begin(), launch->operand_end());
  auto type = builder.getFunctionType(llvm::map_to_vector(operands, [](Value value) { return value.getType(); }), {});
  auto function = func::FuncOp::create(builder, launch->getLoc(), "launch", type);
  builder.setInsertionPointToStart(function.addEntryBlock());
  IRMapping arguments;
  for (auto [operand, argument] : llvm::zip(operands, function.getArguments()))
    arguments.map(operand, argument);
  builder.clone(*launch, arguments);
  func::ReturnOp::create(builder, launch->getLoc());
  return function;
}

std::string vitc::launchName(Operation *launch) {
  OwningOpRef<func::FuncOp> alone = isolate(launch);
  Operation &copy = alone->getBody().front().front();
  // Where bytes lie is as little a matter of time as what the weights are.
  for (StringRef grid : {"input_grid", "result_grid"})
    copy.removeAttr(grid);
  std::string text;
  llvm::raw_string_ostream stream(text);
  copy.print(stream, OpPrintingFlags().useLocalScope().assumeVerified());
  return StringRef(text).split(" = ").second.str();
}

/// More than any machine's vector registers.
static constexpr int64_t mostAccumulators = 64;

/// What keeps a tile out of any register file or cache; empty if nothing does.
static std::string whyTooLarge(kernel::GemmScheduleAttr schedule) {
  if (schedule.getRows() > mostAccumulators || schedule.getColumns() / schedule.getVector() > mostAccumulators / schedule.getRows())
    return "its tile of " + std::to_string(schedule.getRows()) + "x" + std::to_string(schedule.getColumns()) + " fits no register file";
  constexpr int64_t most = 1 << 16;
  if (schedule.getKBlock() > most)
    return "its block of K is larger than any cache";
  return schedule.getRowBlock() > most ? "its row block is larger than any cache" : "";
}

LogicalResult vitc::reschedule(Operation *launch, Attribute schedule, std::string &why) {
  constexpr llvm::StringLiteral name = "schedule";
  Attribute now = launch->getAttr(name);
  if (!now || now.getTypeID() != schedule.getTypeID()) {
    why = "it is of another kind than the launch's";
    return failure();
  }
  // All kinds name the lanes of a register; they belong to the machine.
  auto lanes = [](Attribute attribute) {
    std::string text;
    llvm::raw_string_ostream(text) << attribute;
    StringRef rest = StringRef(text).split("vector = ").second;
    return rest.take_while([](char c) { return llvm::isDigit(c); }).str();
  };
  if (lanes(now) != lanes(schedule)) {
    why = "it is for vectors of " + lanes(schedule) + " lanes, expected " + lanes(now);
    return failure();
  }
  if (auto attention = dyn_cast<kernel::AttentionScheduleAttr>(schedule); attention && attention.getRows() > mostAccumulators) {
    why = "its " + std::to_string(attention.getRows()) + " rows fit no register file";
    return failure();
  }
  if (auto product = dyn_cast<kernel::GemmScheduleAttr>(schedule)) {
    why = whyTooLarge(product);
    if (!why.empty())
      return failure();
    for (OpOperand &operand : launch->getOpOperands())
      if (auto pack = operand.get().getDefiningOp<kernel::PackOp>()) {
        auto plain = cast<RankedTensorType>(pack.getWeight().getType());
        Type element = plain.getElementType();
        auto packed = RankedTensorType::get(kernel::packedShape(plain.getDimSize(0), plain.getDimSize(1), product, element), element);
        OpBuilder builder(launch);
        operand.set(kernel::PackOp::create(builder, pack.getLoc(), packed, pack.getWeight()));
        if (pack->use_empty())
          pack->erase();
      }
  }
  launch->setAttr(name, schedule);
  return success();
}

LogicalResult vitc::reschedule(Operation *launch, StringRef text, std::string &why) {
  Attribute schedule;
  {
    ScopedDiagnosticHandler quiet(launch->getContext(), [&](Diagnostic &diagnostic) {
      why = diagnostic.str();
      return success();
    });
    schedule = parseAttribute(text, launch->getContext());
  }
  return schedule ? reschedule(launch, schedule, why) : failure();
}
