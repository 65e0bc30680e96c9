/* Uses every function of covmap.h on the radiograph given; the exit status is 0 if all of them do what the header says. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

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

static char *json_of(const covmap_analysis *analysis) {
    size_t size = 0;
    OK(covmap_analysis_json(analysis, NULL, 0, &size));
    char *json = malloc(size);
    CHECK(json);
    CHECK(covmap_analysis_json(analysis, json, size - 1, &size) == COVMAP_STATUS_PARAMETER);
    CHECK(strlen(covmap_last_error()) > 0);
    OK(covmap_analysis_json(analysis, json, size, NULL));
    CHECK(strlen(json) == size - 1);
    return json;
}

int main(int argc, char **argv) {
    CHECK(argc == 2);

    char version[32];
    snprintf(version, sizeof version, "%d.%d.%d", COVMAP_VERSION_MAJOR, COVMAP_VERSION_MINOR, COVMAP_VERSION_PATCH);
    CHECK(strncmp(covmap_version(), version, strlen(version)) == 0);

    covmap_options *options = covmap_options_new();
    CHECK(options);
    CHECK(covmap_options_set(options, "colour", "red") == COVMAP_STATUS_PARAMETER);
    CHECK(strstr(covmap_last_error(), "colour"));
    OK(covmap_options_set(options, "threads", "1"));
    OK(covmap_options_set(options, "fusion", "mean"));
    covmap_pipeline *pipeline = NULL;
    OK(covmap_pipeline_new(options, &pipeline));
    CHECK(strcmp(covmap_last_error(), "") == 0);
    covmap_options_free(options);

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
    CHECK(memcmp(covmap_analysis_lungs(file), covmap_analysis_lungs(bytes), width * height) == 0);
    CHECK(covmap_analyze_bytes(pipeline, content, 10, NULL, &none) == COVMAP_STATUS_INPUT && !none);
    CHECK(covmap_analyze_file(pipeline, "/nowhere.png", NULL, &none) == COVMAP_STATUS_IO && !none);
    free(content);

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
    covmap_pipeline_free(pipeline);

    char *json = json_of(file);
    const char *slash = strrchr(argv[1], '/');
    CHECK(strstr(json, "\"schema\": \"covmap/1\"") && strstr(json, slash ? slash + 1 : argv[1]));
    free(json);
    covmap_analysis_free(file);
    covmap_analysis_free(bytes);
    covmap_analysis_free(eight);
    covmap_analysis_free(sixteen);
    return 0;
}
