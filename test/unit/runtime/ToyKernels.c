/*===- ToyKernels.c - a code section small enough to check by hand ------------------------------*- C -*-===*
 *
 * Part of the vitc project, under the Apache License v2.0 with LLVM Exceptions.
 * SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
 *
 *===------------------------------------------------------------------------------------------------===*
 *
 * The kernels of ToyArtifact.h for images of 3 rows of 5 and of 16 numbers: 60 bytes, so that most images of a batch are unaligned, and 192,
 * so that all are aligned. A kernel that is given memory which docs/abi.md does not allow writes a value that no test expects.
 *===------------------------------------------------------------------------------------------------===*/

#include <stdint.h>

struct Source {
  const float *data;
  int64_t strides[5];
};

enum { ROWS = 3, ROWS_PER_TASK = 2, COLUMN_TASKS = 2 };

static int aligned(const void *pointer) { return ((uintptr_t)pointer & 63) == 0; }

/* Tasks are blocks of two rows times halves of the columns; rows of consecutive images are contiguous. */
#define DEFINE_TOY(W)                                                                                                          \
  void toy##W##_scale(void *const *buffers, int64_t images, int64_t begin, int64_t end, void *scratch) {                       \
    const float *in = buffers[0], *weight = buffers[1];                                                                        \
    float *out = buffers[2], *copy = scratch;                                                                                  \
    int valid = aligned(in) && aligned(weight) && aligned(out) && aligned(scratch);                                            \
    for (int64_t task = begin; task < end; ++task) {                                                                           \
      int64_t first = task / COLUMN_TASKS * ROWS_PER_TASK, last = first + ROWS_PER_TASK;                                       \
      int64_t left = task % COLUMN_TASKS * (W / 2), right = task % COLUMN_TASKS ? W : W / 2;                                   \
      if (last > images * ROWS)                                                                                                \
        last = images * ROWS;                                                                                                  \
      for (int64_t row = first; row < last; ++row) {                                                                           \
        for (int64_t j = left; j < right; ++j)                                                                                 \
          copy[j] = in[row * W + j];                                                                                           \
        for (int64_t j = left; j < right; ++j)                                                                                 \
          out[row * W + j] = valid ? copy[j] * weight[j] : -12345.0f;                                                          \
      }                                                                                                                        \
    }                                                                                                                          \
  }                                                                                                                            \
  void toy##W##_bias(void *const *buffers, int64_t images, int64_t begin, int64_t end, void *scratch) {                        \
    const float *in = buffers[0], *weight = buffers[1];                                                                        \
    float *out = buffers[2];                                                                                                   \
    int valid = aligned(in) && aligned(weight) && aligned(out);                                                                \
    for (int64_t row = begin; row < end; ++row)                                                                                \
      for (int64_t j = 0; j < W; ++j)                                                                                          \
        out[row * W + j] = valid ? in[row * W + j] + weight[row % ROWS * W + j] : -12345.0f;                                   \
  }                                                                                                                            \
  void toy##W##_sum(void *const *buffers, int64_t images, int64_t begin, int64_t end, void *scratch) {                         \
    const float *in = buffers[0];                                                                                              \
    float *out = buffers[1];                                                                                                   \
    int valid = aligned(in) && aligned(out);                                                                                   \
    for (int64_t image = begin; image < end; ++image)                                                                          \
      for (int64_t j = 0; j < W; ++j) {                                                                                        \
        const float *column = in + image * ROWS * W + j;                                                                       \
        out[image * W + j] = valid ? (column[0] + column[W]) + column[2 * W] : -12345.0f;                                      \
      }                                                                                                                        \
  }                                                                                                                            \
  void toy##W##_bind_vector(void *packed, const struct Source *sources, void *scratch) {                                       \
    float *to = packed;                                                                                                        \
    for (int64_t j = 0; j < W; ++j)                                                                                            \
      to[j] = sources[0].data[j * sources[0].strides[0]];                                                                      \
  }                                                                                                                            \
  void toy##W##_bind_matrix(void *packed, const struct Source *sources, void *scratch) {                                       \
    float *to = packed, *row = scratch;                                                                                        \
    for (int64_t i = 0; i < ROWS; ++i) {                                                                                       \
      for (int64_t j = 0; j < W; ++j)                                                                                          \
        row[j] = sources[0].data[i * sources[0].strides[0] + j * sources[0].strides[1]];                                       \
      for (int64_t j = 0; j < W; ++j)                                                                                          \
        to[i * W + j] = row[j];                                                                                                \
    }                                                                                                                          \
  }

DEFINE_TOY(5)
DEFINE_TOY(16)

static float fromBits(uint32_t bits) {
  union {
    uint32_t bits;
    float value;
  } u = {bits};
  return u.value;
}

void vitc_convert_bf16(const void *from, float *to, int64_t n) {
  const uint16_t *bits = from;
  for (int64_t i = 0; i < n; ++i)
    to[i] = fromBits((uint32_t)bits[i] << 16);
}

/* Normal numbers and zero only: the tests use no others. */
void vitc_convert_f16(const void *from, float *to, int64_t n) {
  const uint16_t *bits = from;
  for (int64_t i = 0; i < n; ++i) {
    uint32_t sign = (uint32_t)(bits[i] & 0x8000) << 16, magnitude = bits[i] & 0x7fff;
    to[i] = fromBits(magnitude ? sign | ((magnitude << 13) + (112u << 23)) : sign);
  }
}

void vitc_convert_f64(const void *from, float *to, int64_t n) {
  const double *values = from;
  for (int64_t i = 0; i < n; ++i)
    to[i] = (float)values[i];
}
