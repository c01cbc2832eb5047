// See gnuplot.h.

#include "draw/gnuplot.h"

#include <fcntl.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <charconv>
#include <cmath>
#include <csignal>
#include <cstring>

#include "base/quote.h"
#include "draw/png_grid.h"

namespace variform::draw::gnuplot {
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

// Runs without a shell, so that nothing in a folder's name has a meaning.
std::pair<std::string, int> run(const std::filesystem::path& folder, const std::string& name) {
  int ends[2];
  if (::pipe2(ends, O_CLOEXEC) != 0) throw base::Error("no pipe could be made for gnuplot.");
  posix_spawn_file_actions_t actions;
  posix_spawn_file_actions_init(&actions);
  posix_spawn_file_actions_addopen(&actions, STDIN_FILENO, "/dev/null", O_RDONLY, 0);
  for (const int stream : {STDOUT_FILENO, STDERR_FILENO})
    posix_spawn_file_actions_adddup2(&actions, ends[1], stream);
  posix_spawn_file_actions_addchdir_np(&actions, folder.c_str());
  std::string program = "gnuplot", script = "./" + name;
  char* arguments[] = {program.data(), script.data(), nullptr};
  pid_t child = 0;
  const int failed = ::posix_spawnp(&child, program.c_str(), &actions, nullptr, arguments, environ);
  posix_spawn_file_actions_destroy(&actions);
  ::close(ends[1]);
  std::string text;
  char some[4096];
  for (ssize_t n = 1; failed == 0 && n != 0;) {
    n = ::read(ends[0], some, sizeof some);
    if (n > 0) text.append(some, static_cast<std::size_t>(n));
    if (n < 0 && errno != EINTR) break;
  }
  ::close(ends[0]);
  if (failed == ENOENT) return {"", 127};
  if (failed) throw base::Error(std::string("gnuplot could not be started: ") + std::strerror(failed) + ".");
  int status = 0;
  while (::waitpid(child, &status, 0) < 0 && errno == EINTR) {
  }
  if (WIFSIGNALED(status))
    text += "it was ended by signal " + std::to_string(WTERMSIG(status)) + " (" +
            ::strsignal(WTERMSIG(status)) + ")" +
            (WTERMSIG(status) == SIGXFSZ ? "; raise the limit of file sizes (ulimit -f)." : ".");
  return {text, WIFEXITED(status) ? WEXITSTATUS(status) : -1};
}

}  // namespace variform::draw::gnuplot
