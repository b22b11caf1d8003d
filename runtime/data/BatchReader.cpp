//===- BatchReader.cpp - batches of training images, read ahead by threads -----*- C++ -*-===//
//
// Part of the vitc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===--------------------------------------------------------------------------------------===//
//
// Batches lie in a ring of slots. Threads claim images, not batches: the images of the earliest open batch first, then those of the next one
// if its slot is free; who finishes a batch's last image mixes it. All of the bookkeeping is under one mutex, which is held for moments.
//
//===--------------------------------------------------------------------------------------===//

#include "runtime/data/BatchReader.h"

#include "runtime/data/Arrays.h"
#include "runtime/data/Augmenter.h"

#include <algorithm>
#include <condition_variable>
#include <functional>
#include <mutex>
#include <numeric>
#include <system_error>
#include <thread>
#include <unordered_map>
#include <unordered_set>

namespace vitrt {

class BatchReader::Impl {
public:
  Impl(const Dataset &data, BatchReaderOptions options) : data(data), options(std::move(options)) {}
  ~Impl();

  Error check();
  Error start();
  Expected<const TrainingBatch *> next();
  const TrainingBatch *peek();

  size_t batchesPerEpoch() const { return (data.size() - 1) / options.batch + 1; }
  Cursor cursor() const { return cursorOf(delivered); }
  size_t skippedImages() const { return reported.size(); }

private:
  using Order = std::vector<uint32_t>;
  /// A batch on its way, and what its images met.
  struct Slot {
    TrainingBatch batch;
    std::shared_ptr<const Order> order;        ///< of the batch's epoch, for pictures
    size_t count = 0;                          ///< images to be read; batch.size of them are delivered
    size_t claimed = 0, finished = 0;          ///< images
    bool ready = false;                        ///< mixed too
    std::vector<std::vector<uint32_t>> unread; ///< for each image, those before it that could not be read
    std::vector<Error> errors;                 ///< of each image
  };
  /// An image that somebody has to read.
  struct Claim {
    Slot *slot = nullptr;
    size_t item = 0;
  };

  Cursor cursorOf(uint64_t number) const {
    uint64_t batch = options.start.batch + number, perEpoch = batchesPerEpoch();
    return {options.start.epoch + batch / perEpoch, batch % perEpoch};
  }
  Slot &slotOf(uint64_t number) { return slots[number % slots.size()]; }
  Extent size() const { return {uint32_t(options.shape[1]), uint32_t(options.shape[2])}; }
  int64_t classOf(size_t index) const {
    int64_t label = data.label(index);
    return options.classMap.empty() ? label : options.classMap[size_t(label)];
  }

  Error checkLabels() const;
  void open(uint64_t number);
  bool claim(Claim &claim);
  void work();
  void finish(Claim claim, std::unique_lock<std::mutex> &lock);
  void readItem(Claim claim);
  Error readTensor(Slot &slot, size_t item);
  Error readPicture(Slot &slot, size_t item);
  Error readOne(Slot &slot, size_t item, uint32_t index);
  void leaveOutUnread(Slot &slot);
  void mix(Slot &slot);
  Error takeReport(Slot &slot);

  const Dataset &data;
  BatchReaderOptions options;
  size_t elements = 0; ///< of an image
  std::optional<Augmenter> augmenter;

  std::mutex mutex;
  std::condition_variable wakeWorkers, wakeReader;
  bool stopping = false;
  std::vector<Slot> slots;
  uint64_t opened = 0, released = 0;  ///< batches that were opened, that the caller has given back
  std::shared_ptr<const Order> order; ///< of `orderEpoch`
  uint64_t orderEpoch = 0;
  std::unordered_map<uint32_t, std::string> unreadable; ///< the sentence for each
  std::vector<std::thread> threads;

