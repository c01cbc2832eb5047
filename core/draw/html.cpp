// See html.h.

#include "draw/html.h"

#include <cstdint>
#include <cstdlib>

#include <fmt/format.h>

#include "base/quote.h"

namespace variform::draw {
namespace {

// Tables and wide figures scroll in their own boxes, so that the page is never wider than the window. A figure shrinks
// to no less than three fifths of its size, where it is still readable. On paper nothing scrolls or is folded.
constexpr const char* kStyle = R"css(
body{font:16px/1.5 system-ui,sans-serif;max-width:75rem;margin:2rem auto;padding:0 1rem;color:#222;
background:#fff}
h1,h2{line-height:1.2;overflow-wrap:anywhere}
figure{margin:1.5rem 0 2rem}
figcaption{font-size:15px;overflow-wrap:anywhere}
.scroll{overflow-x:auto}
table{border-collapse:collapse;font-size:14px;margin:.3rem 0}
th,td{padding:.2rem .7rem;border-bottom:1px solid #ddd;text-align:left;white-space:nowrap}
th{white-space:normal;vertical-align:bottom;border-bottom:2px solid #888}
.n{text-align:right;font-variant-numeric:tabular-nums}
img{display:block;max-width:100%;height:auto}
summary{cursor:pointer}
pre{background:#f5f5f5;padding:.8rem;overflow-x:auto;font-size:13px}
@media print{body{max-width:none;margin:0;padding:0;font-size:11pt}
.scroll{overflow:visible}
figure,tr{break-inside:avoid}
h2,figcaption{break-after:avoid}
table{font-size:8pt}
th,td{padding:.1rem .2rem;white-space:normal}
img{min-width:0!important}
pre{white-space:pre-wrap;font-size:8pt}
details::details-content{content-visibility:visible;block-size:auto}}
)css";
constexpr double kSmallest = 0.6;  // of a figure's own width

std::string base64(const std::string& bytes) {
  constexpr const char* kDigits = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
  std::string out;
  for (std::size_t i = 0; i < bytes.size(); i += 3) {
    std::uint32_t group = 0;
    for (std::size_t k = 0; k < 3; ++k)
      group = group << 8 | (i + k < bytes.size() ? static_cast<unsigned char>(bytes[i + k]) : 0u);
    for (std::size_t k = 0; k < 4; ++k)
      out += i + k > bytes.size() ? '=' : kDigits[group >> (18 - 6 * k) & 63];
  }
  return out;
}

// Lets long names of metrics break after their underscores.
std::string breakable(const std::string& text) {
  std::string out;
  for (const char c : base::html(text)) out += c == '_' ? std::string("_<wbr>") : std::string(1, c);
  return out;
}

// Returns the width in pixels that an SVG file asks for; 0 if it does not say.
int width_of(const std::string& svg) {
  const std::size_t begin = svg.find("<svg"), end = svg.find('>', begin);
  const std::size_t at = svg.find(" width=\"", begin);
  return begin == std::string::npos || at == std::string::npos || at > end ? 0
                                                                           : std::atoi(svg.c_str() + at + 8);
}

std::string element(const char* name, const std::string& text) {
  return std::string("<") + name + ">" + base::html(text) + "</" + name + ">\n";
}

std::string captioned(const std::string& caption, const std::string& detail) {
  return "<figcaption>" + base::html(caption) +
         (detail.empty() ? "" : "<br><small>" + base::html(detail) + "</small>") + "</figcaption>\n";
}

}  // namespace

void HtmlPage::heading(const std::string& text) { body_ += element("h2", text); }

void HtmlPage::paragraph(const std::string& text) { body_ += element("p", text); }

void HtmlPage::table(const std::string& caption, const base::Table& table, const std::string& detail) {
  const auto cell = [&](const char* name, std::size_t column, const std::string& text) {
    const bool number = table.columns()[column].align == base::Align::kRight;
    return std::string("<") + name + (number ? " class=\"n\">" : ">") + text + "</" + name + ">";
  };
  body_ += "<figure>\n" + captioned(caption, detail) + "<div class=\"scroll\"><table>\n<thead><tr>";
  for (std::size_t c = 0; c < table.columns().size(); ++c)
    body_ += cell("th", c, breakable(table.columns()[c].heading));
  body_ += "</tr></thead>\n<tbody>\n";
  for (const auto& row : table.rows()) {
    body_ += "<tr>";
    for (std::size_t c = 0; c < row.size(); ++c) body_ += cell("td", c, base::html(row[c]));
    body_ += "</tr>\n";
  }
  body_ += "</tbody></table></div></figure>\n";
}

void HtmlPage::figure(const std::string& svg, const std::string& caption, const std::string& detail) {
  const int smallest = static_cast<int>(kSmallest * width_of(svg));
  body_ += fmt::format(
      "<figure><div class=\"scroll\"><img alt=\"{}\" style=\"min-width:{}px\" "
      "src=\"data:image/svg+xml;base64,{}\"></div>\n{}</figure>\n",
      base::html(caption), smallest, base64(svg), captioned(caption, detail));
}

void HtmlPage::details(const std::string& summary, const std::string& text) {
  body_ += "<details>" + element("summary", summary) + "<pre>" + base::html(text) + "</pre></details>\n";
}

std::string HtmlPage::text() const {
  return "<!doctype html>\n<html lang=\"en\">\n<meta charset=\"utf-8\">\n"
         "<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n" +
         element("title", title_) + "<style>" + kStyle + "</style>\n" + element("h1", title_) + body_ +
         "</html>\n";
}

}  // namespace variform::draw
