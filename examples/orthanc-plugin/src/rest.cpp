#include "rest.hpp"

using orthanc::Json;

namespace {

Service *service = nullptr;

void answer(OrthancPluginRestOutput *output, std::string_view body, const char *type) {
    OrthancPluginAnswerBuffer(orthanc::context, output, body.data(), static_cast<std::uint32_t>(body.size()), type);
}

void answer(OrthancPluginRestOutput *output, const Json &body) { answer(output, body.dump(2), "application/json"); }

void answer(OrthancPluginRestOutput *output, std::uint16_t status, const Json &body) {
    const std::string text = body.dump(2);
    OrthancPluginSetHttpHeader(orthanc::context, output, "Content-Type", "application/json");
    OrthancPluginSendHttpStatus(orthanc::context, output, status, text.data(), static_cast<std::uint32_t>(text.size()));
}

/// Every exception becomes a status; a wrong method is refused.
template <void (*Handle)(OrthancPluginRestOutput *, const OrthancPluginHttpRequest *), OrthancPluginHttpMethod Method>
OrthancPluginErrorCode guarded(OrthancPluginRestOutput *output, const char *, const OrthancPluginHttpRequest *request) {
    if (request->method != Method) {
        OrthancPluginSendMethodNotAllowed(orthanc::context, output, Method == OrthancPluginHttpMethod_Get ? "GET" : "POST");
        return OrthancPluginErrorCode_Success;
    }
    try {
        Handle(output, request);
    } catch (const std::exception &e) {
        answer(output, 500, {{"error", e.what()}});
    }
    return OrthancPluginErrorCode_Success;
}

/// The record where the instance was analysed; else the reason is answered.
std::optional<Json> analyzed(OrthancPluginRestOutput *output, const std::string &instance) {
    auto record = service->analyzer().record_of(instance);
    if (record && record->value("status", "") == "analyzed") {
        return record;
    }
    if (record) {
        answer(output, 422, {{"status", record->value("status", "")}, {"reason", record->value("reason", "")}});
    } else if (service->is_waiting(instance)) {
        answer(output, 202, {{"status", "waiting"}});
    } else {
        answer(output, 404, {{"status", "not analysed"}, {"hint", "POST /covmap/analyze"}});
    }
    return std::nullopt;
}

// GET /instances/{id}/covmap
void result(OrthancPluginRestOutput *output, const OrthancPluginHttpRequest *request) {
    if (const auto record = analyzed(output, request->groups[0])) {
        answer(output, record->value("json", ""), "application/json");
    }
}

// GET /instances/{id}/covmap/overlay
void overlay(OrthancPluginRestOutput *output, const OrthancPluginHttpRequest *request) {
    const auto record = analyzed(output, request->groups[0]);
    if (!record) {
        return;
    }
    const std::string capture = record->value("/results/sc"_json_pointer, "");
    const auto picture = capture.empty() ? std::nullopt : orthanc::get("/instances/" + capture + "/preview");
    picture ? answer(output, *picture, "image/png") : answer(output, 404, {{"status", "no Secondary Capture was stored, or it is gone"}});
}

/// The instances of an instance, a series or a study; nothing where there is no such resource.
std::optional<std::vector<std::string>> instances_of(const std::string &resource) {
    if (resource.find_first_not_of("0123456789abcdef-") != std::string::npos) {
        return std::nullopt;
    }
    if (orthanc::get_json("/instances/" + resource)) {
        return std::vector<std::string>{resource};
    }
    for (const char *level : {"/series/", "/studies/"}) {
        // Of an unknown resource, Orthanc lists no children instead of refusing.
        if (orthanc::get(level + resource)) {
            std::vector<std::string> instances;
            for (const Json &child : orthanc::get_json(level + resource + "/instances").value_or(Json::array())) {
                instances.push_back(child.value("ID", ""));
            }
            return instances;
        }
    }
    return std::nullopt;
}

// POST /covmap/analyze {"Resources": [ID, ...], "Force": false}
void analyze(OrthancPluginRestOutput *output, const OrthancPluginHttpRequest *request) {
    const Json body = Json::parse(static_cast<const char *>(request->body), static_cast<const char *>(request->body) + request->bodySize, nullptr, false);
    if (!body.is_object() || !body.contains("Resources") || !body["Resources"].is_array()) {
        return answer(output, 400, {{"error", "a JSON object with \"Resources\", an array of Orthanc identifiers, is needed"}});
    }
    const bool force = body.value("Force", Json(false)) == Json(true);
    std::size_t queued = 0, waiting = 0;
    for (const Json &resource : body["Resources"]) {
        const auto instances = resource.is_string() ? instances_of(resource.get<std::string>()) : std::nullopt;
        if (!instances) {
            return answer(output, 404, {{"error", "no such instance, series or study: " + resource.dump()}, {"queued", queued}});
        }
        for (const std::string &instance : *instances) {
            switch (service->request(instance, force)) {
            case Service::Accepted::queued: queued++; break;
            case Service::Accepted::known: waiting++; break;
            case Service::Accepted::full:
                OrthancPluginSetHttpHeader(orthanc::context, output, "Retry-After", "10");
                return answer(output, 503, {{"error", "the queue is full"}, {"queued", queued}, {"waiting", waiting}});
            }
        }
    }
    answer(output, {{"queued", queued}, {"waiting", waiting}});
}

// GET /covmap/status
void status(OrthancPluginRestOutput *output, const OrthancPluginHttpRequest *) { answer(output, service->status()); }

} // namespace

void register_endpoints(Service &s) {
    service = &s;
    // Without Orthanc's lock: one request never waits for another.
    const auto add = [](const char *path, OrthancPluginRestCallback handle) {
        OrthancPluginRegisterRestCallbackNoLock(orthanc::context, path, handle);
    };
    add("/instances/([^/]+)/covmap", guarded<result, OrthancPluginHttpMethod_Get>);
    add("/instances/([^/]+)/covmap/overlay", guarded<overlay, OrthancPluginHttpMethod_Get>);
    add("/covmap/analyze", guarded<analyze, OrthancPluginHttpMethod_Post>);
    add("/covmap/status", guarded<status, OrthancPluginHttpMethod_Get>);
}
