#include "analyzer.hpp"

#include "selection.hpp"

using orthanc::Json;

namespace {

covmap::Pipeline load(const Settings &settings) {
    covmap::Options options;
    for (const std::string &model : settings.models) {
        options.set("model", model);
    }
    options.set("fusion", settings.fusion).set("views", settings.views).set("precision", settings.precision);
    // Instances are what runs in parallel.
    options.set("operating_point", settings.operating_point).set("threads", "1");
    return covmap::Pipeline(options);
}

/// One of the slots, until it goes out of scope.
class Turn {
public:
    explicit Turn(std::counting_semaphore<> &slots) : slots_(slots) { slots_.acquire(); }
    Turn(const Turn &) = delete;
    Turn &operator=(const Turn &) = delete;
    ~Turn() { slots_.release(); }

private:
    std::counting_semaphore<> &slots_;
};

} // namespace

Analyzer::Analyzer(const Settings &settings)
    : settings_(settings), pipeline_(load(settings)), identity_(Json::parse(pipeline_.describe())),
      slots_(static_cast<std::ptrdiff_t>(settings.workers)) {
    identity_["store"] = settings.store;
    identity_["body_parts"] = settings.body_parts;
}

std::string Analyzer::place(const std::string &instance) const {
    return "/instances/" + instance + "/metadata/" + std::to_string(settings_.record);
}

std::optional<Json> Analyzer::record_of(const std::string &instance) const {
    auto record = orthanc::get_json(place(instance));
    if (!record || !record->is_object() || record->value("identity", Json()) != identity_) {
        return std::nullopt;
    }
    return record;
}

void Analyzer::keep(const std::string &instance, Json record) const {
    record["identity"] = identity_;
    orthanc::put(place(instance), record.dump());
}

Verdict Analyzer::analyze(const std::string &instance, bool force) const {
    if (!force && record_of(instance)) {
        return Verdict::known;
    }
    const auto tags = orthanc::get_json("/instances/" + instance + "/simplified-tags");
    if (!tags) {
        // Deleted meanwhile.
        return Verdict::ignored;
    }
    const std::string reason = why_not(*tags, settings_.body_parts);
    if (!reason.empty()) {
        keep(instance, {{"status", "ignored"}, {"reason", reason}});
        return Verdict::ignored;
    }
    std::optional<Results> results;
    try {
        results.emplace(results_of(instance));
    } catch (const covmap::Error &e) {
        keep(instance, {{"status", "failed"}, {"reason", e.what()}});
        orthanc::warning("instance " + instance + ": " + e.what());
        return Verdict::failed;
    }
    Json stored = Json::object();
    for (const auto &[object, file] : results->objects) {
        stored[object] = orthanc::post("/instances", file.text()).value("ID", "");
    }
    // Last: where it stands, all results do.
    keep(instance, {{"status", "analyzed"}, {"results", stored}, {"json", results->json.text()}});
    return Verdict::analyzed;
}

Analyzer::Results Analyzer::results_of(const std::string &instance) const {
    const Turn turn(slots_);
    orthanc::Buffer file;
    orthanc::dicom_of(instance, file);
    const auto limit = std::move(covmap::Options().set("timeout_ms", std::to_string(settings_.timeout_ms)));
    const covmap::Analysis analysis = pipeline_.analyze_bytes({file.data(), file.size()}, limit);
    std::vector<std::pair<std::string, covmap::Bytes>> objects;
    for (const std::string &object : settings_.store) {
        objects.emplace_back(object, analysis.encode(object + ".dcm"));
    }
    return {std::move(objects), analysis.encode("json")};
}
