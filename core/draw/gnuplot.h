#pragma once
// What gnuplot scripts are made of; texts and names of files go into them through base/quote.h. Lengths are pixels of the SVG, from the top left; the PNG has two for each.

#include <array>
#include <filesystem>
#include <string>
#include <utility>
#include <vector>

#include "draw/figure.h"

namespace variform::draw::gnuplot {

/// The first seven are those of Okabe and Ito; the others are as far from them and each other as there is room.
inline constexpr std::array kColours{"#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9",
                                     "#000000", "#7A3E9D", "#8C8C8C", "#7A4A1E", "#9A9A00", "#A50026",
                                     "#00D0C0", "#FF8FA3", "#8FE388", "#B9A0F0"};

/// The shortest text that reads back to the same number; NaN.
std::string number(double value);
/// About how wide a text is.
int width_of(const std::string& text);
/// The text in lines of about that many pixels, broken at spaces.
std::vector<std::string> wrapped(const std::string& text, double place);
/// "font ',9'" for a text that is too wide for its place, else empty.
std::string font_for(const std::string& text, double place);
/// Whole numbers of page pixels as gnuplot's screen coordinates.
std::string share(double part, double whole);

/// The whole script: what `head` sets up, then `body` once for each of the two files, on a page of this size.
std::string page(const std::string& name, int width, int height, const std::string& head,
                 const std::string& body);

/// The scripts by kind of figure.
std::string diagrams(const Figure& figure, const std::string& name);  ///< curves and bars
std::string heat_maps(const Figure& figure, const std::string& name);
std::string pictures(const Figure& figure, const std::string& name);
/// The file of a panel's picture beside the script.
std::string picture_name(const std::string& name, std::size_t panel);

/// Runs the script of that name in its folder: what it printed, and how it ended (127: there is no gnuplot).
std::pair<std::string, int> run(const std::filesystem::path& folder, const std::string& name);

}  // namespace variform::draw::gnuplot
