// Uses all of covmap.hpp on the DICOM file given, with a small model for tools that are slow; the exit status is 0 if all of it does what the header says.
#include <algorithm>
#include <array>
#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <iterator>
#include <mutex>
#include <thread>
#include <type_traits>

#include "covmap.hpp"

#define CHECK(condition)                                                          \
    do {                                                                          \
        if (!(condition)) {                                                       \
            std::fprintf(stderr, "%s:%d: %s\n", __FILE__, __LINE__, #condition);  \
            std::exit(1);                                                         \
        }                                                                         \
    } while (0)

static_assert(!std::is_copy_constructible_v<covmap::Analysis> && std::is_nothrow_move_constructible_v<covmap::Analysis>);
static_assert(!std::is_copy_constructible_v<covmap::Pipeline> && std::is_nothrow_move_constructible_v<covmap::Pipeline>);
static_assert(std::is_same_v<decltype(&covmap_pipeline_free), void (*)(covmap_pipeline *)>);

template <typename F>
covmap_status fails(F &&call) {
    try {
        call();
    } catch (const covmap::Error &error) {
        CHECK(error.what()[0] != 0);
        return error.status();
    }
    return COVMAP_STATUS_OK;
}

int main(int argc, char **argv) {
    CHECK(argc == 2 || argc == 3);
    CHECK(covmap::version().substr(0, 2) == std::to_string(COVMAP_VERSION_MAJOR) + ".");
    CHECK(fails([] { covmap::Options().set("colour", "red"); }) == COVMAP_STATUS_PARAMETER);

    std::vector<std::string> messages;
    std::mutex lock;
    auto receive = [&](std::string_view level, std::string_view message) {
        std::lock_guard<std::mutex> guard(lock);
        messages.push_back(std::string(level) + std::string(message));
        throw 1; // stays inside
    };
    std::optional<covmap::Log> log(std::in_place, "info", receive);
    covmap::Options options;
    options.set("threads", "1");
    if (argc == 3) {
        options.set("model", argv[2]);
    }
    covmap::Pipeline pipeline(options);
    log.reset();
    CHECK(!messages.empty() && pipeline.describe().find("sha256") != std::string::npos);

    const covmap::Analysis file = pipeline.analyze_file(argv[1]);
    std::ifstream stream(argv[1], std::ios::binary);
    const std::vector<std::uint8_t> content{std::istreambuf_iterator<char>(stream), {}};
    covmap::Analysis bytes = pipeline.analyze_bytes(content, covmap::Options().set("frame", "0"));
    covmap::Analysis moved = std::move(bytes);
    CHECK(moved.width() == file.width() && moved.infection().at(5, 7) == file.infection().row(7)[5]);
    CHECK(file.lungs().has_value() == (argc == 2) && file.probability().width > 0);
    std::size_t infected = 0;
    for (std::size_t y = 0; y < file.height(); y++) {
        for (std::uint8_t value : file.infection().row(y)) {
            infected += value >= 128;
        }
    }
    CHECK(file.encode("json").text().find("\"area_px\": " + std::to_string(infected)) != std::string_view::npos);
    CHECK(file.encode("overlay", covmap::Options().set("opacity", "1")).size() == file.width() * file.height() * 3);
    CHECK(fails([&] { file.encode("bmp"); }) == COVMAP_STATUS_PARAMETER);
    CHECK(fails([&] { pipeline.analyze_file("/nowhere.png"); }) == COVMAP_STATUS_IO);

    std::array<std::uint8_t, 100 * 110> eight{};
    std::vector<std::uint16_t> sixteen(100 * 100);
    const covmap::Options inverted = std::move(covmap::Options().set("photometric", "MONOCHROME1"));
    CHECK(pipeline.analyze(covmap::Plane<std::uint8_t>(eight.data(), 100, 100, 110), inverted).width() == 100);
    CHECK(pipeline.analyze(covmap::Plane<std::uint16_t>(sixteen.data(), 100, 100)).height() == 100);

    covmap::CancelToken token;
    token.cancel();
    CHECK(fails([&] { pipeline.analyze_file(argv[1], covmap::Options().set_cancel_token(token)); }) == COVMAP_STATUS_CANCELLED);

    std::vector<covmap::Analysis> kept;
    std::size_t failed = 0;
    const std::vector<std::string> paths{argv[1], "/nowhere.png", argv[1]};
    CHECK(pipeline.analyze_files(paths, [&](covmap::Outcome outcome) {
        outcome.analysis ? kept.push_back(std::move(*outcome.analysis)) : void(failed++);
        return true;
    }));
    CHECK(kept.size() == 2 && failed == 1);
    CHECK(!pipeline.analyze_files(paths, [](covmap::Outcome) { return false; }));
    bool caught = false;
    try {
        pipeline.analyze_files(paths, [](covmap::Outcome) -> bool { throw std::out_of_range("mine"); });
    } catch (const std::out_of_range &) {
        caught = true;
    }
    CHECK(caught);

    // The caller's threads, which get four images for each of "threads"; and none.
    std::size_t most = 0;
    bool gives_up = false;
    covmap::Options own;
    own.set("threads", "1").set_runner([&](std::size_t count, const std::function<void(std::size_t)> &task) {
        if (gives_up) {
            throw std::runtime_error("no threads");
        }
        most = std::max(most, count);
        std::vector<std::thread> workers;
        for (std::size_t i = 0; i < count; i++) {
            workers.emplace_back([&task, i] { task(i); });
        }
        for (std::thread &worker : workers) {
            worker.join();
        }
    });
    if (argc == 3) {
        own.set("model", argv[2]);
    }
    {
        const covmap::Pipeline elsewhere(own);
        std::vector<std::string> many(5, "/nowhere.png");
        many.back() = argv[1];
        std::size_t equal = 0;
        CHECK(elsewhere.analyze_files(many, [&](covmap::Outcome outcome) {
            equal += outcome.analysis && outcome.analysis->encode("json").text() == file.encode("json").text();
            return true;
        }));
        CHECK(equal == 1 && most == 4);
        CHECK(!elsewhere.analyze_files({argv[1]}, [](covmap::Outcome) { return false; }));
        CHECK(elsewhere.analyze_file(argv[1]).encode("json").text() == file.encode("json").text());
        CHECK(fails([&] { pipeline.analyze_file(argv[1], own); }) == COVMAP_STATUS_PARAMETER);
        gives_up = true;
        std::string said;
        try {
            elsewhere.analyze_files(paths, [](covmap::Outcome) { return true; });
        } catch (const std::runtime_error &error) {
            said = error.what();
        }
        CHECK(said == "no threads");
        CHECK(elsewhere.analyze_files({}, [](covmap::Outcome) { return true; }));
    }

    std::vector<std::thread> threads;
    for (int i = 0; i < 4; i++) {
        threads.emplace_back([&] { CHECK(pipeline.analyze_file(argv[1]).encode("json").text() == file.encode("json").text()); });
    }
    for (std::thread &thread : threads) {
        thread.join();
    }
    return 0;
}
