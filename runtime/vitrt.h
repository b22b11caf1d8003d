/*===- vitrt.h - run compiled Vision Transformers ---------------------------------------------*- C -*-===*
 *
 * Part of the vitc project, under the Apache License v2.0 with LLVM Exceptions.
 * SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
 *
 * The whole public face of the runtime; C99, no other header of the project is needed.
 *
 * Ownership: what a `vitrt_*_open`/`_create` call hands out is freed by the matching `_close`/`_destroy`; strings and arrays that a getter
 * returns belong to the object they were asked of and live as long as it does. A NULL object may be destroyed.
 * Errors: functions return VITRT_OK or a code; `vitrt_last_error()` is one sentence about the calling thread's last failed call.
 * Threads: a vitrt_model is immutable once its weights are bound and may be used by any number of threads. A vitrt_session (threads and
 * activation memory) serves one `vitrt_run` at a time; make one for each concurrent caller.
 *===------------------------------------------------------------------------------------------------===*/

#ifndef VITC_RUNTIME_VITRT_H
#define VITC_RUNTIME_VITRT_H

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#if defined(__GNUC__)
#define VITRT_API __attribute__((visibility("default")))
#else
#define VITRT_API
#endif

#define VITRT_VERSION_MAJOR 0
#define VITRT_VERSION_MINOR 1
#define VITRT_VERSION_PATCH 0

/* The version of the library that is linked, as major * 10000 + minor * 100 + patch. */
VITRT_API uint32_t vitrt_version(void);

typedef enum vitrt_status {
  VITRT_OK = 0,
  VITRT_ERROR_IO = 1,       /* a file cannot be opened, read or mapped */
  VITRT_ERROR_FORMAT = 2,   /* not an artifact, damaged, or of a version this library does not know */
  VITRT_ERROR_TARGET = 3,   /* no program for this machine: another CPU, missing instructions */
  VITRT_ERROR_WEIGHTS = 4,  /* weights are missing, mis-shaped or not bound yet */
  VITRT_ERROR_ARGUMENT = 5, /* the caller's values do not fit the signature */
  VITRT_ERROR_MEMORY = 6,
  VITRT_ERROR_INTERNAL = 7,
  VITRT_ERROR_DEVICE = 8 /* a GPU has no driver, is not there or failed */
} vitrt_status;

/* One sentence: what was given, what was expected, where. Empty if nothing has failed on this thread. */
VITRT_API const char *vitrt_last_error(void);

/* ---- models ------------------------------------------------------------------------------------------- */

typedef struct vitrt_model vitrt_model;

typedef enum vitrt_verify {
  VITRT_VERIFY_ALL = 0,   /* every byte of the file */
  VITRT_VERIFY_HEADER = 1 /* all but the weights: the fastest start */
} vitrt_verify;

typedef struct vitrt_open_options {
  uint32_t struct_size; /* sizeof(vitrt_open_options) */
  vitrt_verify verify;
  const char *target; /* "cpu", "reference", ...; NULL: the file's first that runs here */
  uint32_t threads;   /* for verifying; 0: all cores this process may use */
} vitrt_open_options;

/* Opens an artifact by mapping it; pages of weights are shared with other processes. `options` may be NULL. */
VITRT_API vitrt_status vitrt_model_open(const char *path, const vitrt_open_options *options, vitrt_model **model);

/* The same from memory, which must be 64-byte aligned and stay unchanged until the model is closed. Nothing is written to disk. */
VITRT_API vitrt_status vitrt_model_open_memory(const void *bytes, size_t size, const vitrt_open_options *options, vitrt_model **model);

VITRT_API void vitrt_model_close(vitrt_model *model);

/* 1 once weights are there: embedded, or bound by one of the next two calls (once a model, before the first session is created). */
VITRT_API int vitrt_model_has_weights(const vitrt_model *model);
VITRT_API vitrt_status vitrt_model_bind_weights(vitrt_model *model, const char *path);
VITRT_API vitrt_status vitrt_model_bind_random_weights(vitrt_model *model, uint64_t seed);

