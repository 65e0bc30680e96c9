/*
 * Analyses one radiograph: prints the result as JSON and, if asked, writes the infection map as a PGM picture.
 *
 *   cc -std=c11 analyze.c $(pkg-config --cflags --libs covmap) -o analyze
 *   ./analyze chest.dcm map.pgm
 */
#include <stdio.h>

#include "covmap.h"

static int print_json(const covmap_analysis *analysis) {
    covmap_bytes *json = NULL;
    int done = covmap_analysis_encode(analysis, "json", NULL, &json) == COVMAP_STATUS_OK &&
               puts((const char *)covmap_bytes_data(json)) >= 0;
    covmap_bytes_free(json);
    return done;
}

static int write_map(const covmap_analysis *analysis, const char *path) {
    size_t width = 0, height = 0;
    if (covmap_analysis_size(analysis, &width, &height) != COVMAP_STATUS_OK) {
        return 0;
    }
    /* Borrowed from the analysis: 0 outside the lungs, infected from 128. */
    const uint8_t *map = covmap_analysis_infection(analysis);
    FILE *file = fopen(path, "wb");
    if (!file) {
        return 0;
    }
    int done = fprintf(file, "P5\n%zu %zu\n255\n", width, height) > 0 && fwrite(map, width, height, file) == height;
    return fclose(file) == 0 && done;
}

int main(int argc, char **argv) {
    if (argc < 2 || argc > 3) {
        fprintf(stderr, "usage: %s RADIOGRAPH [MAP.pgm]\n", argv[0]);
        return 2;
    }
    covmap_pipeline *pipeline = NULL;
    covmap_analysis *analysis = NULL;
    int done = 0;
    /* NULL for options: the bundled model with its defaults. Load once, analyse many. */
    if (covmap_pipeline_new(NULL, &pipeline) != COVMAP_STATUS_OK ||
        covmap_analyze_file(pipeline, argv[1], NULL, &analysis) != COVMAP_STATUS_OK) {
        fprintf(stderr, "analyze: %s\n", covmap_last_error());
    } else if (!print_json(analysis) || (argc == 3 && !write_map(analysis, argv[2]))) {
        fprintf(stderr, "analyze: the result could not be written\n");
    } else {
        done = 1;
    }
    covmap_analysis_free(analysis);
    covmap_pipeline_free(pipeline);
    return done ? 0 : 1;
}
