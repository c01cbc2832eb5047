#pragma once
// One page that holds all it shows: figures inside, no scripts, nothing fetched. What a study's report is.

#include <string>
#include <vector>

#include "base/table.h"

namespace variform::draw {

class HtmlPage {
 public:
  explicit HtmlPage(std::string title) : title_(std::move(title)) {}

  void heading(const std::string& text);
  void paragraph(const std::string& text);
  /// A table under its caption; `detail` is a line in small print.
  void table(const std::string& caption, const base::Table& table, const std::string& detail = "");
  /// A figure from the text of its SVG file, above its caption.
  void figure(const std::string& svg, const std::string& caption, const std::string& detail = "");
  /// Text as it stands, folded away under a summary: configs, commands.
  void details(const std::string& summary, const std::string& text);

  /// The whole page.
  std::string text() const;

 private:
  std::string title_, body_;
};

}  // namespace variform::draw
