#include "service.hpp"

#include <chrono>
#include <ctime>

#include "selection.hpp"

using orthanc::Json;

namespace {

constexpr auto RETRY = std::chrono::seconds(10);
constexpr std::size_t PAGE = 100;

/// As Orthanc writes times, which sort as texts do.
std::string now() {
    const std::time_t time = std::time(nullptr);
    std::tm utc{};
    gmtime_r(&time, &utc);
    char text[16];
    std::strftime(text, sizeof text, "%Y%m%dT%H%M%S", &utc);
    return text;
}

} // namespace

void Service::start() {
    // Studies from before the plugin's first start are somebody's archive: analysed on request alone.
    began_ = orthanc::global_property(settings_.record);
    if (began_.empty()) {
        began_ = now();
        orthanc::set_global_property(settings_.record, began_);
    }
    scan_wanted_ = settings_.scan_at_start;
    threads_.emplace_back(&Service::schedule, this);
    // While one analyses, another stores what it found before.
    for (std::size_t i = 0; i < 2 * settings_.workers; i++) {
        threads_.emplace_back(&Service::work, this);
    }
}

void Service::stop() {
    {
        std::lock_guard<std::mutex> guard(lock_);
        stopping_ = true;
    }
    changed_.notify_all();
    for (std::thread &thread : threads_) {
        thread.join();
    }
    threads_.clear();
}

void Service::series_is_stable(const std::string &series) {
    {
        std::lock_guard<std::mutex> guard(lock_);
        if (stable_.size() >= settings_.queue_length) {
            overflows_++;
            scan_wanted_ = true;
        } else {
            stable_.push_back(series);
        }
    }
    changed_.notify_all();
}

Service::Accepted Service::request(const std::string &instance, bool force) {
    {
        std::lock_guard<std::mutex> guard(lock_);
        if (waiting_.count(instance)) {
            return Accepted::known;
        }
        if (queue_.size() >= settings_.queue_length) {
            return Accepted::full;
        }
        waiting_.insert(instance);
        queue_.push_back({instance, force});
    }
    changed_.notify_all();
    return Accepted::queued;
}

bool Service::is_waiting(const std::string &instance) {
    std::lock_guard<std::mutex> guard(lock_);
    return waiting_.count(instance) != 0;
}

bool Service::enqueue_when_there_is_room(const std::string &instance) {
    std::unique_lock<std::mutex> guard(lock_);
    changed_.wait(guard, [&] { return stopping_ || queue_.size() < settings_.queue_length; });
    if (stopping_) {
        return false;
    }
    if (waiting_.insert(instance).second) {
        queue_.push_back({instance, false});
        guard.unlock();
        changed_.notify_all();
    }
    return true;
}

void Service::schedule() {
    auto next_scan = std::chrono::steady_clock::now();
    std::unique_lock<std::mutex> guard(lock_);
    while (!stopping_) {
        const auto time = std::chrono::steady_clock::now();
        if (!stable_.empty()) {
            const std::string series = std::move(stable_.front());
            stable_.pop_front();
            guard.unlock();
            try {
                expand(series, false);
            } catch (const std::exception &e) {
                orthanc::error("series " + series + ": " + e.what());
            }
            guard.lock();
        } else if (scan_wanted_ && time >= next_scan) {
            scan_wanted_ = false;
            scanning_ = true;
            guard.unlock();
            scan();
            guard.lock();
            scanning_ = false;
            next_scan = std::chrono::steady_clock::now() + RETRY;
        } else if (scan_wanted_) {
            changed_.wait_until(guard, next_scan);
        } else {
            changed_.wait(guard);
        }
    }
}

void Service::expand(const std::string &series, bool in_scan) {
    const auto answer = orthanc::get_json("/series/" + series);
    if (!answer || !is_radiography(answer->value("/MainDicomTags/Modality"_json_pointer, ""))) {
        return;
    }
    if (in_scan && !settings_.backfill && answer->value("LastUpdate", "") < began_) {
        return;
    }
    for (const Json &instance : answer->value("Instances", Json::array())) {
        const std::string id = instance.get<std::string>();
        if (!analyzer_.record_of(id) && !enqueue_when_there_is_room(id)) {
            return;
        }
    }
}

void Service::scan() {
    try {
        for (std::size_t since = 0;; since += PAGE) {
            const Json query{{"Level", "Series"}, {"Query", {{"Modality", "CR\\DX"}}}, {"Since", since}, {"Limit", PAGE}};
            const Json found = orthanc::post("/tools/find", query.dump());
            for (const Json &series : found) {
                {
                    std::lock_guard<std::mutex> guard(lock_);
                    if (stopping_) {
                        return;
                    }
                }
                expand(series.get<std::string>(), true);
            }
            if (found.size() < PAGE) {
                return;
            }
        }
    } catch (const std::exception &e) {
        orthanc::error(std::string("the scan broke off: ") + e.what());
        std::lock_guard<std::mutex> guard(lock_);
        scan_wanted_ = true;
    }
}

void Service::work() {
    std::unique_lock<std::mutex> guard(lock_);
    while (true) {
        changed_.wait(guard, [&] { return stopping_ || !queue_.empty(); });
        if (stopping_) {
            return;
        }
        const Job job = std::move(queue_.front());
        queue_.pop_front();
        busy_++;
        guard.unlock();
        changed_.notify_all();
        const auto began = std::chrono::steady_clock::now();
        std::optional<Verdict> verdict;
        try {
            verdict = analyzer_.analyze(job.instance, job.force);
        } catch (const std::exception &e) {
            orthanc::error("instance " + job.instance + ": " + e.what());
        }
        const std::chrono::duration<double, std::milli> took = std::chrono::steady_clock::now() - began;
        guard.lock();
        busy_--;
        waiting_.erase(job.instance);
        switch (verdict.value_or(Verdict::failed)) {
        case Verdict::analyzed: analyzed_++; break;
        case Verdict::known: known_++; break;
        case Verdict::ignored: ignored_++; break;
        case Verdict::failed: failed_ += verdict.has_value(); break;
        }
        if (!verdict) {
            // The server's fault, such as a full disk: it is tried again.
            errors_++;
            scan_wanted_ = true;
        }
        const double waiting = static_cast<double>(queue_.size() + busy_);
        const double analyzed = static_cast<double>(analyzed_), failed = static_cast<double>(failed_ + errors_);
        guard.unlock();
        changed_.notify_all();
        orthanc::metric("covmap_waiting", waiting);
        orthanc::metric("covmap_analyzed_total", analyzed);
        orthanc::metric("covmap_failed_total", failed);
        if (verdict == Verdict::analyzed) {
            orthanc::metric("covmap_instance_ms", took.count());
        }
        guard.lock();
    }
}

Json Service::status() {
    std::lock_guard<std::mutex> guard(lock_);
    return {
        {"covmap", std::string(covmap::version())},
        {"identity", analyzer_.identity()},
        {"workers", settings_.workers},
        {"queue_length", settings_.queue_length},
        {"queued", queue_.size()},
        {"busy", busy_},
        {"stable_series", stable_.size()},
        {"scanning", scanning_},
        {"scan_wanted", scan_wanted_},
        {"analyzed", analyzed_},
        {"known", known_},
        {"ignored", ignored_},
        {"failed", failed_},
        {"errors", errors_},
        {"overflows", overflows_},
        {"since", began_},
    };
}
