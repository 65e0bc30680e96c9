/* Many threads, one pipeline, files and buffers at once: every result is the one that a single thread gets. */
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "covmap.h"

enum { THREADS = 16, SIDE = 160 };

static covmap_pipeline *pipeline;
static covmap_analysis *expected_file, *expected_buffer;
static const char *path;
static uint16_t grey[SIDE * SIDE];
static int rounds;

static int same(const covmap_analysis *a, const covmap_analysis *b) {
    size_t wa = 0, ha = 0, wb = 1, hb = 1;
    return covmap_analysis_size(a, &wa, &ha) == COVMAP_STATUS_OK && covmap_analysis_size(b, &wb, &hb) == COVMAP_STATUS_OK &&
           wa == wb && ha == hb && memcmp(covmap_analysis_infection(a), covmap_analysis_infection(b), wa * ha) == 0 &&
           memcmp(covmap_analysis_lungs(a), covmap_analysis_lungs(b), wa * ha) == 0;
}

static void *work(void *number) {
    size_t wrong = 0, mine = (size_t)number;
    for (int i = 0; i < rounds; i++) {
        covmap_analysis *file = NULL, *buffer = NULL, *none = NULL;
        char nowhere[32];
        wrong += covmap_analyze_file(pipeline, path, NULL, &file) != COVMAP_STATUS_OK || !same(file, expected_file);
        wrong += covmap_analyze_u16(pipeline, grey, SIDE, SIDE, SIDE, NULL, &buffer) != COVMAP_STATUS_OK || !same(buffer, expected_buffer);
        /* The text of an error is this thread's own. */
        snprintf(nowhere, sizeof nowhere, "/nowhere-%zu", mine);
        wrong += covmap_analyze_file(pipeline, nowhere, NULL, &none) != COVMAP_STATUS_IO || !strstr(covmap_last_error(), nowhere);
        covmap_analysis_free(file);
        covmap_analysis_free(buffer);
    }
    return (void *)wrong;
}

int main(int argc, char **argv) {
    if (argc != 4) {
        fprintf(stderr, "usage: %s RADIOGRAPH POOL_THREADS ROUNDS\n", argv[0]);
        return 2;
    }
    path = argv[1];
    rounds = atoi(argv[3]);
    for (size_t i = 0; i < SIDE * SIDE; i++) {
        grey[i] = (uint16_t)(i * 2654435761u >> 16);
    }
    covmap_options *options = covmap_options_new();
    if (covmap_options_set(options, "threads", argv[2]) != COVMAP_STATUS_OK || covmap_pipeline_new(options, &pipeline) != COVMAP_STATUS_OK ||
        covmap_analyze_file(pipeline, path, NULL, &expected_file) != COVMAP_STATUS_OK ||
        covmap_analyze_u16(pipeline, grey, SIDE, SIDE, SIDE, NULL, &expected_buffer) != COVMAP_STATUS_OK) {
        fprintf(stderr, "%s\n", covmap_last_error());
        return 1;
    }
    covmap_options_free(options);
    pthread_t threads[THREADS];
    size_t wrong = 0;
    for (size_t i = 0; i < THREADS; i++) {
        if (pthread_create(&threads[i], NULL, work, (void *)i)) {
            return 1;
        }
    }
    for (size_t i = 0; i < THREADS; i++) {
        void *mine = NULL;
        pthread_join(threads[i], &mine);
        wrong += (size_t)mine;
    }
    covmap_analysis_free(expected_file);
    covmap_analysis_free(expected_buffer);
    covmap_pipeline_free(pipeline);
    printf("%zu wrong\n", wrong);
    return wrong != 0;
}
