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

} // namespace

Analyzer::Analyzer(const Settings &settings)
    : settings_(settings), pipeline_(load(settings)), identity_(Json::parse(pipeline_.describe())) {
    identity_["store"] = settings.store;
    identity_["body_parts"] = settings.body_parts;
}

std::string Analyzer::place(const std::string &instance, const char *kind) const {
    return "/instances/" + instance + "/" + kind + "/" + std::to_string(settings_.record);
}

std::optional<Json> Analyzer::record_of(const std::string &instance) const {
    auto record = orthanc::get_json(place(instance, "metadata"));
    if (!record || !record->is_object() || record->value("identity", Json()) != identity_) {
        return std::nullopt;
    }
    return record;
}

std::optional<std::string> Analyzer::json_of(const std::string &instance) const {
    return orthanc::get(place(instance, "attachments") + "/data");
}

void Analyzer::keep(const std::string &instance, Json record) const {
    record["identity"] = identity_;
    orthanc::put(place(instance, "metadata"), record.dump());
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
    orthanc::Buffer file;
    orthanc::dicom_of(instance, file);
    std::optional<covmap::Analysis> analysis;
    try {
        const auto limit = std::move(covmap::Options().set("timeout_ms", std::to_string(settings_.timeout_ms)));
        analysis.emplace(pipeline_.analyze_bytes({file.data(), file.size()}, limit));
    } catch (const covmap::Error &e) {
        keep(instance, {{"status", "failed"}, {"reason", e.what()}});
        orthanc::warning("instance " + instance + ": " + e.what());
        return Verdict::failed;
    }
    const Json results = store(instance, *analysis);
    // Last: where it stands, all results do.
    keep(instance, {{"status", "analyzed"}, {"results", results}});
    return Verdict::analyzed;
}

Json Analyzer::store(const std::string &instance, const covmap::Analysis &analysis) const {
    Json results = Json::object();
    for (const std::string &object : settings_.store) {
        const covmap::Bytes file = analysis.encode(object + ".dcm");
        const Json stored = orthanc::post("/instances", file.text());
        results[object] = stored.value("ID", "");
    }
    orthanc::put(place(instance, "attachments"), analysis.encode("json").text());
    return results;
}
