//===- QueryAttentionGrad.cpp - attention's gradient for few queries ----------------------===//
//
// Part of the vitc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// The last block of a classifier attends with the class token's query alone. Such a gradient has no products that were worth a tensor core: it reads keys and
// values, and writes theirs. A block has a head of an image and keeps all of its scores, so each of them is computed once. Threads side by side
// have vectors side by side of a row, and several rows of their own, whose loads are under way together.
//
//===--------------------------------------------------------------------------------------===//

#include "compiler/codegen/gpu/AttentionGrad.h"

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Math/IR/Math.h"

#include "llvm/ADT/bit.h"

using namespace mlir;

namespace vitc::gpu {

namespace {

constexpr int64_t kThreads = 256;
constexpr int64_t kRows = 4; ///< of a thread at a time

class QueryAttentionGradEmitter {
public:
  QueryAttentionGradEmitter(ModuleOp module, Location loc, const QueryGradShape &shape, StringRef symbol)
      : f(module, symbol, loc, shape.operandElements(), kThreads), b(f.b), s(shape), lanes(vectorFor(s.width, b.getF32Type())),
        vectors(s.width / lanes), across(std::min<int64_t>(llvm::bit_ceil(static_cast<uint64_t>(vectors)), device::kWarp)),
        down(kThreads / across), steps(llvm::divideCeilSigned(vectors, across)), row(div(b, f.thread, across)),
        member(rem(b, f.thread, across)) {
    Value image = div(b, f.block, s.heads), column = mul(b, rem(b, f.block, s.heads), s.width);
    auto headOf = [&](unsigned operand, int64_t rows, int64_t stride) {
      return advance(b, rowOf(b, f.operand(operand), mul(b, image, rows), stride), column);
    };
    keys = headOf(0, s.tokens, s.stride());
    upstream = headOf(1, s.queries, s.inner());
    query = headOf(2, s.queries, s.inner());
    keyGradient = headOf(3, s.tokens, s.stride());
    queryGradient = headOf(4, s.queries, s.inner());
    values = advance(b, keys, constant(b, s.inner()));
    valueGradient = advance(b, keyGradient, constant(b, s.inner()));
    for (Value *scores : {&weights, &gradients})
      *scores = f.takeShared(s.queries * s.tokens, b.getF32Type());
    sums = f.takeShared(kThreads * lanes, b.getF32Type());
  }

  KernelInfo emit(StringRef symbol) {
    score();
    barrier(b);
    differentiateSoftmax();
    barrier(b);
    differentiateKeys();
    differentiateQueries();
    return describeAttentionGrad(f, s.heads, /*scratchBytes=*/0, symbol);
  }

private:
  using Sums = SmallVector<Value>;

  /// A vector of the thread's in each row.
  struct Place {
    Value column, exists; ///< `exists` is null where every thread has one
  };

  //===--- rows and columns -----------------------------------------------------------------===//

  Place placeOf(Value step) {
    Value column = mul(b, add(b, mul(b, step, across), member), lanes);
    if (vectors == steps * across)
      return {column, {}};
    return {min(b, column, constant(b, s.width - lanes)), less(b, column, s.width)};
  }

  /// body(place, carried) for each of the thread's vectors of a row.
  Sums forColumns(ValueRange carried, function_ref<Sums(const Place &, ValueRange)> body) {
    if (steps == 1)
      return body(placeOf(constant(b, 0)), carried);
    return forLoop(b, constant(b, 0), constant(b, steps), 1, carried,
                   [&](Value step, ValueRange before) { return body(placeOf(step), before); });
  }

  /// body(tokens, carried) for kRows of the thread's tokens at a time, the same number of times for every thread; some may be behind the last one.
  Sums forTokens(ValueRange carried, function_ref<Sums(ArrayRef<Value>, ValueRange)> body) {
    return forLoop(b, constant(b, 0), constant(b, s.tokens), down * kRows, carried, [&](Value first, ValueRange before) {
      SmallVector<Value> tokens;
      for (int64_t i = 0; i < kRows; ++i)
        tokens.push_back(add(b, add(b, first, row), i * down));
      return body(tokens, before);
    });
  }

  Sums forQueries(ValueRange carried, function_ref<Sums(Value, ValueRange)> body) {
    return forLoop(b, constant(b, 0), constant(b, s.queries), 1, carried, body);
  }

