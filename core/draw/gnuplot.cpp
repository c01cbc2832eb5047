// See gnuplot.h.

#include "draw/gnuplot.h"

#include <algorithm>
#include <cerrno>
#include <charconv>
#include <chrono>
#include <cmath>
#include <csignal>
#include <cstring>
#include <system_error>

#include <fmt/format.h>

#include "base/program.h"
#include "base/quote.h"
#include "base/table.h"
#include "base/utf8.h"
#include "draw/png_grid.h"

namespace variform::draw::gnuplot {
namespace {

constexpr double kCharacter = 7.2;  // width in pixels, on average, of a font of 13 points
constexpr int kFont = 13, kLeastFont = 8;
constexpr int kMissing = 127;  // gnuplot's exit status when there is none

}  // namespace

std::string number(double value) {
  if (!std::isfinite(value)) return "NaN";
  char text[32];
  return {text, std::to_chars(text, text + sizeof text, value).ptr};
}

int width_of(const std::string& text) {
  return static_cast<int>(kCharacter * static_cast<double>(base::utf8_width(text)));
}

std::vector<std::string> wrapped(const std::string& text, double place) {
  return base::broken_at_spaces(text, static_cast<std::size_t>(std::max(0.0, (place + 1) / kCharacter)));
}

std::string font_for(const std::string& text, double place) {
  const double width = width_of(text);
  if (width <= place) return {};
  return fmt::format(" font ',{}'", std::max(kLeastFont, static_cast<int>(kFont * place / width)));
}

std::string share(double part, double whole) { return number(part / whole); }

std::string page(const std::string& name, int width, int height, const std::string& head,
                 const std::string& body) {
  const auto size = [&](int times) { return fmt::format("{},{}", times * width, times * height); };
  const std::string large = size(2) + " noenhanced font 'Liberation Sans,13' fontscale 2 linewidth 2";
  return "# Draws an SVG and a PNG of this name from the CSV beside it. In their folder: gnuplot " +
         base::for_shell(name + ".gp") +
         "\nset encoding utf8\nset datafile separator comma\nset datafile missing NaN\n" + head +
         "do for [format in 'svg png'] {\n"
         "  if (format eq 'svg') { set terminal svg size " +
         size(1) +
         " noenhanced font 'Arial,13' background 'white' }\n"
         "  else { if (strstrt(GPVAL_TERMINALS, 'pngcairo') > 0) { set terminal pngcairo size " +
         large + " pointscale 2 } else { set terminal png size " + large +
         " }}\n"  // PyPI's gnuplot has no pngcairo
         "  set output " +
         base::gnuplot_file(name + ".") + ".format\n  set multiplot\n" + body +
         "  unset multiplot\n  unset output\n}\n";
}

std::string picture_name(const std::string& name, std::size_t panel) {
  return fmt::format("{}-{}.png", name, panel + 1);
}

// Runs without a shell, so that nothing in a folder's name has a meaning.
std::pair<std::string, int> run(const std::filesystem::path& folder, const std::string& name) try {
  constexpr std::chrono::hours kLimit{24};
  base::Said said =
      base::run_program({"gnuplot", "./" + name}, kLimit, {.folder = folder, .keeps_errors = true});
  if (said.signal == 0) return {std::move(said.out), said.code};
  said.out += fmt::format("it was ended by signal {} ({}){}", said.signal, ::strsignal(said.signal),
                          said.signal == SIGXFSZ ? "; raise the limit of file sizes (ulimit -f)." : ".");
  return {std::move(said.out), -1};
} catch (const std::system_error& error) {
  if (error.code().value() == ENOENT) return {"", kMissing};
  throw base::Error(std::string("gnuplot could not be started: ") + error.code().message() + ".");
}

}  // namespace variform::draw::gnuplot
