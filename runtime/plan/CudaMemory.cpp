//===- CudaMemory.cpp - what a GPU copies and keeps for a program -----------------------------===//
//
// Part of the vitc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===--------------------------------------------------------------------------------------===//

#include "runtime/plan/CudaMemory.h"

#include "runtime/artifact/FileFormat.h"

#include <fmt/format.h>

#include <algorithm>
#include <cstring>

using namespace vitrt;
using namespace vitrt::cuda;

namespace {

/// The most bytes of a piece of pinned memory for a transfer.
constexpr uint64_t kTransferPiece = 16 << 20;
/// What a thread copies at a time, and below which one is enough.
constexpr uint64_t kThreadPiece = 1 << 20;
/// Graphs that are kept; each is for another number of images.
constexpr size_t kMostGraphs = 32;

} // namespace

std::string vitrt::countImages(int64_t images) { return fmt::format("{} image{}", images, images == 1 ? "" : "s"); }

void vitrt::copyOnHost(ThreadPool &pool, std::byte *to, const std::byte *from, uint64_t bytes) {
  if (bytes <= kThreadPiece) {
    std::memcpy(to, from, bytes);
    return;
  }
  int64_t pieces = int64_t((bytes + kThreadPiece - 1) / kThreadPiece);
  pool.parallelFor(pieces, 1, [&](unsigned, int64_t begin, int64_t end) {
    uint64_t first = uint64_t(begin) * kThreadPiece, last = std::min(bytes, uint64_t(end) * kThreadPiece);
    std::memcpy(to + first, from + first, last - first);
  });
}

Expected<CudaTransfer> CudaTransfer::create(const Device &device, ThreadPool &pool, uint64_t most) {
  CudaTransfer transfer(device, pool);
  transfer.piece = std::clamp<uint64_t>(alignTo(most, kDeviceAlignment), kDeviceAlignment, kTransferPiece);
  Expected<PinnedMemory> pinned = PinnedMemory::allocate(device, 2 * transfer.piece, "copies");
  if (!pinned)
    return std::move(pinned.error());
  transfer.pinned = std::move(*pinned);
  for (Event &event : transfer.copied) {
    Expected<Event> created = Event::create(device);
    if (!created)
      return std::move(created.error());
    event = std::move(*created);
  }
  return transfer;
}

Error CudaTransfer::toDevice(api::DevicePointer to, std::span<const std::byte> from, Stream &stream) {
  for (uint64_t done = 0, turn = 0; done < from.size(); done += piece, ++turn) {
    const Event &event = copied[turn % 2];
    // The copy that read this piece last.
    if (turn >= 2)
      if (Error error = event.wait(*device))
        return error;
    std::span<std::byte> there = pinned.bytes().subspan(turn % 2 * piece, std::min(piece, from.size() - done));
    copyOnHost(*pool, there.data(), from.data() + done, there.size());
    if (Error error = stream.copyToDevice(to + done, there))
      return error;
    if (Error error = stream.record(event))
      return error;
  }
  return stream.wait();
}

Error CudaTransfer::toHost(std::span<std::byte> to, api::DevicePointer from, Stream &stream) {
  auto pieceOf = [&](uint64_t turn) { return pinned.bytes().subspan(turn % 2 * piece, std::min(piece, to.size() - turn * piece)); };
  const uint64_t pieces = (to.size() + piece - 1) / piece;
  for (uint64_t turn = 0; turn <= pieces; ++turn) {
    if (turn < pieces) {
      if (Error error = stream.copyToHost(pieceOf(turn), from + turn * piece))
        return error;
      if (Error error = stream.record(copied[turn % 2]))
        return error;
    }
    if (turn > 0) {
      if (Error error = copied[(turn - 1) % 2].wait(*device))
        return error;
      std::span<std::byte> there = pieceOf(turn - 1);
      copyOnHost(*pool, to.data() + (turn - 1) * piece, there.data(), there.size());
    }
  }
  return Error::success();
}

Expected<CudaWeights> CudaWeights::allocate(const Model &model, std::span<const Program *const> programs) {
  uint64_t first = UINT64_MAX, end = 0;
  for (const Program *program : programs)
    for (const Buffer &buffer : program->buffers)
      if (buffer.kind == fb::BufferKind::Weight) {
        first = std::min(first, buffer.weightOffset);
        end = std::max(end, buffer.weightOffset + buffer.weightBytes);
      }
  CudaWeights weights;
  if (end == 0)
    return weights;
  Expected<DeviceMemory> allocated = DeviceMemory::allocate(*model.gpu(), end - first, "the weights");
  if (!allocated)
    return std::move(allocated.error());
  weights.first = first;
  weights.memory = std::move(*allocated);
  return weights;
}

Error CudaWeights::upload(const Model &model, ThreadPool &pool, Stream &stream) const {
  if (bytes() == 0)
    return Error::success();
  Expected<CudaTransfer> transfer = CudaTransfer::create(*model.gpu(), pool, bytes());
  if (!transfer)
    return std::move(transfer.error());
  return transfer->toDevice(memory.begin(), {model.weights() + first, bytes()}, stream);
}

Error CudaGraphs::run(int64_t key, Stream &stream, const std::function<Error()> &start) {
  if (graphs.size() >= kMostGraphs && !graphs.contains(key)) {
    if (Error error = stream.wait())
      return error;
    graphs.clear();
  }
  auto [entry, isNew] = graphs.try_emplace(key);
  Graph &graph = entry->second;
  // The driver may load a kernel when it is launched for the first time, which is not to happen while a graph is recorded; and a number of
  // images that never comes again wants none.
  if (isNew)
    return start();
  if (!graph) {
    Expected<Graph> recorded = stream.capture(start);
    if (!recorded)
      return std::move(recorded.error());
    graph = std::move(*recorded);
  }
  return stream.launch(graph);
}