  /// The thread's vector of a row as f32, zero where it has none; of a row behind the last token, the last one's.
  Value take(Value rows, Value number, int64_t stride, const Place &place) {
    Value vector = widened(b, load(b, rows, add(b, mul(b, number, stride), place.column), lanes));
    if (!place.exists)
      return vector;
    return select(b, place.exists, vector, arith::ConstantOp::create(b, b.getZeroAttr(vector.getType())));
  }
  Value ofToken(Value rows, Value token, const Place &place) {
    return take(rows, min(b, token, constant(b, s.tokens - 1)), s.stride(), place);
  }
  Value ofQuery(Value rows, Value query, const Place &place) { return take(rows, query, s.inner(), place); }

  Value scoreIndex(Value query, Value token) { return add(b, mul(b, query, s.tokens), token); }
  Value scoreAt(Value scores, Value query, Value token) {
    return load(b, scores, scoreIndex(query, min(b, token, constant(b, s.tokens - 1))));
  }

  Value dot(Value lhs, Value rhs, Value sum) {
    for (int64_t i = 0; i < lanes; ++i)
      sum = fma(b, lane(b, lhs, i), lane(b, rhs, i), sum);
    return sum;
  }

  //===--- scores ---------------------------------------------------------------------------===//

  /// weights = scale Q K', as exponents of 2, and gradients = dO V'.
  void score() {
    forTokens({}, [&](ArrayRef<Value> tokens, ValueRange) {
      forQueries({}, [&](Value number, ValueRange) {
        Sums products = forColumns(Sums(2 * kRows, gpu::number(b, 0)), [&](const Place &place, ValueRange before) {
          Sums after(before);
          Value left = ofQuery(query, number, place), above = ofQuery(upstream, number, place);
          for (int64_t i = 0; i < kRows; ++i) {
            after[i] = dot(left, ofToken(keys, tokens[i], place), after[i]);
            after[kRows + i] = dot(above, ofToken(values, tokens[i], place), after[kRows + i]);
          }
          return after;
        });
        for (Value &product : products)
          product = sumOfLanes(b, product, across);
        for (int64_t i = 0; i < kRows; ++i)
          ifThen(b, both(b, less(b, member, 1), less(b, tokens[i], s.tokens)), [&] {
            Value at = scoreIndex(number, tokens[i]);
            store(b, mulf(b, products[i], gpu::number(b, s.scale * kLog2E)), weights, at);
            store(b, products[kRows + i], gradients, at);
          });
        return Sums();
      });
      return Sums();
    });
  }

  /// weights = P and gradients = scale dS = scale P (dP - the row's sum of P dP); a warp has a query.
  void differentiateSoftmax() {
    Value warp = div(b, f.thread, device::kWarp), laneNumber = rem(b, f.thread, device::kWarp);
    forLoop(b, warp, constant(b, s.queries), kThreads / device::kWarp, {}, [&](Value query, ValueRange) {
      auto forRow = [&](ValueRange carried, function_ref<Sums(Value, ValueRange)> body) {
        return forLoop(b, laneNumber, constant(b, s.tokens), device::kWarp, carried,
                       [&](Value token, ValueRange before) { return body(scoreIndex(query, token), before); });
      };
      Sums most =
          forRow(negativeInfinity(b), [&](Value at, ValueRange before) { return Sums{maximum(b, before[0], load(b, weights, at))}; });
      Value greatest = maximumOfLanes(b, most[0], device::kWarp);
      Sums totals = forRow(Sums(2, number(b, 0)), [&](Value at, ValueRange before) {
        Value weight = math::Exp2Op::create(b, subf(b, load(b, weights, at), greatest));
        store(b, weight, weights, at);
        return Sums{addf(b, before[0], weight), fma(b, weight, load(b, gradients, at), before[1])};
      });
      Value inverse = divf(b, number(b, 1), sumOfLanes(b, totals[0], device::kWarp));
      Value product = mulf(b, sumOfLanes(b, totals[1], device::kWarp), inverse);
      forRow({}, [&](Value at, ValueRange) {
        Value weight = mulf(b, load(b, weights, at), inverse);
        store(b, weight, weights, at);
        store(b, mulf(b, mulf(b, weight, number(b, s.scale)), subf(b, load(b, gradients, at), product)), gradients, at);
        return Sums();
      });
      return Sums();
    });
  }

  //===--- gradients ------------------------------------------------------------------------===//

