#pragma once
// Every key that a config or a data set's description may hold, as data: `describe config` shows it and
// docs/config_reference.md is generated from it. Parameters of components are not here; their plugins declare them.

#include <span>
#include <string>

namespace variform::config {

/// One key. A test compares the table with resolved configs: every key in them must be here, with this default.
struct Key {
  const char* section;        ///< of reference_sections()
  const char* name;           ///< as written in TOML
  const char* type;           ///< in words: "integer, at least 1", "number or schedule"
  const char* default_value;  ///< as TOML; "required"; or, in parentheses, what happens without it
  const char* unit;           ///< empty: none
  const char* meaning;        ///< sentences
};

struct Section {
  const char* name;     ///< as keys are written: "train.optimizer"; <NAME> stands for any
  const char* meaning;  ///< sentences
};

/// In display order; every key's section is one of them.
std::span<const Section> reference_sections();
std::span<const Key> reference_keys();

/// The reference for a terminal, and as sections of a Markdown document (headings of level 2).
std::string reference_text();
std::string reference_markdown();

/// Returns one row of a Markdown table; bars inside cells are escaped.
std::string markdown_row(std::span<const std::string> cells);

}  // namespace variform::config
