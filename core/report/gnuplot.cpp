// See gnuplot.h.

#include "report/gnuplot.h"

#include <sys/wait.h>

#include <algorithm>
#include <charconv>
#include <cmath>
#include <cerrno>
#include <csignal>
#include <cstdio>
#include <cstring>

#include "base/quote.h"
#include "report/png_grid.h"

namespace variform::report::gnuplot {
namespace {

constexpr double kCharacter = 7.2;  // width in pixels, on average, of a font of 13 points
constexpr int kFont = 13, kLeastFont = 8;

}  // namespace

std::string number(double value) {
  if (!std::isfinite(value)) return "NaN";
  char text[32];
  return {text, std::to_chars(text, text + sizeof text, value).ptr};
}

int width_of(const std::string& text) {
  const auto characters = std::count_if(
      text.begin(), text.end(), [](char c) { return (static_cast<unsigned char>(c) & 0xC0) != 0x80; });
  return static_cast<int>(kCharacter * static_cast<double>(characters));
}

std::vector<std::string> wrapped(const std::string& text, double place) {
  std::vector<std::string> lines{""};
  for (std::size_t start = 0; start <= text.size();) {
    const std::size_t end = std::min(text.find(' ', start), text.size());
    const std::string word = text.substr(start, end - start);
    if (lines.back().empty()) lines.back() = word;
    else if (width_of(lines.back() + " " + word) <= place) lines.back() += " " + word;
    else lines.push_back(word);
    start = end + 1;
  }
  return lines;
}

std::string font_for(const std::string& text, double place) {
  const double width = width_of(text);
  if (width <= place) return {};
  return " font '," + std::to_string(std::max(kLeastFont, static_cast<int>(kFont * place / width))) + "'";
}

std::string share(double part, double whole) { return number(part / whole); }

std::string page(const std::string& name, int width, int height, const std::string& head,
                 const std::string& body) {
  const auto size = [&](int times) {
    return std::to_string(times * width) + "," + std::to_string(times * height);
  };
  return "# Draws an SVG and a PNG of this name from the CSV beside it. In their folder: gnuplot " +
         base::for_shell(name + ".gp") +
         "\nset encoding utf8\nset datafile separator comma\nset datafile missing NaN\n" + head +
         "do for [format in 'svg png'] {\n"
         "  if (format eq 'svg') { set terminal svg size " +
         size(1) +
         " noenhanced font 'Arial,13' background 'white' }\n"
         "  else { set terminal pngcairo size " +
         size(2) +
         " noenhanced font 'Liberation Sans,13' fontscale 2 linewidth 2 pointscale 2 }\n"
         "  set output " +
         base::gnuplot_file(name + ".") + ".format\n  set multiplot\n" + body +
         "  unset multiplot\n  unset output\n}\n";
}

std::string picture_name(const std::string& name, std::size_t panel) {
  return name + "-" + std::to_string(panel + 1) + ".png";
}

std::pair<std::string, int> run(const std::filesystem::path& folder, const std::string& name) {
  const std::string command =
      "cd " + base::for_shell(folder.string()) + " && exec gnuplot " + base::for_shell("./" + name) + " 2>&1";
  std::FILE* pipe = ::popen(command.c_str(), "r");
  if (!pipe) throw Error("no process could be started for gnuplot.");
  std::string text;
  for (;;) {
    errno = 0;
    const int c = std::fgetc(pipe);
    if (c != EOF) text += static_cast<char>(c);
    else if (std::ferror(pipe) == 0 || errno != EINTR) break;
    else std::clearerr(pipe);  // a signal came meanwhile
  }
  const int status = ::pclose(pipe);
  if (WIFSIGNALED(status))
    text += "it was ended by signal " + std::to_string(WTERMSIG(status)) + " (" +
            ::strsignal(WTERMSIG(status)) + ")" +
            (WTERMSIG(status) == SIGXFSZ ? "; raise the limit of file sizes (ulimit -f)." : ".");
  return {text, WIFEXITED(status) ? WEXITSTATUS(status) : -1};
}

}  // namespace variform::report::gnuplot
