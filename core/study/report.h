#pragma once
// Writes tables, figures, the numbers behind them, and the page that shows them all, into a study's folder.

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "base/log.h"
#include "study/file.h"

namespace variform::study {

/// The program around a report. All but `log` may be empty.
struct ReportHost {
  base::Log& log;
  std::function<void(const std::string&)> print = {};  ///< tables, and the names of files that were written
  std::size_t width = 0;                               ///< of printed lines, in characters; 0: any
  std::function<void(std::int64_t done, std::int64_t all)> progress = {};
  std::function<bool()> interrupted = {};
};

/// Makes all tables and figures that the study's file asks for from the results below its folder; trains nothing.
/// Returns a sentence for each that could not be made.
std::vector<std::string> write_report(const StudyFile& study, const StudyOptions& options,
                                      const ReportHost& host);

}  // namespace variform::study
