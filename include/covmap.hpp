/*
 * covmap for C++17: what covmap.h declares, with owners that free, views that know their size, and errors that are thrown.
 *
 *   covmap::Pipeline pipeline;                        // load once; many threads may use it at once
 *   auto analysis = pipeline.analyze_file("chest.dcm");
 *   covmap::Plane<std::uint8_t> map = analysis.infection();   // borrowed: valid while analysis lives
 *
 * Header only. No exception crosses the C interface: those of callbacks are kept and thrown again behind it.
 *
 * SPDX-License-Identifier: MIT OR Apache-2.0
 */
#ifndef COVMAP_HPP
#define COVMAP_HPP

#include <cstddef>
#include <cstdint>
#include <exception>
#include <functional>
#include <memory>
#include <optional>
#include <stdexcept>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "covmap.h"

namespace covmap {

/// Why a call failed: the text, and by status who is at fault.
class Error : public std::runtime_error {
public:
    Error(covmap_status status, const char *text) : std::runtime_error(text), status_(status) {}
    covmap_status status() const noexcept { return status_; }

private:
    covmap_status status_;
};

/// Elements that somebody else owns.
template <typename T>
class Span {
public:
    constexpr Span() noexcept = default;
    constexpr Span(const T *data, std::size_t size) noexcept : data_(data), size_(size) {}
    /// Of a contiguous container of T (std::vector, std::array, std::string, std::span).
    template <typename C, typename = decltype(static_cast<const T *>(std::declval<const C &>().data()))>
    constexpr Span(const C &elements) noexcept : data_(elements.data()), size_(elements.size()) {}

    constexpr const T *data() const noexcept { return data_; }
    constexpr std::size_t size() const noexcept { return size_; }
    constexpr bool empty() const noexcept { return size_ == 0; }
    constexpr const T *begin() const noexcept { return data_; }
    constexpr const T *end() const noexcept { return data_ + size_; }
    constexpr const T &operator[](std::size_t i) const noexcept { return data_[i]; }

private:
    const T *data_ = nullptr;
    std::size_t size_ = 0;
};

/// A picture that somebody else owns: rows from the top, stride elements apart.
template <typename T>
struct Plane {
    const T *data = nullptr;
    std::size_t width = 0, height = 0, stride = 0;

