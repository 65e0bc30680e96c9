/* Uses every function of covmap.h on the radiograph given; the exit status is 0 if all of them do what the header says. */
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "covmap.h"

#define CHECK(condition)                                                                                   \
    do {                                                                                                   \
        if (!(condition)) {                                                                                \
            fprintf(stderr, "%s:%d: %s (%s)\n", __FILE__, __LINE__, #condition, covmap_last_error());      \
            exit(1);                                                                                       \
        }                                                                                                  \
    } while (0)

#define OK(call) CHECK((call) == COVMAP_STATUS_OK)

static unsigned char *read_file(const char *path, size_t *size) {
    FILE *file = fopen(path, "rb");
    CHECK(file && fseek(file, 0, SEEK_END) == 0);
    long end = ftell(file);
    CHECK(end > 0 && fseek(file, 0, SEEK_SET) == 0);
    unsigned char *bytes = malloc((size_t)end);
    CHECK(bytes && fread(bytes, 1, (size_t)end, file) == (size_t)end);
    fclose(file);
    *size = (size_t)end;
    return bytes;
}

static char *encoded(const covmap_analysis *analysis, const char *format, const covmap_options *options, size_t *size) {
    covmap_bytes *bytes = NULL;
    OK(covmap_analysis_encode(analysis, format, options, &bytes));
    *size = covmap_bytes_size(bytes);
    char *copy = malloc(*size + 1);
    CHECK(copy && covmap_bytes_data(bytes)[*size] == 0);
    memcpy(copy, covmap_bytes_data(bytes), *size + 1);
    covmap_bytes_free(bytes);
    return copy;
}

struct seen {
    size_t outcomes, failures, stop_after;
};

static int see(void *user, size_t index, covmap_status status, const char *error, covmap_analysis *analysis) {
    struct seen *seen = user;
    CHECK(index == seen->outcomes);
    CHECK((status == COVMAP_STATUS_OK) == (analysis != NULL) && (status == COVMAP_STATUS_OK) == (error[0] == 0));
    seen->failures += status != COVMAP_STATUS_OK;
    covmap_analysis_free(analysis);
    return ++seen->outcomes == seen->stop_after;
}

/* A runner: the last image first, each twice; or one that forgets an image, or one that gives up. */
struct runner {
    enum { BACKWARDS, FORGETFUL, UNABLE } mode;
    size_t given;
};

static int run(void *user, covmap_task task, void *data, size_t count) {
    struct runner *runner = user;
    if (runner->mode == UNABLE) {
        return -5;
    }
    for (size_t i = count; i > (runner->mode == FORGETFUL ? 1 : 0); i--) {
        task(data, i - 1);
        task(data, i - 1);
    }
    runner->given += count;
    return 0;
}

static void count_message(void *user, const char *level, const char *message) {
    CHECK(strlen(level) > 0 && strlen(message) > 0);
    ++*(size_t *)user;
}

static void *cancel_soon(void *token) {
    const struct timespec soon = {0, 50 * 1000 * 1000};
    nanosleep(&soon, NULL);
    OK(covmap_cancel_token_cancel(token));
    return NULL;
}

/* An analysis ends when another thread says so, when its time is over, and where it would need too much memory. */
static void check_limits(const covmap_pipeline *pipeline, const uint8_t *pixels, size_t side, size_t stride) {
    covmap_analysis *none = NULL;
    covmap_options *options = covmap_options_new();
    covmap_cancel_token *token = covmap_cancel_token_new();
    CHECK(options && token);
    OK(covmap_options_set_cancel_token(options, token));
    covmap_pipeline *no_pipeline = NULL;
    CHECK(covmap_pipeline_new(options, &no_pipeline) == COVMAP_STATUS_PARAMETER && strstr(covmap_last_error(), "cancel token"));
    pthread_t thread;
    CHECK(pthread_create(&thread, NULL, cancel_soon, token) == 0);
    covmap_status status = COVMAP_STATUS_OK;
    /* A pause lets the other thread in, where a tool runs one at a time. */
    const struct timespec brief = {0, 1000 * 1000};
    for (const time_t end = time(NULL) + 60; status == COVMAP_STATUS_OK && time(NULL) < end; nanosleep(&brief, NULL)) {
        status = covmap_analyze_u8(pipeline, pixels, side, side, stride, options, &none);
        covmap_analysis_free(none);
    }
    CHECK(status == COVMAP_STATUS_CANCELLED && !none);
    CHECK(pthread_join(thread, NULL) == 0);
    covmap_cancel_token_free(token);
    covmap_cancel_token_free(NULL);
    CHECK(covmap_analyze_u8(pipeline, pixels, side, side, stride, options, &none) == COVMAP_STATUS_CANCELLED);
    covmap_options_free(options);

    options = covmap_options_new();
    OK(covmap_options_set(options, "timeout_ms", "0"));
    CHECK(covmap_analyze_u8(pipeline, pixels, side, side, stride, options, &none) == COVMAP_STATUS_CANCELLED);
    covmap_options_free(options);
    options = covmap_options_new();
    OK(covmap_options_set(options, "max_memory_bytes", "1000"));
    CHECK(covmap_analyze_u8(pipeline, pixels, side, side, stride, options, &none) == COVMAP_STATUS_LIMITS_EXCEEDED);
    CHECK(strstr(covmap_last_error(), "the limit is 1000") && !none);
    covmap_options_free(options);
}

/* NULL where something is needed is the caller's mistake, never a crash. */
static void check_null(const covmap_pipeline *pipeline, const covmap_analysis *analysis) {
    const covmap_status wrong = COVMAP_STATUS_PARAMETER;
    covmap_options *options = covmap_options_new();
    covmap_analysis *no_analysis = NULL;
    covmap_bytes *no_bytes = NULL;
    const char *no_path = NULL;
    uint8_t pixel = 0;
    uint16_t wide = 0;
    size_t side = 0;
    struct seen seen = {0, 0, 0};
    CHECK(covmap_set_log(count_message, NULL, NULL) == wrong);
    CHECK(covmap_options_set(NULL, "views", "flip") == wrong && covmap_options_set(options, NULL, "flip") == wrong);
    CHECK(covmap_options_set(options, "views", NULL) == wrong);
    CHECK(covmap_options_add_model(NULL, &pixel, 1, NULL) == wrong && covmap_options_add_model(options, NULL, 1, NULL) == wrong);
    CHECK(covmap_options_set_runner(NULL, run, NULL) == wrong);
    OK(covmap_options_set_runner(options, run, NULL));
    CHECK(covmap_analyze_file(pipeline, "x", options, &no_analysis) == wrong && strstr(covmap_last_error(), "runner"));
    OK(covmap_options_set_runner(options, NULL, NULL));
    CHECK(covmap_pipeline_new(options, NULL) == wrong);
    CHECK(covmap_options_set_cancel_token(options, NULL) == wrong && covmap_cancel_token_cancel(NULL) == wrong);
    CHECK(covmap_pipeline_describe(NULL, &no_bytes) == wrong && covmap_pipeline_describe(pipeline, NULL) == wrong);
    CHECK(covmap_analyze_file(NULL, "x", NULL, &no_analysis) == wrong && covmap_analyze_file(pipeline, NULL, NULL, &no_analysis) == wrong);
    CHECK(covmap_analyze_file(pipeline, "x", NULL, NULL) == wrong);
    CHECK(covmap_analyze_bytes(NULL, &pixel, 1, NULL, &no_analysis) == wrong);
    CHECK(covmap_analyze_bytes(pipeline, NULL, 1, NULL, &no_analysis) == wrong && covmap_analyze_bytes(pipeline, &pixel, 1, NULL, NULL) == wrong);
    CHECK(covmap_analyze_u8(NULL, &pixel, 1, 1, 1, NULL, &no_analysis) == wrong && covmap_analyze_u8(pipeline, &pixel, 1, 1, 1, NULL, NULL) == wrong);
    CHECK(covmap_analyze_u16(NULL, &wide, 1, 1, 1, NULL, &no_analysis) == wrong);
    CHECK(covmap_analyze_u16(pipeline, NULL, 1, 1, 1, NULL, &no_analysis) == wrong && covmap_analyze_u16(pipeline, &wide, 1, 1, 1, NULL, NULL) == wrong);
    CHECK(covmap_analyze_files(NULL, &no_path, 1, NULL, see, &seen) == wrong && covmap_analyze_files(pipeline, NULL, 1, NULL, see, &seen) == wrong);
    CHECK(covmap_analyze_files(pipeline, &no_path, 1, NULL, see, &seen) == wrong && covmap_analyze_files(pipeline, &no_path, 0, NULL, NULL, &seen) == wrong);
    CHECK(covmap_analysis_size(NULL, &side, &side) == wrong && covmap_analysis_size(analysis, NULL, &side) == wrong);
    CHECK(covmap_analysis_size(analysis, &side, NULL) == wrong);
    CHECK(!covmap_analysis_infection(NULL) && !covmap_analysis_lungs(NULL) && strlen(covmap_last_error()) > 0);
    CHECK(!covmap_analysis_probability(NULL, &side, &side) && !covmap_analysis_probability(analysis, NULL, &side));
    CHECK(covmap_analysis_encode(NULL, "json", NULL, &no_bytes) == wrong && covmap_analysis_encode(analysis, NULL, NULL, &no_bytes) == wrong);
    CHECK(covmap_analysis_encode(analysis, "json", NULL, NULL) == wrong);
    CHECK(!covmap_bytes_data(NULL) && covmap_bytes_size(NULL) == 0 && !no_analysis && !no_bytes && seen.outcomes == 0);
    covmap_options_free(options);
    covmap_options_free(NULL);
    covmap_pipeline_free(NULL);
    covmap_analysis_free(NULL);
    covmap_bytes_free(NULL);
}

int main(int argc, char **argv) {
    CHECK(argc == 2 || argc == 3); /* a DICOM file, and a small model for tools that are slow */

    char version[32];
    snprintf(version, sizeof version, "%d.%d.%d", COVMAP_VERSION_MAJOR, COVMAP_VERSION_MINOR, COVMAP_VERSION_PATCH);
    CHECK(strncmp(covmap_version(), version, strlen(version)) == 0);

    covmap_options *options = covmap_options_new();
    CHECK(options);
    CHECK(covmap_options_set(options, "colour", "red") == COVMAP_STATUS_PARAMETER);
    CHECK(strstr(covmap_last_error(), "colour"));
    OK(covmap_options_set(options, "threads", "1"));
    OK(covmap_options_set(options, "fusion", "mean"));
    if (argc == 3) {
        OK(covmap_options_set(options, "model", argv[2]));
    }
    size_t messages = 0;
    OK(covmap_set_log(count_message, &messages, "info"));
    covmap_pipeline *pipeline = NULL;
    OK(covmap_pipeline_new(options, &pipeline));
    CHECK(strcmp(covmap_last_error(), "") == 0);
    covmap_options_free(options);
    OK(covmap_set_log(NULL, NULL, NULL));
    CHECK(messages > 0);

    covmap_bytes *description = NULL;
    OK(covmap_pipeline_describe(pipeline, &description));
    CHECK(strstr((const char *)covmap_bytes_data(description), "\"sha256\""));
    covmap_bytes_free(description);

    covmap_analysis *file = NULL, *bytes = NULL, *eight = NULL, *sixteen = NULL, *none = NULL;
    OK(covmap_analyze_file(pipeline, argv[1], NULL, &file));
    size_t width = 0, height = 0;
    OK(covmap_analysis_size(file, &width, &height));
    CHECK(width > 0 && height > 0);

    /* A file and its bytes are one radiograph. */
    size_t size = 0;
    unsigned char *content = read_file(argv[1], &size);
    OK(covmap_analyze_bytes(pipeline, content, size, NULL, &bytes));
    CHECK(memcmp(covmap_analysis_infection(file), covmap_analysis_infection(bytes), width * height) == 0);
    if (argc == 2) {
        CHECK(memcmp(covmap_analysis_lungs(file), covmap_analysis_lungs(bytes), width * height) == 0);
    } else {
        CHECK(covmap_analysis_lungs(file) == NULL && covmap_last_error()[0] == 0);
    }
    size_t columns = 0, rows = 0;
    const float *probability = covmap_analysis_probability(file, &columns, &rows);
    CHECK(probability && columns > 0 && rows > 0 && probability[columns * rows - 1] >= 0 && probability[0] <= 1);
    CHECK(covmap_analyze_bytes(pipeline, content, 10, NULL, &none) == COVMAP_STATUS_INPUT && !none);
    CHECK(covmap_analyze_file(pipeline, "/nowhere.png", NULL, &none) == COVMAP_STATUS_IO && !none);
    free(content);

    check_null(pipeline, file);

    /* 8 bits and 16 bits of the same grey are one radiograph. */
    enum { SIDE = 200, STRIDE = 210 };
    static uint8_t grey8[SIDE * STRIDE];
    static uint16_t grey16[SIDE * STRIDE];
    for (size_t i = 0; i < sizeof grey8; i++) {
        grey8[i] = (uint8_t)(i % STRIDE);
        grey16[i] = (uint16_t)(grey8[i] * 257u);
    }
    options = covmap_options_new();
    OK(covmap_options_set(options, "views", "flip"));
    OK(covmap_options_set(options, "operating_point", "sensitivity95"));
    OK(covmap_analyze_u8(pipeline, grey8, SIDE, SIDE, STRIDE, options, &eight));
    OK(covmap_analyze_u16(pipeline, grey16, SIDE, SIDE, STRIDE, options, &sixteen));
    CHECK(memcmp(covmap_analysis_infection(eight), covmap_analysis_infection(sixteen), SIDE * SIDE) == 0);
    CHECK(covmap_analyze_u8(pipeline, NULL, SIDE, SIDE, STRIDE, options, &none) == COVMAP_STATUS_PARAMETER && !none);
    covmap_options_free(options);

    check_limits(pipeline, grey8, SIDE, STRIDE);

    const char *paths[] = {argv[1], "/nowhere.png", argv[1]};
    struct seen all = {0, 0, 0}, one = {0, 0, 1};
    OK(covmap_analyze_files(pipeline, paths, 3, NULL, see, &all));
    CHECK(all.outcomes == 3 && all.failures == 1);
    CHECK(covmap_analyze_files(pipeline, paths, 3, NULL, see, &one) == COVMAP_STATUS_CANCELLED && one.outcomes == 1);

    /* The caller's runner, which gets four images for each of "threads"; leaving one out is the caller's mistake. */
    struct runner runner = {BACKWARDS, 0};
    struct seen outcomes = {0, 0, 0}, nothing = {0, 0, 0};
    covmap_pipeline *own = NULL;
    options = covmap_options_new();
    OK(covmap_options_set(options, "threads", "1"));
    if (argc == 3) {
        OK(covmap_options_set(options, "model", argv[2]));
    }
    OK(covmap_options_set_runner(options, run, &runner));
    OK(covmap_pipeline_new(options, &own));
    covmap_options_free(options);
    OK(covmap_analyze_files(own, paths, 3, NULL, see, &outcomes));
    CHECK(outcomes.outcomes == 3 && outcomes.failures == 1 && runner.given == 3);
    runner.mode = FORGETFUL;
    CHECK(covmap_analyze_files(own, paths, 3, NULL, see, &nothing) == COVMAP_STATUS_PARAMETER);
    CHECK(strstr(covmap_last_error(), "task 0 of 3") && nothing.outcomes == 0);
    runner.mode = UNABLE;
    CHECK(covmap_analyze_files(own, paths, 3, NULL, see, &nothing) == COVMAP_STATUS_PARAMETER);
    CHECK(strstr(covmap_last_error(), "-5") && nothing.outcomes == 0);
    covmap_pipeline_free(own);

    /* A model that is none. */
    options = covmap_options_new();
    OK(covmap_options_add_model(options, grey8, 100, NULL));
    covmap_pipeline *broken = NULL;
    CHECK(covmap_pipeline_new(options, &broken) == COVMAP_STATUS_MODEL && !broken);
    covmap_options_free(options);
    covmap_pipeline_free(pipeline);

    char *json = encoded(file, "json", NULL, &size);
    const char *slash = strrchr(argv[1], '/');
    CHECK(strstr(json, "\"schema\": \"covmap/1\"") && strstr(json, slash ? slash + 1 : argv[1]));
    free(json);
    options = covmap_options_new();
    OK(covmap_options_set(options, "opacity", "1"));
    OK(covmap_options_set(options, "colormap", "cividis"));
    char *overlay = encoded(file, "overlay", options, &size);
    CHECK(size == width * height * 3);
    free(overlay);
    covmap_options_free(options);
    const char *dicom[] = {"seg.dcm", "sr.dcm", "sc.dcm"};
    for (size_t i = 0; i < 3; i++) {
        char *object = encoded(file, dicom[i], NULL, &size);
        CHECK(size > 132 && memcmp(object + 128, "DICM", 4) == 0);
        free(object);
    }
    covmap_bytes *no_bytes = NULL;
    CHECK(covmap_analysis_encode(eight, "seg.dcm", NULL, &no_bytes) == COVMAP_STATUS_INPUT && !no_bytes);
    covmap_analysis_free(file);
    covmap_analysis_free(bytes);
    covmap_analysis_free(eight);
    covmap_analysis_free(sixteen);
    return 0;
}
