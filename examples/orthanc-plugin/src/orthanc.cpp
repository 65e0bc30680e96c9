#include "orthanc.hpp"

namespace orthanc {

OrthancPluginContext *context = nullptr;

namespace {
std::string prefixed(const std::string &message) { return "covmap: " + message; }
} // namespace

std::optional<std::string> get(const std::string &uri) {
    Buffer answer;
    if (OrthancPluginRestApiGet(context, answer.get(), uri.c_str()) != OrthancPluginErrorCode_Success) {
        return std::nullopt;
    }
    return std::string(answer.text());
}

std::optional<Json> get_json(const std::string &uri) {
    const auto text = get(uri);
    Json value = text ? Json::parse(*text, nullptr, false) : Json(Json::value_t::discarded);
    return value.is_discarded() ? std::nullopt : std::optional<Json>(std::move(value));
}

void put(const std::string &uri, std::string_view body) {
    Buffer answer;
    const auto size = static_cast<std::uint32_t>(body.size());
    if (OrthancPluginRestApiPut(context, answer.get(), uri.c_str(), body.data(), size) != OrthancPluginErrorCode_Success) {
        throw Error("PUT " + uri + " failed");
    }
}

Json post(const std::string &uri, std::string_view body) {
    Buffer answer;
    const auto size = static_cast<std::uint32_t>(body.size());
    if (OrthancPluginRestApiPost(context, answer.get(), uri.c_str(), body.data(), size) != OrthancPluginErrorCode_Success) {
        throw Error("POST " + uri + " failed");
    }
    return Json::parse(answer.text(), nullptr, false);
}

void dicom_of(const std::string &instance, Buffer &file) {
    if (OrthancPluginGetDicomForInstance(context, file.get(), instance.c_str()) != OrthancPluginErrorCode_Success) {
        throw Error("the file of instance " + instance + " cannot be read");
    }
}

std::string global_property(std::int32_t id) {
    char *value = OrthancPluginGetGlobalProperty(context, id, "");
    std::string copy = value ? value : "";
    OrthancPluginFreeString(context, value);
    return copy;
}

void set_global_property(std::int32_t id, const std::string &value) {
    if (OrthancPluginSetGlobalProperty(context, id, value.c_str()) != OrthancPluginErrorCode_Success) {
        throw Error("a global property cannot be written");
    }
}

void info(const std::string &message) { OrthancPluginLogInfo(context, prefixed(message).c_str()); }
void warning(const std::string &message) { OrthancPluginLogWarning(context, prefixed(message).c_str()); }
void error(const std::string &message) { OrthancPluginLogError(context, prefixed(message).c_str()); }

void metric(const char *name, double value) {
    OrthancPluginSetMetricsValue(context, name, static_cast<float>(value), OrthancPluginMetricsType_Default);
}

} // namespace orthanc