    Plane() = default;
    Plane(const T *pixels, std::size_t w, std::size_t h, std::size_t apart = 0)
        : data(pixels), width(w), height(h), stride(apart ? apart : w) {}
    Span<T> row(std::size_t y) const noexcept { return {data + y * stride, width}; }
    const T &at(std::size_t x, std::size_t y) const noexcept { return data[y * stride + x]; }
};

/// Version of the loaded library; COVMAP_VERSION_MAJOR and its like are those of the header.
inline std::string_view version() noexcept { return covmap_version(); }

namespace detail {
template <auto Free>
struct Freeing {
    template <typename T>
    void operator()(T *object) const noexcept {
        Free(object);
    }
};
template <typename T, auto Free>
using Owner = std::unique_ptr<T, Freeing<Free>>;

inline void check(covmap_status status) {
    if (status != COVMAP_STATUS_OK) {
        throw Error(status, covmap_last_error());
    }
}
} // namespace detail

/// The caller's own threads: calls task(i) once for every i below count, in any order, several at once where it likes, and
/// returns when the last call has returned. A task does not throw.
using Runner = std::function<void(std::size_t count, const std::function<void(std::size_t)> &task)>;

namespace detail {
/// What a runner threw, on the thread that asked for the batch.
inline std::exception_ptr &thrown_by_runner() {
    static thread_local std::exception_ptr thrown;
    return thrown;
}
inline int run(void *user, covmap_task task, void *data, std::size_t count) noexcept {
    try {
        (*static_cast<const Runner *>(user))(count, [=](std::size_t index) { task(data, index); });
        return 0;
    } catch (...) {
        thrown_by_runner() = std::current_exception();
        return 1;
    }
}
} // namespace detail
/// Ends analyses from any thread.
class CancelToken {
public:
    CancelToken() : handle_(covmap_cancel_token_new()) {
        if (!handle_) {
            throw Error(COVMAP_STATUS_INTERNAL, covmap_last_error());
        }
    }
    void cancel() const { detail::check(covmap_cancel_token_cancel(handle_.get())); }
    const covmap_cancel_token *get() const noexcept { return handle_.get(); }

private:
    detail::Owner<covmap_cancel_token, covmap_cancel_token_free> handle_;
};

/// Options by name; the list is at covmap_options_set.
class Options {
public:
    Options() : handle_(covmap_options_new()) {
        if (!handle_) {
            throw Error(COVMAP_STATUS_INTERNAL, covmap_last_error());
        }
    }
    Options &set(const std::string &key, const std::string &value) {
        detail::check(covmap_options_set(handle_.get(), key.c_str(), value.c_str()));
        return *this;
    }
    /// A model file in memory, which is copied; the description may be empty where the file carries its own.
    Options &add_model(Span<std::uint8_t> file, const std::string &description = {}) {
        const char *text = description.empty() ? nullptr : description.c_str();
        detail::check(covmap_options_add_model(handle_.get(), file.data(), file.size(), text));
        return *this;
    }
    /// Batches of the pipeline run on these threads; batches on several threads call it at once.
    Options &set_runner(Runner runner) {
        runner_ = std::make_shared<Runner>(std::move(runner));
        detail::check(covmap_options_set_runner(handle_.get(), detail::run, runner_.get()));
        return *this;
    }
    /// Analyses with these options end soon after token.cancel().
    Options &set_cancel_token(const CancelToken &token) {
        detail::check(covmap_options_set_cancel_token(handle_.get(), token.get()));
        return *this;
    }
    const covmap_options *get() const noexcept { return handle_.get(); }

private:
    friend class Pipeline;
    detail::Owner<covmap_options, covmap_options_free> handle_;
    std::shared_ptr<Runner> runner_;
};

/// A result as bytes: a text, a picture, a DICOM file.
class Bytes {
public:
    explicit Bytes(covmap_bytes *handle) noexcept : handle_(handle) {}
    const std::uint8_t *data() const noexcept { return covmap_bytes_data(handle_.get()); }
    std::size_t size() const noexcept { return covmap_bytes_size(handle_.get()); }
    Span<std::uint8_t> span() const noexcept { return {data(), size()}; }
    std::string_view text() const noexcept { return {reinterpret_cast<const char *>(data()), size()}; }

private:
    detail::Owner<covmap_bytes, covmap_bytes_free> handle_;
};

/// What was found in one radiograph. Immutable; any number of threads may read it.
class Analysis {
public:
    explicit Analysis(covmap_analysis *handle) : handle_(handle) { detail::check(covmap_analysis_size(handle, &width_, &height_)); }
    std::size_t width() const noexcept { return width_; }
    std::size_t height() const noexcept { return height_; }
    /// 0 outside the lungs, infected from 128.
    Plane<std::uint8_t> infection() const noexcept { return {covmap_analysis_infection(handle_.get()), width_, height_}; }
    /// 0 outside, 1 the patient's right lung, 2 the left; nothing where no model segments lungs.
    std::optional<Plane<std::uint8_t>> lungs() const {
        const std::uint8_t *labels = covmap_analysis_lungs(handle_.get());
        return labels ? std::optional<Plane<std::uint8_t>>({labels, width_, height_}) : std::nullopt;
    }
    /// 0 to 1 in the network's pixels (more than its input's where dark margins were cut off), not limited to the lungs.
    Plane<float> probability() const {
        std::size_t width = 0, height = 0;
        const float *map = covmap_analysis_probability(handle_.get(), &width, &height);
        return {map, width, height};
    }
    /// A result in one of the formats of covmap_analysis_encode.
    Bytes encode(const std::string &format) const { return encode(format, nullptr); }
    Bytes encode(const std::string &format, const Options &options) const { return encode(format, options.get()); }
    const covmap_analysis *get() const noexcept { return handle_.get(); }

private:
    Bytes encode(const std::string &format, const covmap_options *options) const {
        covmap_bytes *bytes = nullptr;
        detail::check(covmap_analysis_encode(handle_.get(), format.c_str(), options, &bytes));
        return Bytes(bytes);
    }

    detail::Owner<covmap_analysis, covmap_analysis_free> handle_;
    std::size_t width_ = 0, height_ = 0;
};

/// One outcome of a batch.
struct Outcome {
    std::size_t index;
    covmap_status status;
    /// Why it failed; empty where it did not.
    std::string error;
    /// Empty where it failed.
    std::optional<Analysis> analysis;
};

/// Models, loaded and ready. Many threads may analyse with one pipeline at once.
class Pipeline {
public:
    Pipeline() : Pipeline(nullptr) {}
    explicit Pipeline(const Options &options) : Pipeline(options.get()) { runner_ = options.runner_; }

    Analysis analyze_file(const std::string &path) const { return analyze_file(path, nullptr); }
    Analysis analyze_file(const std::string &path, const Options &options) const { return analyze_file(path, options.get()); }
    /// The bytes of a PNG, JPEG, TIFF or DICOM file.
    Analysis analyze_bytes(Span<std::uint8_t> file) const { return analyze_bytes(file, nullptr); }
    Analysis analyze_bytes(Span<std::uint8_t> file, const Options &options) const { return analyze_bytes(file, options.get()); }
    Analysis analyze(const Plane<std::uint8_t> &pixels) const { return analyze(covmap_analyze_u8, pixels, nullptr); }
    Analysis analyze(const Plane<std::uint8_t> &pixels, const Options &o) const { return analyze(covmap_analyze_u8, pixels, o.get()); }
    Analysis analyze(const Plane<std::uint16_t> &pixels) const { return analyze(covmap_analyze_u16, pixels, nullptr); }
    Analysis analyze(const Plane<std::uint16_t> &pixels, const Options &o) const {
        return analyze(covmap_analyze_u16, pixels, o.get());
    }

