#include "base/hdf5_file.h"

#include <algorithm>

// See hdf5_file.h for the reasons. Everything here assumes a Silence in the caller.
namespace variform::base::hdf5 {
namespace {

// H5Fopen on a file image copies it twice unless these callbacks hand out the caller's own bytes.
void* lend(size_t, H5FD_file_image_op_t, void* bytes) { return bytes; }
void* copied_already(void* destination, const void*, size_t, H5FD_file_image_op_t, void*) {
  return destination;
}
void* refuse_to_grow(void*, size_t, H5FD_file_image_op_t, void*) { return nullptr; }
herr_t keep(void*, H5FD_file_image_op_t, void*) { return 0; }
void* same(void* bytes) { return bytes; }
herr_t keep_data(void*) { return 0; }

Handle memory_access(std::size_t increment) {
  Handle access(H5Pcreate(H5P_FILE_ACCESS), H5Pclose, "file access list");
  check(H5Pset_fapl_core(access, increment, false), "memory file");
  check(H5Pset_fclose_degree(access, H5F_CLOSE_STRONG), "memory file");
  return access;
}

}  // namespace

Silence::Silence() {
  H5Eget_auto2(H5E_DEFAULT, &function_, &data_);
  H5Eset_auto2(H5E_DEFAULT, nullptr, nullptr);
}

Silence::~Silence() { H5Eset_auto2(H5E_DEFAULT, function_, data_); }

void fail(const std::string& what) {
  std::string reason;
  H5Ewalk2(
      H5E_DEFAULT, H5E_WALK_UPWARD,
      [](unsigned depth, const H5E_error2_t* error, void* text) -> herr_t {
        if (depth == 0 && error->desc != nullptr) *static_cast<std::string*>(text) = error->desc;
        return 0;
      },
      &reason);
  throw Error(reason.empty() ? what : what + " (HDF5: " + reason + ")");
}

Handle open_file(std::span<const std::byte> image) {
  const Handle access = memory_access(1 << 16);
  // Opened read-only: HDF5 asks for a writable pointer and does not write through it.
  void* const bytes = const_cast<std::byte*>(image.data());
  H5FD_file_image_callbacks_t callbacks = {&lend, &copied_already, &refuse_to_grow, &keep, &same, &keep_data,
                                           bytes};
  check(H5Pset_file_image_callbacks(access, &callbacks), "file image");
  check(H5Pset_file_image(access, bytes, image.size()), "file image");
  return {H5Fopen("checkpoint", H5F_ACC_RDONLY, access), H5Fclose, "it cannot be opened"};
}

// Variable length: such a string lies outside the object header and may be longer than the header's 64 KB.
Handle text_type() {
  Handle type(H5Tcopy(H5T_C_S1), H5Tclose, "text type");
  check(H5Tset_size(type, H5T_VARIABLE), "text type");
  check(H5Tset_cset(type, H5T_CSET_UTF8), "text type");
  return type;
}

void write_text(hid_t object, const std::string& name, const std::string& value) {
  const Handle type = text_type();
  const Handle space(H5Screate(H5S_SCALAR), H5Sclose, "text space");
  const Handle attribute(H5Acreate2(object, name.c_str(), type, space, H5P_DEFAULT, H5P_DEFAULT), H5Aclose,
                         "attribute \"" + name + "\"");
  const char* const text = value.c_str();
  check(H5Awrite(attribute, type, &text), "attribute \"" + name + "\"");
}

std::string read_text(hid_t object, const std::string& name) {
  const std::string what = "attribute \"" + name + "\"";
  const Handle attribute(H5Aopen(object, name.c_str(), H5P_DEFAULT), H5Aclose, what);
  const Handle stored(H5Aget_type(attribute), H5Tclose, what);
  const Handle space(H5Aget_space(attribute), H5Sclose, what);
  const Handle type = text_type();
  if (H5Sget_simple_extent_type(space) != H5S_SCALAR || check(H5Tequal(stored, type), what) == 0) {
    throw Error(what + " is not one UTF-8 string");
  }
  char* text = nullptr;
  check(H5Aread(attribute, type, &text), what);
  std::string value = text == nullptr ? "" : text;
  H5free_memory(text);
  return value;
}

std::vector<std::string> attribute_names(hid_t object) {
  std::vector<std::string> names;
  const auto add = [](hid_t, const char* name, const H5A_info_t*, void* out) -> herr_t {
    static_cast<std::vector<std::string>*>(out)->emplace_back(name);
    return 0;
  };
  check(H5Aiterate2(object, H5_INDEX_NAME, H5_ITER_INC, nullptr, add, &names), "attributes");
  return names;
}

std::vector<std::string> member_names(hid_t group) {
  struct Found {
    std::vector<std::string> names;
    std::string link;
  } found;
  const auto add = [](hid_t, const char* name, const H5L_info_t* info, void* out) -> herr_t {
    auto* const all = static_cast<Found*>(out);
    all->names.emplace_back(name);
    if (info->type != H5L_TYPE_HARD) all->link = name;
    return 0;
  };
  check(H5Literate(group, H5_INDEX_NAME, H5_ITER_INC, nullptr, add, &found), "members of a group");
  if (!found.link.empty()) throw Error("\"" + found.link + "\" is a soft or external link");
  return std::move(found.names);
}

}  // namespace variform::base::hdf5
