//===- StreamCalls.cpp - streams, events and graphs of the fake GPU -------------------------===//
//
// Part of the vitc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===--------------------------------------------------------------------------------------===//

#include "test/support/fake_cuda/Driver.h"

using namespace fakecuda;

api::Result calls::streamCreate(api::Stream *stream, unsigned) {
  return outsideOfCapture([&](Driver &d) { return *stream = from<api::Stream>(d.streams.create()), api::Success; });
}
api::Result calls::streamDestroy(api::Stream stream) {
  return destroy([&](Driver &d) { return d.streams.destroy(to<Stream>(stream)), api::Success; });
}
api::Result calls::streamSynchronize(api::Stream stream) {
  return outsideOfCapture([&](Driver &d) { return d.streams.finish(*to<Stream>(stream)), api::Success; });
}
api::Result calls::streamWaitEvent(api::Stream stream, api::Event event, unsigned) {
  return outsideOfCapture([&](Driver &d) { return enqueue(d, stream, {nullptr, nullptr, to<Event>(event)->last}); });
}

api::Result calls::streamBeginCapture(api::Stream stream, api::CaptureMode) {
  return outsideOfCapture([&](Driver &) { return to<Stream>(stream)->capturing = std::make_unique<Graph>(), api::Success; });
}
api::Result calls::streamEndCapture(api::Stream stream, api::Graph *graph) {
  return inContext([&](Driver &) {
    *graph = from<api::Graph>(to<Stream>(stream)->capturing.release());
    return *graph ? api::Success : api::InvalidValue;
  });
}

api::Result calls::eventCreate(api::Event *event, unsigned) {
  return outsideOfCapture([&](Driver &) { return *event = from<api::Event>(new Event), api::Success; });
}
api::Result calls::eventDestroy(api::Event event) {
  return destroy([&](Driver &) { return delete to<Event>(event), api::Success; });
}
api::Result calls::eventRecord(api::Event event, api::Stream stream) {
  return outsideOfCapture([&](Driver &d) {
    auto marker = std::make_shared<Marker>(Marker{to<Stream>(stream), false, {}});
    to<Event>(event)->last = marker;
    return enqueue(d, stream, {nullptr, marker, nullptr});
  });
}
api::Result calls::eventSynchronize(api::Event event) {
  return outsideOfCapture([&](Driver &d) { return d.streams.finish(to<Event>(event)->last), api::Success; });
}
api::Result calls::eventElapsedTime(float *milliseconds, api::Event begin, api::Event end) {
  return inContext([&](Driver &) {
    const std::shared_ptr<Marker> &first = to<Event>(begin)->last, &last = to<Event>(end)->last;
    if (!first || !last)
      return api::InvalidValue;
    if (!first->done || !last->done)
      return api::NotReady;
    *milliseconds = std::chrono::duration<float, std::milli>(last->time - first->time).count();
    return api::Success;
  });
}

api::Result calls::graphInstantiate(api::GraphExec *exec, api::Graph graph, unsigned long long) {
  return outsideOfCapture([&](Driver &) { return *exec = from<api::GraphExec>(new Graph(*to<Graph>(graph))), api::Success; });
}
api::Result calls::graphLaunch(api::GraphExec exec, api::Stream stream) {
  return outsideOfCapture([&](Driver &d) {
    for (const Work &work : to<Graph>(exec)->work)
      if (api::Result result = enqueue(d, stream, work); result != api::Success)
        return result;
    return api::Success;
  });
}
api::Result calls::graphDestroy(api::Graph graph) {
  return destroy([&](Driver &) { return delete to<Graph>(graph), api::Success; });
}
api::Result calls::graphExecDestroy(api::GraphExec exec) {
  return destroy([&](Driver &) { return delete to<Graph>(exec), api::Success; });
}
