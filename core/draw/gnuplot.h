#pragma once
// Parts of gnuplot scripts; texts and names of files are quoted by base/quote.h. Lengths are pixels of the SVG, from
// the top left; the PNG has two for each.

#include <array>
#include <filesystem>
#include <string>
#include <utility>
#include <vector>

#include "draw/figure.h"

namespace variform::draw::gnuplot {

/// The first seven are those of Okabe and Ito; the others are as far from them and from each other as possible.
inline constexpr std::array kColours{"#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9",
                                     "#000000", "#7A3E9D", "#8C8C8C", "#7A4A1E", "#9A9A00", "#A50026",
                                     "#00D0C0", "#FF8FA3", "#8FE388", "#B9A0F0"};

/// Returns the shortest text that reads back to the same number; NaN.
std::string number(double value);
/// Returns the approximate width of a text.
int width_of(const std::string& text);
/// Breaks the text at spaces into lines of about that many pixels.
std::vector<std::string> wrapped(const std::string& text, double place);
/// Returns "font ',9'" for a text that is too wide for its place, else empty text.
std::string font_for(const std::string& text, double place);
/// Converts page pixels to gnuplot's screen coordinates.
std::string share(double part, double whole);

/// Returns the whole script: the setup `head`, then `body` once for each of the two files, on a page of this size.
std::string page(const std::string& name, int width, int height, const std::string& head,
                 const std::string& body);

/// The scripts by kind of figure.
std::string diagrams(const Figure& figure, const std::string& name);  ///< curves and bars
std::string heat_maps(const Figure& figure, const std::string& name);
std::string pictures(const Figure& figure, const std::string& name);
/// The name of a panel's picture file beside the script.
std::string picture_name(const std::string& name, std::size_t panel);

/// Runs the script of that name in its folder. Returns what it printed, and its exit status (127: gnuplot is missing).
std::pair<std::string, int> run(const std::filesystem::path& folder, const std::string& name);

}  // namespace variform::draw::gnuplot