    /// Every outcome in the order of the paths, on this thread; `each` returns false to end the batch. Returns whether it
    /// ran to its end. What `each` or a runner throws ends the batch too, and is thrown again here.
    bool analyze_files(const std::vector<std::string> &paths, const std::function<bool(Outcome)> &each) const {
        return analyze_files(paths, nullptr, each);
    }
    bool analyze_files(const std::vector<std::string> &paths, const Options &o, const std::function<bool(Outcome)> &each) const {
        return analyze_files(paths, o.get(), each);
    }

    /// What results of this pipeline follow from, in JSON.
    std::string describe() const {
        covmap_bytes *bytes = nullptr;
        detail::check(covmap_pipeline_describe(handle_.get(), &bytes));
        return std::string(Bytes(bytes).text());
    }
    const covmap_pipeline *get() const noexcept { return handle_.get(); }

private:
    explicit Pipeline(const covmap_options *options) {
        covmap_pipeline *pipeline = nullptr;
        detail::check(covmap_pipeline_new(options, &pipeline));
        handle_.reset(pipeline);
    }
    Analysis analyze_file(const std::string &path, const covmap_options *options) const {
        covmap_analysis *analysis = nullptr;
        detail::check(covmap_analyze_file(handle_.get(), path.c_str(), options, &analysis));
        return Analysis(analysis);
    }
    Analysis analyze_bytes(Span<std::uint8_t> file, const covmap_options *options) const {
        covmap_analysis *analysis = nullptr;
        detail::check(covmap_analyze_bytes(handle_.get(), file.data(), file.size(), options, &analysis));
        return Analysis(analysis);
    }
    template <typename F, typename T>
    Analysis analyze(F call, const Plane<T> &pixels, const covmap_options *options) const {
        covmap_analysis *analysis = nullptr;
        detail::check(call(handle_.get(), pixels.data, pixels.width, pixels.height, pixels.stride, options, &analysis));
        return Analysis(analysis);
    }

    struct Batch {
        const std::function<bool(Outcome)> &each;
        std::exception_ptr thrown;
    };
    static int outcome(void *user, std::size_t index, covmap_status status, const char *error, covmap_analysis *analysis) noexcept {
        auto *batch = static_cast<Batch *>(user);
        try {
            Outcome outcome{index, status, error, std::nullopt};
            if (analysis) {
                outcome.analysis.emplace(analysis);
            }
            return batch->each(std::move(outcome)) ? 0 : 1;
        } catch (...) {
            batch->thrown = std::current_exception();
            return 1;
        }
    }
    bool analyze_files(const std::vector<std::string> &paths, const covmap_options *options,
                       const std::function<bool(Outcome)> &each) const {
        std::vector<const char *> names;
        for (const std::string &path : paths) {
            names.push_back(path.c_str());
        }
        Batch batch{each, nullptr};
        detail::thrown_by_runner() = nullptr;
        // `outcome` (and detail::run) has C++ linkage by the letter; every compiler that this header knows calls both alike.
        covmap_status status = covmap_analyze_files(handle_.get(), names.data(), names.size(), options, outcome, &batch);
        if (auto thrown = batch.thrown ? batch.thrown : std::exchange(detail::thrown_by_runner(), nullptr)) {
            std::rethrow_exception(thrown);
        }
        if (status == COVMAP_STATUS_CANCELLED) {
            return false;
        }
        detail::check(status);
        return true;
    }

    detail::Owner<covmap_pipeline, covmap_pipeline_free> handle_;
    std::shared_ptr<Runner> runner_;
};

/// While it lives, the library's messages go to `receive` (level and text), from any thread. One at a time in a process.
class Log {
public:
    using Receive = std::function<void(std::string_view level, std::string_view message)>;
    Log(const std::string &level, Receive receive) : receive_(std::make_unique<Receive>(std::move(receive))) {
        detail::check(covmap_set_log(message, receive_.get(), level.c_str()));
    }
    Log(const Log &) = delete;
    Log &operator=(const Log &) = delete;
    ~Log() { covmap_set_log(nullptr, nullptr, nullptr); }

private:
    static void message(void *user, const char *level, const char *text) noexcept {
        try {
            (*static_cast<Receive *>(user))(level, text);
        } catch (...) {
            // A message is not worth an analysis.
        }
    }

    std::unique_ptr<Receive> receive_;
};

} // namespace covmap

#endif