  /// dK = scale dS' Q and dV = P' dO.
  void differentiateKeys() {
    const int64_t count = kRows * lanes;
    forTokens({}, [&](ArrayRef<Value> tokens, ValueRange) {
      forColumns({}, [&](const Place &place, ValueRange) {
        Sums all = forQueries(Sums(2 * count, number(b, 0)), [&](Value number, ValueRange before) {
          Sums after(before);
          Value left = ofQuery(query, number, place), above = ofQuery(upstream, number, place);
          for (int64_t i = 0; i < kRows; ++i) {
            Value gradient = scoreAt(gradients, number, tokens[i]), weight = scoreAt(weights, number, tokens[i]);
            for (int64_t j = 0; j < lanes; ++j) {
              Value &ofKey = after[i * lanes + j], &ofValue = after[count + i * lanes + j];
              ofKey = fma(b, gradient, lane(b, left, j), ofKey);
              ofValue = fma(b, weight, lane(b, above, j), ofValue);
            }
          }
          return after;
        });
        for (int64_t i = 0; i < kRows; ++i) {
          Value exists = less(b, tokens[i], s.tokens);
          ifThen(b, place.exists ? both(b, exists, place.exists) : exists, [&] {
            Value at = add(b, mul(b, tokens[i], s.stride()), place.column);
            auto write = [&](ArrayRef<Value> numbers, Value to) { store(b, narrowed(b, vectorOf(b, numbers), s.keyResult), to, at); };
            write(ArrayRef(all).slice(i * lanes, lanes), keyGradient);
            write(ArrayRef(all).slice(count + i * lanes, lanes), valueGradient);
          });
        }
        return Sums();
      });
      return Sums();
    });
  }

  /// dQ = scale dS K: each row of threads has its tokens' sum, and a thread adds up those of a column.
  void differentiateQueries() {
    const int64_t together = across * lanes;
    forQueries({}, [&](Value number, ValueRange) {
      forLoop(b, constant(b, 0), constant(b, steps), 1, {}, [&](Value step, ValueRange) {
        Place place = placeOf(step);
        Sums own = forTokens(Sums(lanes, gpu::number(b, 0)), [&](ArrayRef<Value> tokens, ValueRange before) {
          Sums after(before);
          for (Value token : tokens) {
            Value gradient = select(b, less(b, token, s.tokens), scoreAt(gradients, number, token), gpu::number(b, 0));
            Value key = ofToken(keys, token, place);
            for (int64_t j = 0; j < lanes; ++j)
              after[j] = fma(b, gradient, lane(b, key, j), after[j]);
          }
          return after;
        });
        store(b, vectorOf(b, own), sums, mul(b, f.thread, lanes));
        barrier(b);
        Value column = add(b, mul(b, step, together), f.thread);
        ifThen(b, both(b, less(b, f.thread, together), less(b, column, s.width)), [&] {
          Sums total = forLoop(b, constant(b, 0), constant(b, down), 1, gpu::number(b, 0), [&](Value part, ValueRange before) {
            return Sums{addf(b, before[0], load(b, sums, add(b, mul(b, part, together), f.thread)))};
          });
          store(b, narrowed(b, total[0], s.queryResult), queryGradient, add(b, mul(b, number, s.inner()), column));
        });
        barrier(b); // the sums have been read
        return Sums();
      });
      return Sums();
    });
  }

  DeviceFunction f;
  ImplicitLocOpBuilder &b;
  const QueryGradShape s;
  const int64_t lanes, vectors; ///< of a vector; of a row
  const int64_t across, down;   ///< threads that share a row, a power of two in a warp; rows of a block
  const int64_t steps;          ///< vectors of a row that a thread has
  const Value row, member;      ///< the thread's place
  Value keys, values, query, upstream;
  Value keyGradient, valueGradient, queryGradient;
  Value weights, gradients; ///< [queries, tokens]
  Value sums;               ///< [down, across lanes]
};

} // namespace

QueryGradShape QueryGradShape::of(kernel::AttentionGradOp op) {
  RankedTensorType keys = tensorOf(op.getQkv()), query = tensorOf(op.getQuery());
  const int64_t heads = op.getHeads();
  return {keys.getDimSize(1),
          query.getDimSize(1),
          heads,
          query.getDimSize(2) / heads,
          op.getScale().convertToDouble(),
          keys.getElementType(),
          tensorOf(op.getValue()).getElementType(),
          tensorOf(op.getQueryGradient()).getElementType()};
}

SmallVector<Type> QueryGradShape::operandElements() const {
  return {element, Float32Type::get(element.getContext()), element, keyResult, queryResult};
}

KernelInfo emitQueryAttentionGrad(ModuleOp module, Location loc, const QueryGradShape &shape, StringRef symbol) {
  return QueryAttentionGradEmitter(module, loc, shape, symbol).emit(symbol);
}

} // namespace vitc::gpu
