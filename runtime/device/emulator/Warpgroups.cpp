//===- Warpgroups.cpp - products that 128 threads start and wait for -----------------------===//
//
// Part of the vitc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===--------------------------------------------------------------------------------------===//

#include "runtime/device/emulator/Warpgroups.h"
#include "runtime/device/emulator/Block.h"

#include <bit>
#include <cstring>

using namespace vitrt;
using namespace vitrt::emulator;

namespace {

constexpr int32_t kWarpgroup = 128;
constexpr int32_t kRegisters = 65536; ///< of a multiprocessor
constexpr uint32_t kSlotBits = 8;
constexpr int64_t kRows = 16;      ///< of a warp
constexpr int64_t kMostDepth = 16; ///< steps of a product's sum, of 16-bit elements
constexpr int64_t kStepBytes = 32; ///< of a row, all steps

/// Where element (row, k) of an operand of elements of `bytes` lies that begins at `base`, an address in shared memory that is aligned to 1024 bytes.
uint64_t placeOf(uint64_t base, const ProductLayout &layout, int64_t bytes, int64_t row, int64_t k) {
  const int64_t width = layout.swizzle / bytes;
  uint64_t place = layout.transposed ? base + uint64_t(row / width * layout.panel + k * layout.swizzle + row % width * bytes)
                                     : base + uint64_t(row * layout.swizzle + k * bytes);
  return place ^ (place >> 7 & (uint64_t(layout.swizzle) / 16 - 1)) << 4;
}

/// Calls act(offset) for each 16 bytes that the warp's product reads of an operand.
template <typename Act> void forChunks(uint64_t base, const ProductLayout &layout, int64_t bytes, int64_t firstRow, int64_t rows, Act act) {
  const int64_t depth = kStepBytes / bytes, chunk = int64_t(SharedAccesses::kChunk) / bytes;
  if (layout.transposed)
    for (int64_t k = 0; k < depth; ++k)
      for (int64_t row = 0; row < rows; row += chunk)
        act(placeOf(base, layout, bytes, firstRow + row, k));
  else
    for (int64_t row = 0; row < rows; ++row)
      for (int64_t k = 0; k < depth; k += chunk)
        act(placeOf(base, layout, bytes, firstRow + row, k));
}

/// Whether a descriptor can name an operand that begins `offset` bytes from the beginning of shared memory: at a multiple of 8 rows, or at
/// a step of the sum along the first of them (PTX ISA 9.7.15.5.1.2).
bool isPlace(uint64_t offset, const ProductLayout &layout) {
  const auto row = uint64_t(layout.swizzle), within = offset % (8 * row);
  return layout.transposed ? within == 0 : within < row && within % kStepBytes == 0;
}

/// Of a warp's product: its chunks of both operands, as offsets in shared memory.
template <typename Act> void forChunks(const WarpProducts::Started &started, const std::byte *shared, int32_t warp, Act act) {
  auto offset = [&](const void *address) { return uint64_t(static_cast<const std::byte *>(address) - shared); };
  const auto bytes = int64_t(ProductElements(started.product.operands).bytes());
  if (!started.product.fragments)
    forChunks(offset(started.product.a), started.product.aLayout, bytes, warp % 4 * kRows, kRows, act);
  forChunks(offset(started.product.b), started.product.bLayout, bytes, 0, started.columns, act);
}

/// Adds the warp's part of a product to its sums; false where an operand has a number that a product does not take.
bool compute(const WarpProducts::Started &started, const std::byte *shared, int32_t warp) {
  const Product &product = started.product;
  const ProductElements elements(product.operands);
  const auto bytes = int64_t(elements.bytes()), depth = int64_t(elements.depth());
  auto read = [&](const void *operand, const ProductLayout &layout, int64_t row, int64_t k) {
    return elements.at(shared + placeOf(uint64_t(static_cast<const std::byte *>(operand) - shared), layout, bytes, row, k));
  };
  float a[kRows][kMostDepth], b[kMostDepth][256], sums[256];
  for (size_t lane = 0; lane < kWarp && product.fragments; ++lane)
    for (size_t i = 0; i < 8; ++i)
      a[lane / 4 + 8 * (i / 2 % 2)][2 * (lane % 4) + i % 2 + 8 * (i / 4)] = elements.at(&started.fragments[lane][i]);
  bool taken = true;
  for (int64_t row = 0; row < kRows && !product.fragments; ++row)
    for (int64_t k = 0; k < depth; ++k) {
      a[row][k] = read(product.a, product.aLayout, warp % 4 * kRows + row, k);
      taken &= elements.takes(a[row][k]);
    }
  for (int64_t column = 0; column < started.columns; ++column)
    for (int64_t k = 0; k < depth; ++k) {
      b[k][column] = read(product.b, product.bLayout, column, k);
      taken &= elements.takes(b[k][column]);
    }
  for (size_t row = 0; row < size_t(kRows); ++row) {
    std::memset(sums, 0, sizeof(sums));
    for (size_t k = 0; k < size_t(depth); ++k)
      for (size_t column = 0; column < size_t(started.columns); ++column)
        sums[column] += a[row][k] * b[k][column];
    for (size_t column = 0; column < size_t(started.columns); ++column) {
      float &sum = started.sums[row % 8 * 4 + column % 8 / 2]->values[column / 8 * 4 + row / 8 * 2 + column % 2];
      sum = (product.overwrite ? 0 : sum) + sums[column];
    }
  }
  return taken;
}

} // namespace

