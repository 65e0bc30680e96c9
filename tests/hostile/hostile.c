/* What the C library makes of damaged files: reads paths, a line each, and says of every file "ok" or the kind of its error.
   hostile [MODEL] */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "covmap.h"

enum { WIDTH = 80, HEIGHT = 64 };

static const char *const KINDS[] = {"ok", "Io", "Input", "Model", "Parameter", "LimitsExceeded", "Cancelled", "Internal"};

static covmap_status load(const char *model, covmap_pipeline **pipeline) {
    covmap_options *options = covmap_options_new();
    covmap_status status = covmap_options_set(options, "threads", "1");
    if (status == COVMAP_STATUS_OK && model) {
        status = covmap_options_set(options, "model", model);
    }
    if (status == COVMAP_STATUS_OK) {
        status = covmap_pipeline_new(options, pipeline);
    }
    covmap_options_free(options);
    return status;
}

int main(int argc, char **argv) {
    static uint16_t picture[WIDTH * HEIGHT];
    for (size_t i = 0; i < WIDTH * HEIGHT; i++) {
        picture[i] = (uint16_t)(i * 2654435761u >> 16);
    }
    covmap_pipeline *pipeline = NULL;
    if (load(argc > 1 ? argv[1] : NULL, &pipeline) != COVMAP_STATUS_OK) {
        fprintf(stderr, "%s\n", covmap_last_error());
        return 1;
    }
    char path[4096];
    while (fgets(path, sizeof path, stdin)) {
        path[strcspn(path, "\n")] = '\0';
        const char *ending = strrchr(path, '.');
        covmap_analysis *analysis = NULL;
        covmap_status status;
        if (ending && strcmp(ending, ".onnx") == 0) {
            covmap_pipeline *own = NULL;
            status = load(path, &own);
            if (status == COVMAP_STATUS_OK) {
                status = covmap_analyze_u16(own, picture, WIDTH, HEIGHT, WIDTH, NULL, &analysis);
            }
            covmap_pipeline_free(own);
        } else {
            status = covmap_analyze_file(pipeline, path, NULL, &analysis);
        }
        if ((status == COVMAP_STATUS_OK) != (covmap_last_error()[0] == '\0')) {
            fprintf(stderr, "%s: a status without its text\n", path);
            return 1;
        }
        covmap_analysis_free(analysis);
        puts(KINDS[status]);
        fflush(stdout);
    }
    covmap_pipeline_free(pipeline);
    return 0;
}
