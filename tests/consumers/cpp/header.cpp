// The header compiles as C++17, and its names link as C.
#include <cstdio>
#include <type_traits>

#include "covmap.h"

static_assert(std::is_same_v<decltype(&covmap_pipeline_free), void (*)(covmap_pipeline *)>);
static_assert(COVMAP_STATUS_OK == 0);
static_assert(COVMAP_VERSION_MAJOR >= 0);

int main() {
    std::printf("%s", covmap_version());
    return covmap_pipeline_new(nullptr, nullptr) == COVMAP_STATUS_PARAMETER ? 0 : 1;
}
