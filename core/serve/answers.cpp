// See answers.h.

#include "serve/answers.h"

#include <charconv>
#include <system_error>

namespace variform::serve {
namespace {

// A figure is shown as a picture. Opened by itself, it may do nothing.
constexpr const char* kFigurePolicy = "default-src 'none'; style-src 'unsafe-inline'; sandbox";
constexpr const char* kNothing = "default-src 'none'";

Answer refusal(int status, const std::string& sentence) {
  return {status, "text/plain; charset=utf-8", sentence + "\n", {}};
}

std::string parameter(const Question& question, const std::string& name) {
  const auto found = question.parameters.find(name);
  return found == question.parameters.end() ? std::string() : found->second;
}

// Returns a whole number; 0 for anything else.
std::uint64_t number(const Question& question, const std::string& name) {
  const std::string text = parameter(question, name);
  std::uint64_t value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  return error == std::errc() && end == text.data() + text.size() ? value : 0;
}

// Another site's page may make its name lead here, and would then read the answers; the header still has that name.
bool is_this_machine(const std::string& host) {
  const std::string name = host.substr(0, host.find(':'));
  return name == "localhost" || name == "127.0.0.1";
}

}  // namespace

Answer Answers::to(const Question& question) const {
  Answer answer =
      !is_this_machine(question.host)
          ? refusal(
                403,
                "Expected the host 127.0.0.1 or localhost, found another: this page is for this machine alone.")
      : question.method != "GET" && question.method != "HEAD"
          ? refusal(405, "Expected GET or HEAD: nothing can be changed from here.")
          : found(question);
  if (answer.status == 405) answer.headers["Allow"] = "GET, HEAD";
  answer.headers.emplace("Content-Security-Policy", kNothing);
  answer.headers.emplace("Cache-Control", "no-store");
  answer.headers["X-Content-Type-Options"] = "nosniff";
  answer.headers["Referrer-Policy"] = "no-referrer";
  answer.headers["Cross-Origin-Resource-Policy"] = "same-origin";
  return answer;
}

Answer Answers::found(const Question& question) const {
  constexpr const char* kJson = "application/json; charset=utf-8";
  if (question.path == "/")
    return {200, "text/html; charset=utf-8", page_.text, {{"Content-Security-Policy", page_.policy}}};
  if (question.path == "/favicon.ico")
    return {204, "image/png", "", {}};  // browsers ask for it by themselves
  if (question.path == "/runs") return {200, kJson, runs_.changes(number(question, "since")), {}};
  if (question.path == "/figure") return figure(question);
  if (question.path == "/metrics") {
    auto lines =
        runs_.metrics(parameter(question, "run"), number(question, "generation"), number(question, "from"));
    return lines ? Answer{200, kJson, std::move(*lines), {}}
                 : refusal(404, "There is no such run (any more).");
  }
  return refusal(404, "Expected /, /runs, /metrics or /figure.");
}

Answer Answers::figure(const Question& question) const {
  const std::string name = parameter(question, "name");
  auto bytes = runs_.figure(parameter(question, "run"), name);
  if (!bytes) return refusal(404, "There is no such figure (any more).");
  // Its address changes with the file.
  return {200,
          name.ends_with(".svg") ? "image/svg+xml" : "image/png",
          std::move(*bytes),
          {{"Content-Security-Policy", kFigurePolicy}, {"Cache-Control", "private, max-age=86400"}}};
}

}  // namespace variform::serve
