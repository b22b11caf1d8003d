//===- Streams.cpp - queues of work that nobody has waited for ----------------------------===//
//
// Part of the vitc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===--------------------------------------------------------------------------------------===//

#include "test/support/fake_cuda/Streams.h"

#include <algorithm>

using namespace fakecuda;

Stream *Streams::create() { return streams.emplace_back(std::make_unique<Stream>()).get(); }

void Streams::destroy(Stream *stream) {
  finish(*stream);
  std::erase_if(streams, [&](const auto &owned) { return owned.get() == stream; });
}

bool Streams::has(const Stream *stream) const {
  return std::any_of(streams.begin(), streams.end(), [&](const auto &owned) { return owned.get() == stream; });
}

bool Streams::capturesAny() const {
  return std::any_of(streams.begin(), streams.end(), [](const auto &stream) { return stream->capturing != nullptr; });
}

void Streams::step(Stream &stream) {
  Work work = std::move(stream.queue.front());
  stream.queue.pop_front();
  if (work.wait)
    finish(work.wait);
  if (work.act)
    work.act();
  if (work.record) {
    work.record->time = pretended ? std::chrono::steady_clock::time_point(*pretended) : std::chrono::steady_clock::now();
    work.record->done = true;
  }
}

void Streams::finish(Stream &stream) {
  while (!stream.queue.empty())
    step(stream);
}

void Streams::finish(const std::shared_ptr<Marker> &marker) {
  while (marker && !marker->done)
    step(*marker->stream);
}

void Streams::disturb(std::mt19937_64 &random) {
  for (uint64_t count = streams.empty() ? 0 : random() % 4; count > 0; --count) {
    Stream &stream = *streams[random() % streams.size()];
    bool free = !stream.queue.empty() && (!stream.queue.front().wait || stream.queue.front().wait->done);
    if (free)
      step(stream);
  }
}