void Warpgroups::reset(int32_t threads) {
  warps.assign(size_t(threads / kWarp), WarpProducts());
  for (WarpProducts &warp : warps)
    warp.groups.resize(1);
  const auto groups = size_t((threads + kWarpgroup - 1) / kWarpgroup);
  sequences.assign(groups, {});
  const int32_t atBegin = std::min(255, kRegisters / threads) / 8 * 8;
  registers.assign(groups, atBegin);
  pool = atBegin * threads;
  changed = false;
}

int32_t Warpgroups::begin(Thread &thread, const float *values, int32_t columns) {
  auto free = std::ranges::find_if(thread.sums, [](const auto &sums) { return sums->taken; });
  if (free == thread.sums.end())
    free = thread.sums.insert(free, std::make_unique<Sums>());
  Sums &sums = **free;
  std::copy_n(values, columns / 2, sums.values.begin());
  sums.columns = columns;
  sums.underWay = 0;
  sums.taken = false;
  return int32_t(++sums.generation << kSlotBits | uint32_t(free - thread.sums.begin()));
}

/// The sums of a handle, which an operation uses up.
static Sums &sumsOf(Block &block, Thread &thread, int32_t handle, const char *site) {
  Sums &sums = *thread.sums[uint32_t(handle) & ((1u << kSlotBits) - 1)];
  if (sums.taken || sums.generation != uint32_t(handle) >> kSlotBits)
    block.fault(thread, site, "uses sums that another operation has used before");
  return sums;
}

int32_t Warpgroups::start(Block &block, Thread &thread, int32_t handle, const Product &product, const char *site) {
  Sums &sums = sumsOf(block, thread, handle, site);
  struct Argument {
    Warpgroups &self;
    Block &block;
    Thread &thread;
    Sums &sums;
    const Product &product;
    const char *site;
  } argument = {*this, block, thread, sums, product, site};
  ++sums.underWay;
  block.meet(thread, &argument, site, [](std::span<void *, kWarp> arguments) {
    auto &last = *static_cast<Argument *>(arguments[kWarp - 1]);
    auto &[self, block, thread, sums, product, site] = last;
    const int32_t warp = thread.thread / kWarp;
    WarpProducts &products = self.warps[size_t(warp)];
    std::vector<Sequence> &sequence = self.sequences[size_t(warp / 4)];
    const void *a = product.fragments ? nullptr : product.a;
    if (products.started == sequence.size())
      sequence.push_back({site, a, product.b});
    else if (const Sequence &other = sequence[products.started]; other.site != site || other.a != a || other.b != product.b)
      block.fault(thread, site,
                  fmt::format("another warp of its warpgroup is at '{}', or has other operands; the four do this together", other.site));
    ++products.started;

    WarpProducts::Started started = {product, {}, {}, sums.columns, site};
    Clock known = thread.known;
    for (size_t lane = 0; lane < kWarp; ++lane) {
      auto &mine = *static_cast<Argument *>(arguments[lane]);
      Product same = mine.product;
      if (product.fragments)
        same.a = product.a;
      if (same != product)
        block.fault(thread, site, "threads of the warp have different operands");
      if (product.fragments)
        std::memcpy(started.fragments[lane].data(), mine.product.a, 16);
      started.sums[lane] = &mine.sums;
      known.join(mine.thread.known);
    }
    auto offsetOf = [&](const void *address) { return uint64_t(static_cast<const std::byte *>(address) - thread.shared); };
    if ((!product.fragments && !isPlace(offsetOf(product.a), product.aLayout)) || !isPlace(offsetOf(product.b), product.bLayout))
      block.fault(thread, site,
                  "has an operand that begins neither at a multiple of 8 rows nor at a step of 32 bytes along the first of them");
    const int32_t actor = block.productsOf(warp);
    std::optional<Race> race;
    uint64_t beyond = 0;
    forChunks(started, thread.shared, warp, [&](uint64_t offset) {
      if (race || beyond)
        return;
      if (offset + SharedAccesses::kChunk > block.launch.sharedBytes)
        beyond = offset;
      else
        race = block.accesses.beginProduct({actor, known, site}, offset, [&](int32_t writer, uint32_t moment) {
          return writer >= block.launch.threads || block.threads[size_t(writer)]->fenced(moment, known[writer]);
        });
    });
    known = Clock();
    if (beyond)
      block.fault(thread, site, fmt::format("reads byte {} of shared memory, which has {}", int64_t(beyond), block.launch.sharedBytes));
    if (race)
      block.fault(thread, site, block.describe(*race, "reads"));
    products.groups.back().push_back(started);
  });
  return int32_t(++sums.generation << kSlotBits | (uint32_t(handle) & ((1u << kSlotBits) - 1)));
}

