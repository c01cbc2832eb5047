#pragma once
// The command line of `study`, `report` and `check STUDY.toml`.

#include <string>
#include <vector>

#include "cli/commands.h"
#include "study/file.h"

namespace variform::cli {

struct StudyCommand {
  std::vector<std::string> arguments;
  std::string studies = "studies";
  study::StudyOptions asked;  // without those that all commands share
  std::string time;           // after which a worker ends
  bool list = false;

  study::StudyFile read(const model::Workplace& place) const;
  study::StudyOptions options(const Common& common) const;
};

}  // namespace variform::cli
