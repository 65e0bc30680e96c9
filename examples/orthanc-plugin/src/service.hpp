// The background: a bounded queue of instances, workers that empty it, and a scheduler that fills it.
#pragma once

#include <condition_variable>
#include <deque>
#include <mutex>
#include <string>
#include <thread>
#include <unordered_set>
#include <vector>

#include "analyzer.hpp"

class Service {
public:
    enum class Accepted { queued, known, full };

    explicit Service(const Settings &settings) : settings_(settings), analyzer_(settings_) {}
    ~Service() { stop(); }

    /// Starts the threads, and the scan for what an earlier run left unfinished.
    void start();
    /// Ends them after the instances that they are at; the rest is found at the next start.
    void stop();

    /// From Orthanc's callback: never waits. What finds no room is found by a scan once there is some.
    void series_is_stable(const std::string &series);
    /// Never waits either.
    Accepted request(const std::string &instance, bool force);

    bool is_waiting(const std::string &instance);
    orthanc::Json status();
    const Analyzer &analyzer() const { return analyzer_; }

private:
    struct Job {
        std::string instance;
        bool force;
    };

    void schedule();
    void work();
    bool enqueue_when_there_is_room(const std::string &instance);
    void expand(const std::string &series, bool in_scan);
    void scan();

    const Settings settings_;
    const Analyzer analyzer_;

    std::mutex lock_;
    std::condition_variable changed_;
    std::deque<Job> queue_;
    std::deque<std::string> stable_;
    /// Queued or being worked on, so that nothing is done twice at once.
    std::unordered_set<std::string> waiting_;
    bool scan_wanted_ = false, scanning_ = false, stopping_ = false;
    std::size_t busy_ = 0, analyzed_ = 0, known_ = 0, ignored_ = 0, failed_ = 0, errors_ = 0, overflows_ = 0;
    std::string began_;
    std::vector<std::thread> threads_;
};
