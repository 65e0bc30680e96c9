// Which instances are frontal chest radiographs.
#pragma once

#include <string>
#include <vector>

#include "orthanc.hpp"

/// Whether a series of this modality may hold radiographs.
bool is_radiography(const std::string &modality);

/// Why an instance is not analysed, by its tags as Orthanc simplifies them; "" where it is. Results of this plugin are of
/// other SOP classes, and so never analysed.
std::string why_not(const orthanc::Json &tags, const std::vector<std::string> &body_parts);