VITRT_API const char *vitrt_model_name(const vitrt_model *model);
VITRT_API const char *vitrt_model_target(const vitrt_model *model);
VITRT_API size_t vitrt_model_label_count(const vitrt_model *model);
VITRT_API const char *vitrt_model_label(const vitrt_model *model, size_t index);

/* Inputs and outputs of the inference program: row-major, [batch, shape...]; `rank` does not count the batch. Outputs are f32.
 * The caller's struct is filled in, and has no size to tell versions apart: it stays as it is in this major version. */
typedef struct vitrt_tensor_info {
  const char *name;
  const int64_t *shape;
  size_t rank;
  size_t elements; /* of one image: the product of shape */
} vitrt_tensor_info;

VITRT_API size_t vitrt_model_input_count(const vitrt_model *model);
VITRT_API size_t vitrt_model_output_count(const vitrt_model *model);
VITRT_API vitrt_status vitrt_model_input(const vitrt_model *model, size_t index, vitrt_tensor_info *info);
VITRT_API vitrt_status vitrt_model_output(const vitrt_model *model, size_t index, vitrt_tensor_info *info);

/* What an input's elements are: f32 of normalised images [C, H, W], or, where vitc was told --images=u8, bytes of pictures [H, W, C] as they are
 * decoded, red first. An index that there is none of is VITRT_F32. */
typedef enum vitrt_element_type { VITRT_F32 = 0, VITRT_U8 = 1 } vitrt_element_type;
VITRT_API vitrt_element_type vitrt_model_input_type(const vitrt_model *model, size_t index);

/* ---- sessions --------------------------------------------------------------------------------------------- */

typedef struct vitrt_session vitrt_session;

typedef struct vitrt_session_options {
  uint32_t struct_size; /* sizeof(vitrt_session_options) */
  uint32_t threads;     /* 0: all cores this process may use */
  int pin;              /* 1: bind worker i > 0 to the i-th core this process may use; worker 0 is the thread that calls vitrt_run */
} vitrt_session_options;

VITRT_API vitrt_status vitrt_session_create(const vitrt_model *model, const vitrt_session_options *options, vitrt_session **session);
VITRT_API void vitrt_session_destroy(vitrt_session *session);

/* Runs `batch` >= 1 images. inputs[i] holds batch * elements floats (of VITRT_U8: as many bytes, its pointer cast), outputs[i] has room for
 * batch * elements floats; no alignment is asked of them.
 * The same artifact, input and number of threads give the same bits; on a GPU if there is memory for groups of the same size, since sums of few
 * images are cut elsewhere than those of many. */
VITRT_API vitrt_status vitrt_run(vitrt_session *session, size_t batch, const float *const *inputs, float *const *outputs);

#ifdef __cplusplus
} /* extern "C" */

#define VITRT_STATIC_ASSERT(condition, reason) static_assert(condition, reason)
#elif defined(__STDC_VERSION__) && __STDC_VERSION__ >= 201112L
#define VITRT_STATIC_ASSERT(condition, reason) _Static_assert(condition, reason)
#endif

/* The layout that the library was built with; C99 has no way to say so. Later versions append to the option structs only. */
#ifdef VITRT_STATIC_ASSERT
VITRT_STATIC_ASSERT(sizeof(vitrt_status) == 4 && sizeof(vitrt_verify) == 4 && sizeof(vitrt_element_type) == 4,
                    "enums are 32 bits in this ABI");
VITRT_STATIC_ASSERT(sizeof(vitrt_open_options) == (sizeof(void *) == 8 ? 24 : 16), "vitrt_open_options has another layout");
VITRT_STATIC_ASSERT(sizeof(vitrt_session_options) == 12, "vitrt_session_options has another layout");
VITRT_STATIC_ASSERT(sizeof(vitrt_tensor_info) == 4 * sizeof(void *), "vitrt_tensor_info has another layout");
#undef VITRT_STATIC_ASSERT
#endif

#endif /* VITC_RUNTIME_VITRT_H */
