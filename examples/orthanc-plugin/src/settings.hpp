// The "Covmap" section of Orthanc's configuration.
#pragma once

#include <cstddef>
#include <string>
#include <vector>

#include "orthanc.hpp"

/// What a key means and its default is in README.md; an unknown key or a wrong value is an Error.
struct Settings {
    bool enabled = true;
    std::vector<std::string> models;
    std::string fusion = "mean";
    std::string views = "none";
    std::string operating_point = "specificity95";
    std::string precision = "auto";
    std::size_t workers;
    std::size_t queue_length = 1000;
    std::vector<std::string> store{"seg", "sr", "sc"};
    std::vector<std::string> body_parts{"CHEST", "THORAX", "LUNG"};
    bool scan_at_start = true;
    bool backfill = false;
    unsigned timeout_ms = 60000;
    /// Number of the metadata that hold a record, and of the global property.
    int record = 4269;

    Settings();
    static Settings from(const orthanc::Json &configuration);
};