  // The caller's.
  uint64_t delivered = 0;
  std::unordered_set<uint32_t> reported; ///< of the unreadable
  Error failure;
};

Error BatchReader::Impl::checkLabels() const {
  for (size_t i = 0; i < data.size(); ++i) {
    size_t soft = data.softLabel(i).size();
    if (soft && soft != options.classes)
      return makeError(VITRT_ERROR_ARGUMENT, "{}: soft labels of {} classes, the model has {}", data.name(i), soft, options.classes);
    int64_t label = data.label(i);
    bool mapped = options.classMap.empty() || (label >= 0 && size_t(label) < options.classMap.size());
    if (!soft && (!mapped || classOf(i) < 0 || size_t(classOf(i)) >= options.classes))
      return makeError(VITRT_ERROR_ARGUMENT, "{}: its label is {}, expected one of the model's classes 0 to {}", data.name(i), label,
                       options.classes - 1);
  }
  return Error::success();
}

Error BatchReader::Impl::check() {
  const std::vector<int64_t> &shape = options.shape;
  if (!options.batch || !options.classes || shape.size() != 3 || *std::min_element(shape.begin(), shape.end()) < 1)
    return makeError(VITRT_ERROR_ARGUMENT, "batches of {} images of shape {} with {} classes, expected at least one of each of [C, H, W]",
                     options.batch, formatShape(shape), options.classes);
  if (data.size() == 0 || data.size() > UINT32_MAX)
    return makeError(VITRT_ERROR_ARGUMENT, "{} images to train on, expected 1 to {}", data.size(), UINT32_MAX);
  if (!(options.labelSmoothing >= 0.0 && options.labelSmoothing < 1.0))
    return makeError(VITRT_ERROR_ARGUMENT, "label smoothing is {}, expected at least 0 and less than 1", options.labelSmoothing);
  elements = size_t(std::accumulate(shape.begin(), shape.end(), int64_t(1), std::multiplies()));
  if (data.hasPictures()) {
    if (!options.preprocessor)
      return makeError(VITRT_ERROR_ARGUMENT, "the data are pictures, and nothing says how they become inputs of shape {}",
                       formatShape(shape));
    augmenter.emplace(options.augmentation, *options.preprocessor, options.seed);
  } else if (!std::equal(shape.begin(), shape.end(), data.tensorShape().begin(), data.tensorShape().end())) {
    return makeError(VITRT_ERROR_ARGUMENT, "{}: its shape is {}, the model takes {}", data.name(0), formatShape(data.tensorShape()),
                     formatShape(shape));
  }
  if (options.start.batch >= batchesPerEpoch() || options.start.epoch > UINT32_MAX)
    return makeError(VITRT_ERROR_ARGUMENT, "reading begins at batch {} of epoch {}, an epoch has {} batches", options.start.batch,
                     options.start.epoch, batchesPerEpoch());
  return checkLabels();
}

Error BatchReader::Impl::start() {
  slots.resize(options.threads ? std::max<size_t>(options.ahead, 1) + 1 : 1);
  size_t most = data.hasPictures() ? std::min(options.batch, data.size()) : options.batch;
  auto noMemory = [&] {
    return makeError(VITRT_ERROR_MEMORY, "there is no memory for {} batches of {} images of shape {}", slots.size(), most,
                     formatShape(options.shape));
  };
  if (most > SIZE_MAX / 2 / sizeof(float) / std::max(elements, options.classes))
    return noMemory();
  try {
    for (Slot &slot : slots) {
      slot.batch.images.reserve(most * elements);
      slot.batch.targets.reserve(most * options.classes);
    }
    for (unsigned i = 0; i < options.threads; ++i)
      threads.emplace_back([this] { work(); });
  } catch (const std::bad_alloc &) {
    return noMemory();
  } catch (const std::system_error &error) {
    return makeError(VITRT_ERROR_MEMORY, "a thread that reads images cannot be started: {}", error.what());
  }
  return Error::success();
}

BatchReader::Impl::~Impl() {
  {
    std::lock_guard lock(mutex);
    stopping = true;
  }
  wakeWorkers.notify_all();
  for (std::thread &thread : threads)
    thread.join();
}

/// Prepares the slot of a batch; the mutex is held.
void BatchReader::Impl::open(uint64_t number) {
  Slot &slot = slotOf(number);
  TrainingBatch &batch = slot.batch;
  batch.cursor = cursorOf(number);
  batch.size = options.batch;
  if (data.hasPictures()) {
    batch.size = std::min(options.batch, data.size() - size_t(batch.cursor.batch) * options.batch);
    if (!order || orderEpoch != batch.cursor.epoch) {
      orderEpoch = batch.cursor.epoch;
      order = std::make_shared<const Order>(epochOrder(data.size(), options.shuffle, options.seed, orderEpoch));
    }
    slot.order = order;
  }
  slot.count = batch.size;
  batch.images.resize(batch.size * elements);
  batch.targets.resize(batch.size * options.classes);
  batch.numbers.resize(batch.size);
  batch.mix = {};
  batch.skipped.clear();
  slot.claimed = slot.finished = 0;
  slot.ready = false;
  slot.unread.assign(batch.size, {});
  slot.errors.assign(batch.size, Error::success());
}

/// The next image to be read, if there is one and room for it; the mutex is held.
bool BatchReader::Impl::claim(Claim &claim) {
  if (opened == 0 || slotOf(opened - 1).claimed == slotOf(opened - 1).count) {
    if (opened >= released + slots.size())
      return false;
    open(opened++);
  }
  claim.slot = &slotOf(opened - 1);
  claim.item = claim.slot->claimed++;
  return true;
}

void BatchReader::Impl::work() {
  std::unique_lock lock(mutex);
  for (;;) {
    Claim mine;
    wakeWorkers.wait(lock, [&] { return stopping || claim(mine); });
    if (stopping)
      return;
    lock.unlock();
    readItem(mine);
    lock.lock();
    finish(mine, lock);
  }
}

void BatchReader::Impl::finish(Claim claim, std::unique_lock<std::mutex> &lock) {
  Slot &slot = *claim.slot;
  if (++slot.finished < slot.count)
    return;
  lock.unlock();
  if (!options.replaces)
    leaveOutUnread(slot);
  mix(slot);
  lock.lock();
  slot.ready = true;
  wakeReader.notify_one();
}

void BatchReader::Impl::readItem(Claim claim) {
  Slot &slot = *claim.slot;
  try {
    slot.errors[claim.item] = data.hasPictures() ? readPicture(slot, claim.item) : readTensor(slot, claim.item);
  } catch (const std::bad_alloc &) {
    slot.errors[claim.item] = makeError(VITRT_ERROR_MEMORY, "there is no memory to read image {} of batch {} of epoch {}", claim.item,
                                        slot.batch.cursor.batch, slot.batch.cursor.epoch);
  }
}

Error BatchReader::Impl::readTensor(Slot &slot, size_t item) {
  uint64_t batch = slot.batch.cursor.epoch * batchesPerEpoch() + slot.batch.cursor.batch;
  return readOne(slot, item, uint32_t((batch * options.batch + item) % data.size()));
}

Error BatchReader::Impl::readPicture(Slot &slot, size_t item) {
  size_t position = size_t(slot.batch.cursor.batch) * options.batch + item;
  for (size_t tried = 0; tried < (options.replaces ? data.size() : 1); ++tried) {
    uint32_t index = (*slot.order)[(position + tried) % data.size()];
    {
      std::lock_guard lock(mutex);
      if (unreadable.contains(index)) {
        slot.unread[item].push_back(index);
        continue;
      }
    }
    Error error = readOne(slot, item, index);
    // What the machine lacks now is no property of the image.
    if (!error || options.strict || error.status == VITRT_ERROR_MEMORY)
      return error;
    slot.unread[item].push_back(index);
    std::lock_guard lock(mutex);
    unreadable.emplace(index, std::move(error.message));
  }
  if (!options.replaces)
    return Error::success();
  return makeError(VITRT_ERROR_FORMAT, "none of the {} images can be read; the first one: {}", data.size(), [&] {
    std::lock_guard lock(mutex);
    return unreadable.at(slot.order->front());
  }());
}

Error BatchReader::Impl::readOne(Slot &slot, size_t item, uint32_t index) {
  slot.batch.numbers[item] = uint32_t(data.number(index));
  float *to = slot.batch.images.data() + item * elements;
  if (data.hasPictures()) {
    auto picture = data.picture(index);
    if (!picture)
      return std::move(picture.error());
    if (Error error = augmenter->apply(std::move(*picture), data.name(index), uint32_t(slot.batch.cursor.epoch), index, to))
      return error;
  } else {
    std::span<const float> tensor = data.tensor(index);
    std::copy(tensor.begin(), tensor.end(), to);
  }
  std::span<float> target = std::span(slot.batch.targets).subspan(item * options.classes, options.classes);
  if (std::span<const float> soft = data.softLabel(index); !soft.empty())
    smoothTarget(target, soft, options.labelSmoothing);
  else
    smoothTarget(target, size_t(classOf(index)), options.labelSmoothing);
  return Error::success();
}

/// Moves the images that could be read together, without room between them.
void BatchReader::Impl::leaveOutUnread(Slot &slot) {
  TrainingBatch &batch = slot.batch;
  size_t kept = 0, classes = options.classes;
  for (size_t item = 0; item < slot.count; ++item) {
    if (!slot.unread[item].empty())
      continue;
    if (kept < item) {
      std::copy_n(batch.images.begin() + ptrdiff_t(item * elements), elements, batch.images.begin() + ptrdiff_t(kept * elements));
      std::copy_n(batch.targets.begin() + ptrdiff_t(item * classes), classes, batch.targets.begin() + ptrdiff_t(kept * classes));
      batch.numbers[kept] = batch.numbers[item];
    }
    ++kept;
  }
  batch.size = kept;
  batch.images.resize(kept * elements);
  batch.targets.resize(kept * classes);
  batch.numbers.resize(kept);
}

void BatchReader::Impl::mix(Slot &slot) {
  if (!data.hasPictures() || slot.batch.size == 0 ||
      std::any_of(slot.errors.begin(), slot.errors.end(), [](const Error &error) { return bool(error); }))
    return;
  const Cursor &cursor = slot.batch.cursor;
  RandomStream random(options.seed, uint32_t(cursor.epoch), uint32_t(cursor.batch), Place::Mixing);
  slot.batch.mix = Mix::draw(options.augmentation, size(), random);
  mixBatch(slot.batch.images, slot.batch.targets, slot.batch.size, uint32_t(options.shape[0]), size(), slot.batch.mix);
}

/// What the caller is told of a finished batch: in the order of its images, whoever read them first.
Error BatchReader::Impl::takeReport(Slot &slot) {
  for (size_t item = 0; item < slot.count; ++item) {
    for (uint32_t index : slot.unread[item])
      if (reported.insert(index).second)
        slot.batch.skipped.push_back(unreadable.at(index));
    if (slot.errors[item])
      return slot.errors[item];
  }
  return Error::success();
}

Expected<const TrainingBatch *> BatchReader::Impl::next() {
  if (failure)
    return failure;
  std::unique_lock lock(mutex);
  released = delivered;
  Slot &slot = slotOf(delivered);
  if (threads.empty()) {
    for (Claim mine; claim(mine);) {
      lock.unlock();
      readItem(mine);
      lock.lock();
      finish(mine, lock);
    }
  } else {
    wakeWorkers.notify_all();
    wakeReader.wait(lock, [&] { return opened > delivered && slot.ready; });
  }
  ++delivered;
  if (failure = takeReport(slot); failure)
    return failure;
  return &slot.batch;
}

const TrainingBatch *BatchReader::Impl::peek() {
  std::lock_guard lock(mutex);
  // Without threads the slot of the next batch is the one in use.
  if (failure || threads.empty() || opened <= delivered)
    return nullptr;
  const Slot &slot = slotOf(delivered);
  bool isWhole = slot.ready && std::none_of(slot.errors.begin(), slot.errors.end(), [](const Error &error) { return bool(error); });
  return isWhole ? &slot.batch : nullptr;
}

BatchReader::BatchReader(std::unique_ptr<Impl> impl) : impl(std::move(impl)) {}
BatchReader::~BatchReader() = default;

Expected<std::unique_ptr<BatchReader>> BatchReader::create(const Dataset &data, BatchReaderOptions options) {
  auto impl = std::make_unique<Impl>(data, std::move(options));
  if (Error error = impl->check())
    return error;
  if (Error error = impl->start())
    return error;
  return std::unique_ptr<BatchReader>(new BatchReader(std::move(impl)));
}

Expected<const TrainingBatch *> BatchReader::next() { return impl->next(); }
const TrainingBatch *BatchReader::peek() const { return impl->peek(); }
size_t BatchReader::batchesPerEpoch() const { return impl->batchesPerEpoch(); }
Cursor BatchReader::cursor() const { return impl->cursor(); }
size_t BatchReader::skippedImages() const { return impl->skippedImages(); }

} // namespace vitrt
