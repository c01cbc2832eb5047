// See sniff.h.

#include "data/readers/sniff.h"

#include <array>
#include <fstream>
#include <string_view>

#include "config/text.h"

namespace variform::data {
namespace {

namespace fs = std::filesystem;

constexpr std::string_view kHdf5 = "\x89HDF\r\n\x1a\n";

struct Foreign {
  std::string_view begin, suffix;  // one of them tells
  const char* what;
  const char* python;  // {} stands for the file's name, [] for the name without its suffix
};

constexpr std::array kForeign{
    Foreign{"PAR1", "", "a Parquet table",
            "import pandas; pandas.read_parquet(\"{}\").to_csv(\"[].csv\", index=False)"},
    Foreign{"ARROW1", "", "an Arrow or Feather table",
            "import pandas; pandas.read_feather(\"{}\").to_csv(\"[].csv\", index=False)"},
    Foreign{"", ".xlsx", "a spreadsheet",
            "import pandas; pandas.read_excel(\"{}\").to_csv(\"[].csv\", index=False)"},
    Foreign{"\xd0\xcf\x11\xe0", "", "a spreadsheet or another document of the kind of .xls",
            "import pandas; pandas.read_excel(\"{}\").to_csv(\"[].csv\", index=False)"},
    Foreign{"MATLAB 5.0", "", "a MATLAB file older than 7.3",
            "import numpy, scipy.io; numpy.savez(\"[].npz\", **{k: v for k, v in "
            "scipy.io.loadmat(\"{}\").items() if k[0] != \"_\"})"},
    Foreign{"", ".pkl", "a Python pickle, which could execute anything",
            "import pickle, numpy; numpy.save(\"[].npy\", numpy.asarray(pickle.load(open(\"{}\", \"rb\"))))"},
    Foreign{"", ".pickle", "a Python pickle, which could execute anything",
            "import pickle, numpy; numpy.save(\"[].npy\", numpy.asarray(pickle.load(open(\"{}\", \"rb\"))))"},
    Foreign{"", ".pt", "a file of torch.save",
            "import torch, numpy; numpy.save(\"[].npy\", torch.load(\"{}\", weights_only=True).numpy())"},
    Foreign{"", ".pth", "a file of torch.save",
            "import torch, numpy; numpy.save(\"[].npy\", torch.load(\"{}\", weights_only=True).numpy())"},
};

std::string filled_in(const char* python, const fs::path& path) {
  std::string text = python;
  const auto replace = [&](const std::string& what, const std::string& by) {
    for (auto at = text.find(what); at != std::string::npos; at = text.find(what, at + by.size()))
      text.replace(at, what.size(), by);
  };
  const std::string name = path.filename().string();
  replace("\"{}\"", "\"" + name + "\"");
  replace("\"[]", "\"" + path.stem().string());
  return text;
}

}  // namespace

std::string first_bytes(const fs::path& path, std::size_t count) {
  std::string bytes(count, '\0');
  std::ifstream file(path, std::ios::binary);
  file.read(bytes.data(), static_cast<std::streamsize>(count));
  bytes.resize(static_cast<std::size_t>(file.gcount()));
  return bytes;
}

std::string plain_name(const fs::path& path) {
  const std::string name = config::lower_case(path.filename().string());
  for (const std::string_view ending : kCompressions)
    if (!ending.empty() && name.ends_with(ending)) return name.substr(0, name.size() - ending.size());
  return name;
}

std::string format_by_name(const fs::path& path) {
  const std::string name = plain_name(path);
  const std::string type = fs::path(name).extension().string();
  if (type == ".npy") return "npy";
  if (type == ".npz") return "npz";
  if (type == ".h5" || type == ".hdf5" || type == ".hdf") return "hdf5";
  if (type == ".csv" || type == ".tsv" || type == ".txt") return "csv";
  if (name.find("idx") != std::string::npos) return "idx";
  return {};
}

std::string format_by_bytes(const fs::path& path) {
  const std::string bytes = first_bytes(path, 2048 + kHdf5.size());
  const std::string_view text = bytes;
  if (text.starts_with("\x93NUMPY")) return "npy";
  for (const std::size_t at : {0u, 512u, 1024u, 2048u})  // after a user block, such as MATLAB's
    if (text.size() >= at + kHdf5.size() && text.substr(at, kHdf5.size()) == kHdf5) return "hdf5";
  const std::string suffix = path.extension().string();
  if (text.starts_with("PK\x03\x04") && suffix != ".xlsx" && suffix != ".pt" && suffix != ".pth")
    return "npz";
  return "";
}

std::string foreign_format(const fs::path& path) {
  const std::string bytes = first_bytes(path, 64);
  const std::string suffix = path.extension().string();
  for (const Foreign& one : kForeign)
    if (one.begin.empty() ? suffix == one.suffix : std::string_view(bytes).starts_with(one.begin))
      return std::string(one.what) + ", which is not read; in Python: " + filled_in(one.python, path);
  return "";
}

}  // namespace variform::data
