/* Loads the library, uses it and lets it go, again and again; memory must not grow with the rounds. */
#include <dlfcn.h>
#include <stdio.h>
#include <stdlib.h>

#include "covmap.h"

static long resident_kib(void) {
    long pages = 0;
    FILE *file = fopen("/proc/self/statm", "r");
    if (!file || fscanf(file, "%*s %ld", &pages) != 1) {
        exit(1);
    }
    fclose(file);
    return pages * 4;
}

int main(int argc, char **argv) {
    if (argc != 3) {
        fprintf(stderr, "usage: %s LIBRARY ROUNDS\n", argv[0]);
        return 2;
    }
    static uint8_t grey[64 * 64];
    long before = 0;
    int rounds = atoi(argv[2]);
    for (int i = 0; i < rounds; i++) {
        void *library = dlopen(argv[1], RTLD_NOW | RTLD_LOCAL);
        if (!library) {
            fprintf(stderr, "%s\n", dlerror());
            return 1;
        }
        /* POSIX lets a symbol be read as a function this way only. */
        covmap_status (*create)(const covmap_options *, covmap_pipeline **);
        covmap_status (*analyze)(const covmap_pipeline *, const uint8_t *, size_t, size_t, size_t, const covmap_options *, covmap_analysis **);
        void (*free_pipeline)(covmap_pipeline *);
        void (*free_analysis)(covmap_analysis *);
        *(void **)&create = dlsym(library, "covmap_pipeline_new");
        *(void **)&analyze = dlsym(library, "covmap_analyze_u8");
        *(void **)&free_pipeline = dlsym(library, "covmap_pipeline_free");
        *(void **)&free_analysis = dlsym(library, "covmap_analysis_free");
        covmap_pipeline *pipeline = NULL;
        covmap_analysis *analysis = NULL;
        if (!create || create(NULL, &pipeline) != COVMAP_STATUS_OK ||
            analyze(pipeline, grey, 64, 64, 64, NULL, &analysis) != COVMAP_STATUS_OK) {
            return 1;
        }
        free_analysis(analysis);
        free_pipeline(pipeline);
        if (dlclose(library)) {
            return 1;
        }
        if (i == rounds / 3) {
            before = resident_kib();
        }
    }
    long grown = resident_kib() - before;
    printf("%ld KiB more after two thirds of %d rounds\n", grown, rounds);
    return grown > 16 * 1024;
}
