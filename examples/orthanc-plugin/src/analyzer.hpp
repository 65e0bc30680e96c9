// One instance: analysed, its results stored in its study, and a record of that kept with it.
#pragma once

#include <semaphore>

#include <covmap.hpp>

#include "orthanc.hpp"
#include "settings.hpp"

/// What came of an instance.
enum class Verdict { analyzed, known, ignored, failed };

class Analyzer {
public:
    explicit Analyzer(const Settings &settings);

    /// Analyses an instance unless its record says that this was done with the same models and options. Safe to repeat: a
    /// second run makes the same objects, which Orthanc already has. What is wrong with the image ends up in the record;
    /// what is wrong with the server is thrown.
    Verdict analyze(const std::string &instance, bool force) const;

    /// The record of an instance by this pipeline: "status" is "analyzed", "ignored" or "failed". The first has "results", the
    /// Orthanc identifiers of what was stored, and "json", the result as text; the others have a "reason".
    std::optional<orthanc::Json> record_of(const std::string &instance) const;
    /// What results follow from: library, models, options.
    const orthanc::Json &identity() const { return identity_; }

private:
    struct Results {
        /// What goes into the study, by the names of the setting "Store".
        std::vector<std::pair<std::string, covmap::Bytes>> objects;
        covmap::Bytes json;
    };

    Results results_of(const std::string &instance) const;
    void keep(const std::string &instance, orthanc::Json record) const;
    std::string place(const std::string &instance) const;

    const Settings &settings_;
    covmap::Pipeline pipeline_;
    orthanc::Json identity_;
    /// Free processors. Storing needs none of them: most of it is waiting, for the disk and for Orthanc's index.
    mutable std::counting_semaphore<> slots_;
};
