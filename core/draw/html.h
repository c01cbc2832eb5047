#pragma once
// A self-contained HTML page: figures inside, no scripts, nothing fetched. Used for a study's report.

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
  /// Verbatim text, folded away under a summary: configs, commands.
  void details(const std::string& summary, const std::string& text);

  /// The whole page.
  std::string text() const;

 private:
  std::string title_, body_;
};

}  // namespace variform::draw
