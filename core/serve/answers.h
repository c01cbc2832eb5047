#pragma once
// What the server answers, without sockets: the page, changes of runs, metrics, and figures. Nothing writes.

#include <map>
#include <string>

#include "serve/page.h"
#include "serve/runs.h"

namespace variform::serve {

struct Question {
  std::string method;  ///< "GET"
  std::string path;    ///< without what stands behind "?"
  std::string host;    ///< the header of that name
  std::map<std::string, std::string> parameters;
};

struct Answer {
  int status = 200;
  std::string type = "text/plain; charset=utf-8";
  std::string body;
  std::map<std::string, std::string> headers;
};

class Answers {
 public:
  /// `runs` must outlive this.
  explicit Answers(Runs& runs) : runs_(runs), page_(make_page()) {}

  /// Never throws for what a question holds. May be called by several threads.
  Answer to(const Question& question) const;

 private:
  Answer found(const Question& question) const;
  Answer figure(const Question& question) const;

  Runs& runs_;
  Page page_;
};

}  // namespace variform::serve
