#include "selection.hpp"

#include <algorithm>
#include <cctype>

namespace {

std::string upper(std::string text) {
    std::transform(text.begin(), text.end(), text.begin(), [](unsigned char c) { return static_cast<char>(std::toupper(c)); });
    return text;
}

std::string value(const orthanc::Json &tags, const char *name) {
    const auto found = tags.find(name);
    return found != tags.end() && found->is_string() ? found->get<std::string>() : std::string();
}

/// Anatomic Region Sequence, which DX images have instead of, or beside, Body Part Examined.
std::string anatomic_region(const orthanc::Json &tags) {
    const auto found = tags.find("AnatomicRegionSequence");
    return found != tags.end() && found->is_array() && !found->empty() ? value(found->front(), "CodeMeaning") : std::string();
}

bool names_one_of(const std::string &text, const std::vector<std::string> &parts) {
    const std::string upper_text = upper(text);
    return std::any_of(parts.begin(), parts.end(), [&](const std::string &part) {
        return upper_text.find(upper(part)) != std::string::npos;
    });
}

} // namespace

bool is_radiography(const std::string &modality) { return modality == "CR" || modality == "DX"; }

std::string why_not(const orthanc::Json &tags, const std::vector<std::string> &body_parts) {
    // Computed Radiography; Digital X-Ray, for presentation.
    const std::string sop_class = value(tags, "SOPClassUID");
    if (sop_class != "1.2.840.10008.5.1.4.1.1.1" && sop_class != "1.2.840.10008.5.1.4.1.1.1.1") {
        return "SOP class " + (sop_class.empty() ? "unknown" : sop_class) + " is no radiograph for presentation";
    }
    const std::string view = upper(value(tags, "ViewPosition"));
    if (view == "LL" || view == "RL" || view == "LATERAL" || view == "LAT") {
        return "view position " + view + " is not frontal";
    }
    std::string part = value(tags, "BodyPartExamined");
    part = part.empty() ? anatomic_region(tags) : part;
    if (!part.empty()) {
        return names_one_of(part, body_parts) ? "" : "body part " + part + " is not the chest";
    }
    for (const char *name : {"SeriesDescription", "ProtocolName", "StudyDescription"}) {
        if (names_one_of(value(tags, name), body_parts)) {
            return "";
        }
    }
    return "nothing says that it shows the chest";
}
