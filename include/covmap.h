/*
 * covmap: infection maps from chest radiographs.
 *
 * A C or C++ caller loads a pipeline once, analyses many radiographs with it, and reads each result until it frees it
 * (examples/c/analyze.c is a whole program). Rules that hold everywhere:
 *
 * - A call that can fail returns a covmap_status; covmap_last_error has the text. No panic reaches the caller.
 * - What a call puts in *out, and covmap_options_new returns, covmap_X_free takes back; everything else is borrowed.
 * - A pipeline may be used by many threads at once. Options belong to one thread at a time. Results do not change, and
 * may be read by many threads at once.
 * - Threads are the pipeline's own, as many as "threads" says, or the caller's (covmap_options_set_runner).
 * - A callback returns as C functions do: no C++ exception and no longjmp may leave it.
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
  // The caller's mistake: NULL, an unknown option, a buffer too short.
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

// Bytes that the library made: a text, a picture, a DICOM file.
typedef struct covmap_bytes covmap_bytes;

// Ends analyses from any thread.
typedef struct covmap_cancel_token covmap_cancel_token;

// Options of a pipeline, of one analysis or of one result, by name.
typedef struct covmap_options covmap_options;

// Models, loaded and ready. Many threads may analyse with one pipeline at once, and need no lock for it.
typedef struct covmap_pipeline covmap_pipeline;

// Receives a message and its level: "error", "warn", "info", "debug" or "trace". Both texts are valid during the call, which
// comes from any thread, from several at once, and must not call covmap_set_log.
typedef void (*covmap_log_callback)(void *user, const char *level, const char *message);

// One image of a batch, for a covmap_runner to call with the data that came with it. It may take seconds, keeps to the
// thread that calls it, and has nothing to return.
typedef void (*covmap_task)(void *data, size_t index);

// Calls task(data, index) once for every index below count, in any order, on threads of its choice, several at once where
// it likes, and returns 0 when the last of them has returned. Anything else says that it could not, and ends the batch.
typedef int (*covmap_runner)(void *user, covmap_task task, void *data, size_t count);

// Receives one outcome of a batch: index is the path's place, counted from 0. With COVMAP_STATUS_OK the analysis is the
// callback's own, to be freed with covmap_analysis_free; else it is NULL, and error says why, valid during the call.
// Returns 0 to go on; anything else cancels the batch.
typedef int (*covmap_batch_callback)(void *user, size_t index, covmap_status status, const char *error, covmap_analysis *analysis);

#ifdef __cplusplus
extern "C" {
#endif // __cplusplus

// Version of the loaded library, as "0.1.0"; COVMAP_VERSION_MAJOR and its like are those of this header. Never NULL.
const char *covmap_version(void);

// Why the last call on this thread failed, in UTF-8; "" where it did not. Never NULL; valid until the next call of covmap
// on this thread. The covmap_..._free functions leave the text alone, so that it can be read after cleaning up.
const char *covmap_last_error(void);

// Sends messages up to level ("error", "warn", "info", "debug", "trace") of the whole process to callback, and user with
// each. NULL for callback ends that: no call of the one before runs or comes after this returns. Nothing is sent by default.
covmap_status covmap_set_log(covmap_log_callback callback, void *user, const char *level);

// Options with nothing set. NULL only where covmap_last_error has a text.
covmap_options *covmap_options_new(void);

// Sets one option. Strings are copied.
//
// Options of a pipeline:
//   "model"           path of an ONNX file instead of the bundled model; set several times, it makes an ensemble
//   "fusion"          how an ensemble's members become one: "mean" (default), "logit-mean", "max", "vote"
//   "threads"         threads of one analysis, and images at once in a batch, at least "1"; all processors by default. With
//                     "1" an analysis runs on the calling thread alone. covmap_options_set_runner brings the caller's.
// Options of a pipeline or of one analysis:
//   "views"           test-time views: "none" (default), "flip" (also the mirror image; twice the time)
//   "operating_point" where detection says positive: "specificity95" (default), "sensitivity95"
//   "precision"       arithmetic of the network: "auto" (default), "f32", "bf16"
//   "max_memory_bytes" ends an analysis with COVMAP_STATUS_LIMITS_EXCEEDED before it starts where it would need more beside
//                     pipeline and radiograph; "2147483648" by default
// Options of one analysis:
//   "timeout_ms"      ends it with COVMAP_STATUS_CANCELLED soon after as many milliseconds; ten minutes end it in any case
//   "frame"           frame of a multi-frame DICOM file or page of a TIFF file, counted from "0" (default)
//   "photometric"     what bright means in a buffer: "MONOCHROME2" (dense, default), "MONOCHROME1" (thin: it is inverted)
//   "window"          grey levels of a buffer shown as black and as white, "LOW,HIGH"; its full range by default
//   "spacing_mm"      distance between pixel centres of a buffer, "BETWEEN_ROWS,BETWEEN_COLUMNS"; unknown by default
// Options of covmap_analysis_encode:
//   "colormap"        colours of the overlay: "jet" (default), "cividis"
//   "opacity"         how strongly colour covers grey, "0" to "1"; "0.6" by default
//   "contour"         "1" outlines in the overlay what counts as opacity; "0" by default
//
// COVMAP_STATUS_PARAMETER for an unknown key or value. A call refuses options that mean nothing to it.
covmap_status covmap_options_set(covmap_options *options, const char *key, const char *value);

// As the option "model", with the size bytes of an ONNX file, which are copied. The description, in JSON, may be NULL where
// the file carries its own.
covmap_status covmap_options_add_model(covmap_options *options, const uint8_t *bytes, size_t size, const char *description);

// Frees options; NULL is allowed.
void covmap_options_free(covmap_options *options);

// A token that nobody has cancelled. NULL only where covmap_last_error has a text.
covmap_cancel_token *covmap_cancel_token_new(void);

// Analyses with these options end with COVMAP_STATUS_CANCELLED soon after covmap_cancel_token_cancel; files of a batch that
// were not done by then as well. The token may be freed before the options, and set in several.
covmap_status covmap_options_set_cancel_token(covmap_options *options, const covmap_cancel_token *token);

// Ends every analysis with this token, running ones and later ones. Any thread may call it, at any time before the token is
// freed.
covmap_status covmap_cancel_token_cancel(const covmap_cancel_token *token);

// Frees a token; NULL is allowed. Analyses that have it go on.
void covmap_cancel_token_free(covmap_cancel_token *token);

// Lets a pipeline's batches (covmap_analyze_files) run on the caller's threads, and the pipeline start none: an analysis
// keeps to the thread that asks for it. The runner gets user with each call, on the thread that asks for the batch, as many
// images at a time as four times "threads"; it is used as long as the pipeline lives. NULL: threads of the pipeline's own,
// as by default.
covmap_status covmap_options_set_runner(covmap_options *options, covmap_runner runner, void *user);

// Loads the models. Options may be NULL: the bundled model, all defaults; they are not needed after this call. On failure
// *out is NULL.
covmap_status covmap_pipeline_new(const covmap_options *options, covmap_pipeline **out);

// What results of this pipeline follow from, in JSON: covmap (the version), models (name and sha256 of each), fusion, views,
// operating_point, precision. Equal texts mean equal results. Free *out with covmap_bytes_free; on failure it is NULL.
covmap_status covmap_pipeline_describe(const covmap_pipeline *pipeline, covmap_bytes **out);

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

// Analyses 8-bit grey pixels, row by row from the top, the patient's right at the image's left. The stride is the distance
// between the starts of two rows in pixels, at least width; (height - 1) * stride + width pixels are read. Options may be
// NULL: those of the pipeline, MONOCHROME2 over the full range. On failure *out is NULL.
covmap_status covmap_analyze_u8(const covmap_pipeline *pipeline,
                                const uint8_t *pixels,
                                size_t width,
                                size_t height,
                                size_t stride,
                                const covmap_options *options,
                                covmap_analysis **out);

// As covmap_analyze_u8, with 16-bit grey pixels in the machine's byte order over the full range 0 to 65535: of pixels with
// fewer bits the option "window" tells the range ("0,4095" for 12 bits). The stride is in pixels, not bytes.
covmap_status covmap_analyze_u16(const covmap_pipeline *pipeline,
                                 const uint16_t *pixels,
                                 size_t width,
                                 size_t height,
                                 size_t stride,
                                 const covmap_options *options,
                                 covmap_analysis **out);

// Analyses count files, several at a time (the pipeline's "threads"), one thread each. The callback gets every outcome on
// the calling thread, in the order of the paths, while later files are still being worked on; a file that fails does not
// end the batch. A pipeline with a runner (covmap_options_set_runner) gives it some files at a time, and the callback their
// outcomes before the next; COVMAP_STATUS_PARAMETER where the runner fails. "timeout_ms" bounds the whole batch.
// COVMAP_STATUS_CANCELLED where the callback ended it.
covmap_status covmap_analyze_files(const covmap_pipeline *pipeline,
                                   const char *const *paths,
                                   size_t count,
                                   const covmap_options *options,
                                   covmap_batch_callback callback,
                                   void *user);

// Writes the size of the radiograph, and so of its maps, in pixels.
covmap_status covmap_analysis_size(const covmap_analysis *analysis, size_t *width, size_t *height);

// The infection map: width * height bytes, row by row without gaps, 0 outside the lungs, infected from 128. Valid until
// covmap_analysis_free. NULL only where analysis is NULL.
const uint8_t *covmap_analysis_infection(const covmap_analysis *analysis);

// The lungs: width * height bytes, row by row without gaps: 0 outside, 1 the patient's right lung, 2 the left. Valid until
// covmap_analysis_free. NULL, with no error, where no model of the pipeline segments lungs.
const uint8_t *covmap_analysis_lungs(const covmap_analysis *analysis);

// The probability of opacity, 0 to 1, threshold at 0.5, in the network's pixels, which it writes, and not limited to the
// lungs: *width * *height numbers, row by row without gaps; more than the network's input has where dark margins were cut off.
// Valid until covmap_analysis_free. NULL where a pointer is NULL.
const float *covmap_analysis_probability(const covmap_analysis *analysis, size_t *width, size_t *height);

// Makes a result in one of these formats. Options may be NULL. Free *out with covmap_bytes_free; on failure it is NULL.
//   "json"           schema "covmap/1", UTF-8
//   "html"           one page for people, UTF-8
//   "overlay"        the map over the radiograph: width * height * 3 bytes (red, green, blue), row by row without gaps
//   "overlay.png"    the same as a picture
//   "infection.png"  the infection map as an 8-bit picture
//   "lung.png"       the lungs as an 8-bit picture, 0 everywhere where no model segments them
//   "seg.dcm"        DICOM Segmentation of lungs and opacity
//   "map.dcm"        DICOM Segmentation of the infection map, fractional
//   "sr.dcm"         DICOM Structured Report of the measurements (TID 1500)
//   "sc.dcm"         DICOM Secondary Capture of the overlay
// DICOM results belong to the study of a DICOM input; of another they are COVMAP_STATUS_INPUT. Their UIDs follow from
// input, models and options: the same result is always the same object. All of it on the calling thread.
covmap_status covmap_analysis_encode(const covmap_analysis *analysis,
                                     const char *format,
                                     const covmap_options *options,
                                     covmap_bytes **out);

// Frees an analysis and the maps borrowed from it; NULL is allowed.
void covmap_analysis_free(covmap_analysis *analysis);

// The bytes, and behind them a NUL that does not count, so that a text is a C string. Valid until covmap_bytes_free. NULL
// only where bytes is NULL.
const uint8_t *covmap_bytes_data(const covmap_bytes *bytes);

// How many they are. 0 where bytes is NULL.
size_t covmap_bytes_size(const covmap_bytes *bytes);

// Frees bytes; NULL is allowed.
void covmap_bytes_free(covmap_bytes *bytes);

#ifdef __cplusplus
}  // extern "C"
#endif  // __cplusplus

#endif  /* COVMAP_H */
