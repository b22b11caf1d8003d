/*===- CHeader.c - the C header from C99 ----------------------------------------------------------*- C -*-===*
 *
 * Part of the vitc project, under the Apache License v2.0 with LLVM Exceptions.
 * SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
 *
 *===------------------------------------------------------------------------------------------------===*
 *
 * Compiled by -std=c99 -pedantic-errors; the header comes first and alone.
 *===------------------------------------------------------------------------------------------------===*/

#include "runtime/vitrt.h"

uint32_t versionSeenFromC(void);
vitrt_status runFromC(const void *bytes, size_t size, const float *image, float *sums);

uint32_t versionSeenFromC(void) { return vitrt_version(); }

/* Opens, runs one image, closes: the whole of a small program. */
vitrt_status runFromC(const void *bytes, size_t size, const float *image, float *sums) {
  vitrt_model *model = NULL;
  vitrt_session *session = NULL;
  vitrt_session_options options = {0};
  const float *inputs[1];
  float *outputs[1];
  vitrt_status status = vitrt_model_open_memory(bytes, size, NULL, &model);
  options.struct_size = (uint32_t)sizeof(options);
  options.threads = 2;
  if (status == VITRT_OK)
    status = vitrt_session_create(model, &options, &session);
  inputs[0] = image;
  outputs[0] = sums;
  if (status == VITRT_OK)
    status = vitrt_run(session, 1, inputs, outputs);
  vitrt_session_destroy(session);
  vitrt_model_close(model);
  return status;
}
