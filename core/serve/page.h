#pragma once
// The page's parts, as they lie in core/serve/page, and the one document that is made of them.

#include <string>
#include <string_view>

namespace variform::serve {

extern const std::string_view kPageHtml;  ///< with {{style}} and {{script}} where those belong
extern const std::string_view kPageStyle;
extern const std::string_view kPageScript;

struct Page {
  std::string text;
  std::string
      policy;  ///< its Content-Security-Policy: nothing but its own style and script, and what this server has
};

/// Puts the page together.
Page make_page();

}  // namespace variform::serve
