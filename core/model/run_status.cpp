// See run_status.h.

#include "model/run_status.h"

#include <exception>

#include "base/contents.h"
#include "base/json_file.h"
#include "config/text.h"

namespace variform::model {
namespace {

namespace fs = std::filesystem;

constexpr std::size_t kReason = 200;

// The first line of a mark's text.
std::string first_line(const std::string& text) {
  return config::shorten(text.substr(0, text.find('\n')), kReason);
}

RunStatus done_status(const fs::path& mark) {
  RunStatus status{"done", "finished", "", ""};
  const base::JsonFile file(mark);
  if (const auto ending = file.root().find("ending")) status.ending = ending->text();
  if (const auto reason = file.root().find("not_finite")) status.reason = first_line(reason->text());
  return status;
}

}  // namespace

RunStatus run_status(const fs::path& run) {
  for (const auto& [name, word] :
       {std::pair{"DONE", "done"}, {"FAILED", "failed"}, {"INTERRUPTED", "interrupted"}}) {
    const fs::path mark = run / name;
    if (!base::is_there(mark)) continue;
    try {
      if (std::string(word) == "done") return done_status(mark);
      return {word, "", first_line(base::contents_of(mark)), ""};
    } catch (const std::exception& error) {
      return {word, "finished", "", error.what()};
    }
  }
  return {"unfinished", "", "", ""};
}

}  // namespace variform::model