void Warpgroups::commit(Block &block, Thread &thread, const char *site) {
  struct Argument {
    Warpgroups &self;
    int32_t warp;
  } argument = {*this, thread.thread / kWarp};
  block.meet(thread, &argument, site, [](std::span<void *, kWarp> arguments) {
    auto &[self, warp] = *static_cast<Argument *>(arguments[0]);
    self.warps[size_t(warp)].groups.emplace_back();
  });
}

void Warpgroups::wait(Block &block, Thread &thread, int32_t pending, const char *site) {
  struct Argument {
    Warpgroups &self;
    Block &block;
    Thread &thread;
    int32_t pending;
  } argument = {*this, block, thread, pending};
  block.meet(thread, &argument, site, [](std::span<void *, kWarp> arguments) {
    auto &[self, block, thread, pending] = *static_cast<Argument *>(arguments[0]);
    const int32_t warp = thread.thread / kWarp, actor = block.productsOf(warp);
    WarpProducts &products = self.warps[size_t(warp)];
    const uint32_t moment = ++products.waits;
    auto settle = [&](const WarpProducts::Started &started, uint32_t when) {
      forChunks(started, thread.shared, warp, [&](uint64_t offset) { block.accesses.endProduct(actor, offset, when); });
    };
    while (products.groups.size() > size_t(pending) + 1) {
      for (const WarpProducts::Started &started : products.groups.front()) {
        if (!compute(started, thread.shared, warp))
          block.fault(thread, started.site, "multiplies a number that is no tf32: its lower 13 bits are not zero");
        settle(started, moment);
        for (Sums *sums : started.sums)
          --sums->underWay;
      }
      products.groups.erase(products.groups.begin());
    }
    for (const auto &group : products.groups)
      for (const WarpProducts::Started &started : group)
        settle(started, SharedAccesses::kUnderWay);
    for (void *lane : arguments)
      static_cast<Argument *>(lane)->thread.known[actor] = moment;
  });
}

void Warpgroups::take(Block &block, Thread &thread, int32_t handle, float *values, const char *site) {
  Sums &sums = sumsOf(block, thread, handle, site);
  if (sums.underWay != 0)
    block.fault(thread, site, fmt::format("uses sums that {} products are still adding to", sums.underWay));
  std::copy_n(sums.values.begin(), sums.columns / 2, values);
  sums.taken = true;
}

void Warpgroups::setRegisters(const Thread &thread, int32_t count) {
  registers[size_t(thread.thread / kWarpgroup)] = count;
  changed = true;
}

std::string Warpgroups::leftOver() const {
  int32_t all = 0;
  for (int32_t count : registers)
    all += count * kWarpgroup;
  if (changed && all > pool)
    return fmt::format("its warpgroups take {} registers of the {} that it was given", all, pool);
  for (size_t warp = 0; warp < warps.size(); ++warp)
    if (warps[warp].started != sequences[warp / 4].size())
      return fmt::format("warp {} started {} products of its warpgroup's {}; the four do each together", warp, warps[warp].started,
                         sequences[warp / 4].size());
  return "";
}
