// The parts of Orthanc's plugin interface that this plugin uses, with owners and exceptions.
#pragma once

#include <cstdint>
#include <optional>
#include <stdexcept>
#include <string>
#include <string_view>

#include <nlohmann/json.hpp>
#include <orthanc/OrthancCPlugin.h>

namespace orthanc {

using Json = nlohmann::json;

/// Set once, before anything else here is called.
extern OrthancPluginContext *context;

/// Orthanc refused a request of ours.
struct Error : std::runtime_error {
    using std::runtime_error::runtime_error;
};

/// Memory that Orthanc allocated.
class Buffer {
public:
    Buffer() = default;
    Buffer(const Buffer &) = delete;
    Buffer &operator=(const Buffer &) = delete;
    ~Buffer() { OrthancPluginFreeMemoryBuffer(context, &buffer_); }
    OrthancPluginMemoryBuffer *get() { return &buffer_; }
    const std::uint8_t *data() const { return static_cast<const std::uint8_t *>(buffer_.data); }
    std::size_t size() const { return buffer_.size; }
    std::string_view text() const { return {static_cast<const char *>(buffer_.data), buffer_.size}; }

private:
    OrthancPluginMemoryBuffer buffer_{};
};

/// Built-in REST API; nothing where the answer is no success.
std::optional<std::string> get(const std::string &uri);
std::optional<Json> get_json(const std::string &uri);
/// The same, or an Error that names the request.
void put(const std::string &uri, std::string_view body);
Json post(const std::string &uri, std::string_view body);

/// The DICOM file of an instance.
void dicom_of(const std::string &instance, Buffer &file);

std::string global_property(std::int32_t id);
void set_global_property(std::int32_t id, const std::string &value);

void info(const std::string &message);
void warning(const std::string &message);
void error(const std::string &message);
void metric(const char *name, double value);

} // namespace orthanc
