// What Orthanc calls.
#include <memory>

#include "explorer.hpp"
#include "rest.hpp"

namespace {

std::unique_ptr<Service> service;

OrthancPluginErrorCode on_change(OrthancPluginChangeType change, OrthancPluginResourceType, const char *resource) {
    // Nothing here waits: Orthanc's own threads call it.
    try {
        switch (change) {
        case OrthancPluginChangeType_OrthancStarted: service->start(); break;
        case OrthancPluginChangeType_StableSeries: service->series_is_stable(resource); break;
        case OrthancPluginChangeType_OrthancStopped: service->stop(); break;
        default: break;
        }
    } catch (const std::exception &e) {
        orthanc::error(e.what());
    }
    return OrthancPluginErrorCode_Success;
}

void start() {
    char *text = OrthancPluginGetConfiguration(orthanc::context);
    const std::string copy = text ? text : "{}";
    OrthancPluginFreeString(orthanc::context, text);
    const Settings settings = Settings::from(orthanc::Json::parse(copy));
    if (!settings.enabled) {
        orthanc::warning("disabled by the configuration");
        return;
    }
    service = std::make_unique<Service>(settings);
    register_endpoints(*service);
    OrthancPluginRegisterOnChangeCallback(orthanc::context, on_change);
    OrthancPluginExtendOrthancExplorer(orthanc::context, explorer);
    orthanc::warning("version " + std::string(covmap::version()) + ", " + std::to_string(settings.workers) +
                     " workers. Research use: opacity consistent with COVID-19 pneumonia, never a diagnosis");
}

} // namespace

#define EXPORTED extern "C" __attribute__((visibility("default")))

EXPORTED int32_t OrthancPluginInitialize(OrthancPluginContext *context) {
    orthanc::context = context;
    if (!OrthancPluginCheckVersion(context)) {
        orthanc::error("this Orthanc is older than the plugin was built for");
        return -1;
    }
    OrthancPluginSetDescription(context, "Opacity maps of chest radiographs, stored back as SEG, SR and Secondary Capture");
    try {
        start();
    } catch (const std::exception &e) {
        orthanc::error(e.what());
        return -1;
    }
    return 0;
}

EXPORTED void OrthancPluginFinalize() { service.reset(); }
EXPORTED const char *OrthancPluginGetName() { return "covmap"; }
EXPORTED const char *OrthancPluginGetVersion() { return covmap_version(); }
