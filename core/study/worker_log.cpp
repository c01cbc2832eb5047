// See worker_log.h.

#include "study/worker_log.h"

#include <unistd.h>

#include <stdexcept>

#include <fmt/format.h>

#include "base/file.h"
#include "base/local_time.h"
#include "base/lock.h"
#include "base/name.h"
#include "base/quote.h"

namespace variform::study {
namespace {

// The name that --status has for this process, as a name for a file.
std::string own_name() {
  const std::string name = fmt::format("{}-{}.txt", base::host_name(), ::getpid());
  return base::name_problem(name).empty() ? name : fmt::format("{}.txt", ::getpid());
}

}  // namespace

WorkerLog::WorkerLog(base::Log& to, const std::filesystem::path& study)
    : KeptLog(to), file_(study / "workers" / own_name()) {
  base::make_folder_inside(study, file_.parent_path());
}

void WorkerLog::write_to_file(base::Level level, const std::string& text) try {
  const std::string line = fmt::format("{}  {}", base::local_time(), with_level(level, text));
  base::append_text(file_, base::shown_lines(line) + "\n");
} catch (const std::runtime_error& error) {
  if (!fails_.exchange(true))
    to().warning(fmt::format("this worker's own log is not complete: {}", error.what()));
}

void WorkerLog::write(base::Level level, std::string_view topic, const std::string& text) {
  to().write(level, topic, text);
  if (keeps(level)) write_to_file(level, text);
}

}  // namespace variform::study
