//===- Trace.cpp - launches as a Chrome/Perfetto trace ----------------------------*- C++ -*-===//
//
// Part of the vitc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===--------------------------------------------------------------------------------------===//

#include "tools/vit-run/Trace.h"

#include <nlohmann/json.hpp>
#include <utility>

namespace vitrun {
namespace {

constexpr size_t flushBytes = 1 << 16;
constexpr unsigned phaseTrack = 0; // worker i has track i + 1

nlohmann::ordered_json threadName(unsigned track, const std::string &name) {
  return {{"name", "thread_name"}, {"ph", "M"}, {"pid", 1}, {"tid", track}, {"args", {{"name", name}}}};
}

} // namespace

vitrt::Expected<std::unique_ptr<Trace>> Trace::create(const std::string &path) {
  auto file = vitrt::OutputFile::create(path);
  if (!file)
    return std::move(file.error());
  std::unique_ptr<Trace> trace(new Trace(std::move(*file)));
  trace->add(threadName(phaseTrack, "vit-run").dump());
  return trace;
}

double Trace::microseconds(Clock::time_point time) const { return std::chrono::duration<double, std::micro>(time - origin).count(); }

void Trace::add(const std::string &event) {
  buffer += std::exchange(empty, false) ? "[\n" : ",\n";
  buffer += event;
  if (buffer.size() >= flushBytes)
    flush();
}

void Trace::flush() {
  if (!failure)
    failure = file.write(buffer.data(), buffer.size());
  buffer.clear();
}

void Trace::launched(const vitrt::LaunchEvent &event) {
  double start = microseconds(event.start), duration = microseconds(event.end) - start;
  uint64_t flop = event.launch.flopPerImage * uint64_t(event.images);
  nlohmann::ordered_json args = {{"first image", event.firstImage}, {"images", event.images}};
  const vitrt::fb::Kernel &kernel = *event.launch.kernelFor(event.images).kernel;
  if (const flatbuffers::String *schedule = kernel.schedule())
    args["schedule"] = schedule->str();
  if (event.split)
    args["workers"] = "all";
  if (flop && duration > 0)
    args["gflop/s"] = double(flop) / duration / 1e3;
  nlohmann::ordered_json json = {
      {"name", event.launch.name}, {"cat", kernel.kind()->str()}, {"ph", "X"}, {"ts", start}, {"dur", duration}, {"pid", 1},
      {"tid", event.worker + 1},   {"args", std::move(args)}};
  std::lock_guard lock(mutex);
  for (; namedWorkers <= event.worker; ++namedWorkers)
    add(threadName(namedWorkers + 1, fmt::format("worker {}", namedWorkers)).dump());
  add(json.dump());
}

void Trace::phase(const std::string &name, Clock::time_point start, Clock::time_point end) {
  double from = microseconds(start);
  nlohmann::ordered_json json = {{"name", name}, {"cat", "phase"},   {"ph", "X"}, {"ts", from}, {"dur", microseconds(end) - from},
                                 {"pid", 1},     {"tid", phaseTrack}};
  std::lock_guard lock(mutex);
  add(json.dump());
  flush();
}

vitrt::Error Trace::finish() {
  std::lock_guard lock(mutex);
  buffer += "\n]\n";
  flush();
  return failure ? std::move(failure) : file.commit();
}

} // namespace vitrun
