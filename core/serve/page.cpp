// See page.h.

#include "serve/page.h"

#include <cstddef>
#include <cstdint>

#include "base/sha256.h"

namespace variform::serve {
namespace {

// A part's digest as policies name it: 'sha256-…', in base64.
std::string source_of(std::string_view part) {
  constexpr const char* kDigits = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
  const std::string hex = base::sha256(part);
  std::string text = "'sha256-";
  for (std::size_t i = 0; i < hex.size(); i += 6) {  // six digits are three bytes, four letters
    const std::string six = (hex.substr(i, 6) + "000000").substr(0, 6);
    const std::uint32_t group = static_cast<std::uint32_t>(std::stoul(six, nullptr, 16));
    const std::size_t letters = i + 6 <= hex.size() ? 4 : 3;  // 32 bytes: two are left at the end
    for (std::size_t k = 0; k < letters; ++k) text += kDigits[group >> (18 - 6 * k) & 63];
    text.append(4 - letters, '=');
  }
  return text + "'";
}

void put(std::string& text, std::string_view place, std::string_view part) {
  text.replace(text.find(place), place.size(), part);
}

}  // namespace

Page make_page() {
  Page page{std::string(kPageHtml), {}};
  put(page.text, "{{style}}", kPageStyle);
  put(page.text, "{{script}}", kPageScript);
  page.policy = "default-src 'none'; img-src 'self'; connect-src 'self'; style-src " + source_of(kPageStyle) +
                "; script-src " + source_of(kPageScript) +
                "; base-uri 'none'; form-action 'none'; frame-ancestors 'none'";
  return page;
}

}  // namespace variform::serve
