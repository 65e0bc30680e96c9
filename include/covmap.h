/*
 * covmap: infection maps from chest radiographs.
 *
 * A C or C++ caller loads a pipeline once, analyses many radiographs with it, and reads each result until it frees it
 * (examples/c/analyze.c is a whole program). Rules that hold everywhere:
 *
 * - A call that can fail returns a covmap_status; covmap_last_error has the text. No panic reaches the caller.
 * - What covmap_X_new or covmap_analyze_* hands out, covmap_X_free takes back; everything else is borrowed.
 * - A pipeline may be used by many threads at once. Options belong to one thread at a time. Results do not change.
 * - Options are pairs of strings, so that new ones never change the ABI.
 *
 * Safety
 * Every function trusts its caller as C does: a pointer is NULL, or what the header says it points to, alive for the call.
 *
 * SPDX-License-Identifier: MIT OR Apache-2.0
 */

#ifndef COVMAP_H
#define COVMAP_H

/* Generated from covmap-capi/src. Change it there and run: COVMAP_BLESS=1 cargo test --release --test header */

#include <stddef.h>
#include <stdint.h>

/* Version of this header; covmap_version() is that of the loaded library. */
#define COVMAP_VERSION_MAJOR 0
#define COVMAP_VERSION_MINOR 1
#define COVMAP_VERSION_PATCH 0

// What came of a call, by who is at fault.
typedef enum {
  // Done.
  COVMAP_STATUS_OK = 0,
  // The operating system refused to read or write a file.
  COVMAP_STATUS_IO = 1,
  // This file or buffer is not a radiograph that can be read.
  COVMAP_STATUS_INPUT = 2,
  // This model file does not fit.
  COVMAP_STATUS_MODEL = 3,
  // The caller's mistake: NULL, an unknown option, a buffer too small.
  COVMAP_STATUS_PARAMETER = 4,
  // A documented bound on sizes was exceeded.
  COVMAP_STATUS_LIMITS_EXCEEDED = 5,
  // The caller cancelled the run, or its deadline passed.
  COVMAP_STATUS_CANCELLED = 6,
  // A defect of covmap itself.
  COVMAP_STATUS_INTERNAL = 7,
} covmap_status;

// What a pipeline found in one radiograph. It does not change, and needs no pipeline any more.
typedef struct covmap_analysis covmap_analysis;

// Options of a pipeline or of one analysis, by name.
typedef struct covmap_options covmap_options;

// Models, loaded and ready. Many threads may analyse with one pipeline at once.
typedef struct covmap_pipeline covmap_pipeline;

#ifdef __cplusplus
extern "C" {
#endif // __cplusplus

// Version of the loaded library, as "0.1.0"; COVMAP_VERSION_MAJOR and its like are those of this header. Never NULL.
const char *covmap_version(void);

// Why the last call on this thread failed, in UTF-8; "" where it did not. Never NULL; valid until the next call of covmap
// on this thread. The covmap_..._free functions leave the text alone, so that it can be read after cleaning up.
const char *covmap_last_error(void);

// Options with nothing set. NULL only where covmap_last_error has a text.
covmap_options *covmap_options_new(void);

// Sets one option. Strings are copied.
//
// Options of a pipeline:
//   "model"           path of an ONNX file instead of the bundled model; set several times, it makes an ensemble
//   "fusion"          how an ensemble's members become one: "mean" (default), "logit-mean", "max", "vote"
//   "threads"         threads of one analysis, at least "1"; all processors by default
// Options of a pipeline or of one analysis:
//   "views"           test-time views: "none" (default), "flip" (also the mirror image; twice the time)
//   "operating_point" where detection says positive: "specificity95" (default), "sensitivity95"
//
// COVMAP_STATUS_PARAMETER for an unknown key or value.
covmap_status covmap_options_set(covmap_options *options, const char *key, const char *value);

// Frees options; NULL is allowed.
void covmap_options_free(covmap_options *options);

// Loads the models. Options may be NULL: the bundled model, all defaults; they are not needed after this call. On failure
// *out is NULL.
covmap_status covmap_pipeline_new(const covmap_options *options, covmap_pipeline **out);

// Frees a pipeline; NULL is allowed. Its results stay.
void covmap_pipeline_free(covmap_pipeline *pipeline);

// Analyses a PNG, JPEG, TIFF or DICOM file, told apart by content. The path is in the file system's own bytes, UTF-8 on
// Windows. Options may be NULL: those of the pipeline. On failure *out is NULL.
covmap_status covmap_analyze_file(const covmap_pipeline *pipeline,
                                  const char *path,
                                  const covmap_options *options,
                                  covmap_analysis **out);

// Analyses the size bytes of a PNG, JPEG, TIFF or DICOM file. Options may be NULL: those of the pipeline. On failure *out
// is NULL.
covmap_status covmap_analyze_bytes(const covmap_pipeline *pipeline,
                                   const uint8_t *bytes,
                                   size_t size,
                                   const covmap_options *options,
                                   covmap_analysis **out);

// Analyses 8-bit grey pixels, row by row from the top, bright is dense (MONOCHROME2), the patient's right at the image's
// left. The stride is the distance between the starts of two rows in pixels, at least width; (height - 1) * stride + width
// pixels are read. Options may be NULL: those of the pipeline. On failure *out is NULL.
covmap_status covmap_analyze_u8(const covmap_pipeline *pipeline,
                                const uint8_t *pixels,
                                size_t width,
                                size_t height,
                                size_t stride,
                                const covmap_options *options,
                                covmap_analysis **out);

// As covmap_analyze_u8, with 16-bit grey pixels in the machine's byte order over the full range 0 to 65535: pixels of fewer
// bits are scaled by the caller. The stride is in pixels, not bytes.
covmap_status covmap_analyze_u16(const covmap_pipeline *pipeline,
                                 const uint16_t *pixels,
                                 size_t width,
                                 size_t height,
                                 size_t stride,
                                 const covmap_options *options,
                                 covmap_analysis **out);

// Writes the size of the radiograph, and so of its maps, in pixels.
covmap_status covmap_analysis_size(const covmap_analysis *analysis, size_t *width, size_t *height);

// The infection map: width * height bytes, row by row without gaps, 0 outside the lungs, infected from 128. Valid until
// covmap_analysis_free. NULL only where analysis is NULL.
const uint8_t *covmap_analysis_infection(const covmap_analysis *analysis);

// The lungs: width * height bytes, row by row without gaps: 0 outside, 1 the patient's right lung, 2 the left. Valid until
// covmap_analysis_free. NULL, with no error, where no model of the pipeline segments lungs.
const uint8_t *covmap_analysis_lungs(const covmap_analysis *analysis);

// Writes the result as JSON (schema "covmap/1") in UTF-8, with a NUL at its end, into capacity bytes at buffer. *needed, if
// needed is not NULL, becomes the size with the NUL. To ask for that size, pass NULL and 0 for buffer and capacity. A
// buffer too small is COVMAP_STATUS_PARAMETER and stays as it was.
covmap_status covmap_analysis_json(const covmap_analysis *analysis, char *buffer, size_t capacity, size_t *needed);

// Frees an analysis and the maps borrowed from it; NULL is allowed.
void covmap_analysis_free(covmap_analysis *analysis);

#ifdef __cplusplus
}  // extern "C"
#endif  // __cplusplus

#endif  /* COVMAP_H */
