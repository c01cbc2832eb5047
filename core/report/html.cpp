// See html.h.

#include "report/html.h"

#include <cstdint>

namespace variform::report {
namespace {

constexpr const char* kStyle =
    "body{font:16px/1.5 system-ui,sans-serif;max-width:72rem;margin:2rem auto;padding:0 "
    "1rem;color:#222;background:#fff}"
    "h1,h2{line-height:1.2}table{border-collapse:collapse;font-size:14px;display:block;overflow-x:auto;"
    "margin:.5rem 0 2rem}"
    "caption{text-align:left;padding:.3rem 0}th,td{padding:.2rem .7rem;border-bottom:1px solid "
    "#ddd;text-align:left}"
    ".n{text-align:right;font-variant-numeric:tabular-nums;white-space:nowrap}figure{margin:1rem 0 2rem}"
    "img{max-width:100%;height:auto}pre{background:#f5f5f5;padding:.8rem;overflow-x:auto;font-size:13px}";

std::string escaped(const std::string& text) {
  std::string out;
  for (const char c : text) {
    if (c == '&') out += "&amp;";
    else if (c == '<') out += "&lt;";
    else if (c == '>') out += "&gt;";
    else if (c == '"') out += "&quot;";
    else out += c;
  }
  return out;
}

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

std::string element(const char* name, const std::string& text) {
  return std::string("<") + name + ">" + escaped(text) + "</" + name + ">\n";
}

}  // namespace

void HtmlPage::heading(const std::string& text) { body_ += element("h2", text); }

void HtmlPage::paragraph(const std::string& text) { body_ += element("p", text); }

void HtmlPage::table(const std::string& caption, const Table& table) {
  const auto cell = [&](const char* name, std::size_t column, const std::string& text) {
    const bool number = table.columns()[column].align == Align::kRight;
    return std::string("<") + name + (number ? " class=\"n\">" : ">") + escaped(text) + "</" + name + ">";
  };
  body_ += "<table>\n" + element("caption", caption) + "<tr>";
  for (std::size_t c = 0; c < table.columns().size(); ++c) body_ += cell("th", c, table.columns()[c].heading);
  body_ += "</tr>\n";
  for (const auto& row : table.rows()) {
    body_ += "<tr>";
    for (std::size_t c = 0; c < row.size(); ++c) body_ += cell("td", c, row[c]);
    body_ += "</tr>\n";
  }
  body_ += "</table>\n";
}

void HtmlPage::figure(const std::string& svg, const std::string& caption) {
  body_ += "<figure><img alt=\"" + escaped(caption) + "\" src=\"data:image/svg+xml;base64," + base64(svg) +
           "\">\n" + element("figcaption", caption) + "</figure>\n";
}

void HtmlPage::details(const std::string& summary, const std::string& text) {
  body_ += "<details>" + element("summary", summary) + "<pre>" + escaped(text) + "</pre></details>\n";
}

std::string HtmlPage::text() const {
  return "<!doctype html>\n<html lang=\"en\">\n<meta charset=\"utf-8\">\n"
         "<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n" +
         element("title", title_) + "<style>" + kStyle + "</style>\n" + element("h1", title_) + body_ +
         "</html>\n";
}

}  // namespace variform::report
