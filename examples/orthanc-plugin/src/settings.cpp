#include "settings.hpp"

#include <algorithm>
#include <functional>
#include <map>
#include <thread>

Settings::Settings() : workers(std::max(1u, std::thread::hardware_concurrency())) {}

namespace {

template <typename T>
std::function<void(const orthanc::Json &)> into(T &place) {
    return [&place](const orthanc::Json &value) { place = value.get<T>(); };
}

std::function<void(const orthanc::Json &)> positive(std::size_t &place) {
    return [&place](const orthanc::Json &value) {
        if (!value.is_number_unsigned() || value.get<std::size_t>() == 0) {
            throw orthanc::Error("a number from 1 is needed");
        }
        place = value.get<std::size_t>();
    };
}

} // namespace

Settings Settings::from(const orthanc::Json &configuration) {
    Settings s;
    const auto section = configuration.find("Covmap");
    if (section == configuration.end()) {
        return s;
    }
    const std::map<std::string, std::function<void(const orthanc::Json &)>> keys{
        {"Enabled", into(s.enabled)},
        {"Models", into(s.models)},
        {"Fusion", into(s.fusion)},
        {"Views", into(s.views)},
        {"OperatingPoint", into(s.operating_point)},
        {"Precision", into(s.precision)},
        {"Workers", positive(s.workers)},
        {"QueueLength", positive(s.queue_length)},
        {"Store", into(s.store)},
        {"BodyParts", into(s.body_parts)},
        {"ScanAtStart", into(s.scan_at_start)},
        {"Backfill", into(s.backfill)},
        {"TimeoutMs", into(s.timeout_ms)},
        {"RecordNumber", into(s.record)},
    };
    for (const auto &[key, value] : section->items()) {
        const auto known = keys.find(key);
        if (known == keys.end()) {
            throw orthanc::Error("unknown configuration key Covmap." + key);
        }
        try {
            known->second(value);
        } catch (const std::exception &e) {
            throw orthanc::Error("configuration key Covmap." + key + ": " + e.what());
        }
    }
    for (const std::string &object : s.store) {
        if (object != "seg" && object != "sr" && object != "sc") {
            throw orthanc::Error("configuration key Covmap.Store: \"" + object + "\" is none of seg, sr, sc");
        }
    }
    if (s.record < 1024 || s.record > 65535) {
        throw orthanc::Error("configuration key Covmap.RecordNumber: user-defined numbers go from 1024 to 65535");
    }
    return s;
}
