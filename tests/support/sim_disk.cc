#include "tests/support/sim_disk.h"

#include <algorithm>
#include <cerrno>
#include <utility>

namespace keelson::tests {

namespace {
using base::IoError;
constexpr uint64_t kSector = 512;
}  // namespace

class SimFile : public base::File {
 public:
  SimFile(SimDisk& disk, SimDisk::NodeRef node, std::string path)
      : disk_(disk), node_(std::move(node)), path_(std::move(path)), life_(disk.life_) {}
  ~SimFile() override {
    std::lock_guard lock(disk_.mutex_);
    if (life_ != disk_.life_) return;
    if (ofd_) node_->ofd_locked = false;
    if (flock_) node_->flocked = false;
  }

  IoError read_at(uint64_t offset, size_t size, std::string& out) override {
    std::lock_guard lock(disk_.mutex_);
    if (stale()) return {EIO, "read " + path_};
    out = offset >= node_->bytes.size() ? "" : node_->bytes.substr(offset, size);
    return {};
  }
  IoError write_at(uint64_t offset, std::string_view bytes) override {
    std::lock_guard lock(disk_.mutex_);
    if (stale()) return {EIO, "write " + path_};
    IoError error = disk_.change("write " + path_);
    // A write at which the disk dies may have reached it.
    if (!error.ok() && !disk_.coin()) return error;
    IoError written = disk_.write(*node_, offset, bytes, path_);
    return error.ok() ? written : error;
  }
  IoError sync_data() override { return sync("fdatasync "); }
  IoError sync_all() override { return sync("fsync "); }
  void forget_cached() override {
    std::lock_guard lock(disk_.mutex_);
    if (!stale()) SimDisk::forget_cached(*node_);
  }
  IoError truncate(uint64_t size) override {
    std::lock_guard lock(disk_.mutex_);
    if (stale()) return {EIO, "truncate " + path_};
    if (IoError error = disk_.change("truncate " + path_); !error.ok()) return error;
    return disk_.resize(*node_, size, path_);
  }
  IoError allocate(uint64_t size) override {
    std::lock_guard lock(disk_.mutex_);
    if (stale()) return {EIO, "allocate " + path_};
    if (IoError error = disk_.change("allocate " + path_); !error.ok()) return error;
    if (size <= node_->bytes.size()) return {};
    return disk_.resize(*node_, size, path_);
  }
  IoError size(uint64_t& out) override {
    std::lock_guard lock(disk_.mutex_);
    if (stale()) return {EIO, "stat " + path_};
    out = node_->bytes.size();
    return {};
  }
  IoError lock_ofd() override { return take(node_->ofd_locked, ofd_); }
  IoError lock_flock() override { return take(node_->flocked, flock_); }

 private:
  bool stale() const { return life_ != disk_.life_; }
  IoError sync(const char* what) {
    std::lock_guard lock(disk_.mutex_);
    if (stale()) return {EIO, what + path_};
    bool happens = false;
    IoError error = disk_.sync_point(what + path_, happens);
    if (!happens && !disk_.dead_) {
      node_->lost_sectors.merge(node_->safe_sectors);
      node_->safe_sectors.clear();
    }
    if (happens) {
      node_->safe_sectors.clear();
      node_->safe_size = node_->bytes.size();
    }
    return error;
  }
  IoError take(bool& locked, bool& mine) {
    std::lock_guard lock(disk_.mutex_);
    if (stale()) return {EIO, "lock " + path_};
    if (locked && !mine) return {EWOULDBLOCK, "lock " + path_};
    locked = mine = true;
    return {};
  }

  SimDisk& disk_;
  SimDisk::NodeRef node_;
  std::string path_;
  uint64_t life_;
  bool ofd_ = false, flock_ = false;
};

SimDisk::SimDisk(uint64_t seed) : random_(seed), root_(std::make_shared<Node>()) {
  root_->folder = true;
}
SimDisk::~SimDisk() = default;

void SimDisk::die_after(uint64_t n) {
  std::lock_guard lock(mutex_);
  die_at_ = n == 0 ? 0 : operations_ + n;
}
bool SimDisk::dead() const {
  std::lock_guard lock(mutex_);
  return dead_;
}
void SimDisk::fail_sync_after(uint64_t n) {
  std::lock_guard lock(mutex_);
  fail_sync_at_ = n == 0 ? 0 : syncs_ + n;
}
void SimDisk::set_capacity(uint64_t bytes) {
  std::lock_guard lock(mutex_);
  capacity_ = bytes;
}
uint64_t SimDisk::operations() const {
  std::lock_guard lock(mutex_);
  return operations_;
}

bool SimDisk::coin() {
  return (random_() & 1) != 0;
}

IoError SimDisk::change(const std::string& what) {
  ++operations_;
  if (die_at_ != 0 && operations_ >= die_at_) dead_ = true;
  return dead_ ? IoError{EIO, what} : IoError{};
}

IoError SimDisk::sync_point(const std::string& what, bool& happens) {
  const bool was_dead = dead_;
  IoError error = change(what);
  if (++syncs_ == fail_sync_at_) {
    happens = false;
    return {EIO, what};
  }
  // A sync at which the disk dies may have been done all the same.
  happens = error.ok() || (!was_dead && coin());
  return error;
}

SimDisk::NodeRef SimDisk::find(const std::string& path) const {
  NodeRef node = root_;
  for (size_t at = 0; at < path.size() && node != nullptr;) {
    const size_t end = std::min(path.find('/', at), path.size());
    if (end > at) {
      auto found = node->names.find(path.substr(at, end - at));
      node = found == node->names.end() ? nullptr : found->second;
    }
    at = end + 1;
  }
  return node;
}

SimDisk::NodeRef SimDisk::parent(const std::string& path, std::string& name) const {
  const size_t slash = path.rfind('/');
  name = path.substr(slash + 1);
  return find(slash == std::string::npos ? "" : path.substr(0, slash));
}

void SimDisk::changed(Node& folder) {
  folder.unsynced.push_back(folder.names);
}

// Keeps the safe bytes of [begin, end) before they change.
void SimDisk::remember(Node& file, uint64_t begin, uint64_t end) {
  for (uint64_t sector = begin / kSector; sector * kSector < end; ++sector) {
    if (auto lost = file.lost_sectors.extract(sector); !lost.empty()) {
      file.safe_sectors.emplace(sector, std::move(lost.mapped()));
      continue;
    }
    const uint64_t at = sector * kSector;
    std::string old = at < file.bytes.size() ? file.bytes.substr(at, kSector) : "";
    old.resize(kSector);
    file.safe_sectors.emplace(sector, std::move(old));
  }
}

IoError SimDisk::write(Node& file, uint64_t offset, std::string_view bytes,
                       const std::string& path) {
  if (offset + bytes.size() > file.bytes.size()) {
    if (IoError error = resize(file, offset + bytes.size(), path); !error.ok()) return error;
  }
  remember(file, offset, offset + bytes.size());
  file.bytes.replace(offset, bytes.size(), bytes);
  return {};
}

IoError SimDisk::resize(Node& file, uint64_t size, const std::string& path) {
  if (size > file.bytes.size() && size - file.bytes.size() > room()) {
    // As far as it goes, like the real ones.
    const uint64_t more = room();
    file.bytes.resize(file.bytes.size() + more);
    used_ += more;
    return {ENOSPC, "grow " + path};
  }
  if (size < file.bytes.size()) remember(file, size, file.bytes.size());
  used_ = used_ + size - file.bytes.size();
  file.bytes.resize(size);
  return {};
}

void SimDisk::forget_cached(Node& file) {
  for (const auto& [sector, old] : file.lost_sectors) {
    const uint64_t at = sector * kSector;
    if (at < file.bytes.size())
      file.bytes.replace(at, kSector, old, 0, std::min(kSector, file.bytes.size() - at));
  }
  file.lost_sectors.clear();
}

void SimDisk::settle_file(Node& file) {
  forget_cached(file);
  const bool keep_size = coin();
  const uint64_t now = file.bytes.size();
  const uint64_t size = keep_size ? now : file.safe_size;
  const uint64_t longest = std::max(now, size);
  file.bytes.resize((longest + kSector - 1) / kSector * kSector);
  // All, none, or some of the sectors keep what was not synced.
  const uint64_t mood = random_() % 3;
  for (auto& [sector, old] : file.safe_sectors) {
    const uint64_t at = sector * kSector;
    if (at >= file.bytes.size()) continue;
    const bool keep = mood == 0 || (mood == 2 && coin());
    // What a truncation cut off, and the crash brought back, is as it was.
    if (keep && !(size > now && at + kSector > now)) continue;
    file.bytes.replace(at, kSector, old);
  }
  file.bytes.resize(size);
  file.safe_size = size;
  file.safe_sectors.clear();
}

void SimDisk::settle(Node& node) {
  if (!node.folder) return settle_file(node);
  if (!node.unsynced.empty()) {
    const uint64_t kept = random_() % (node.unsynced.size() + 1);
    node.names = kept == 0 ? node.safe_names : node.unsynced[kept - 1];
  }
  node.safe_names = node.names;
  node.unsynced.clear();
  for (auto& [name, child] : node.names) settle(*child);
}

uint64_t SimDisk::used(const Node& node) const {
  uint64_t sum = node.bytes.size();
  for (const auto& [name, child] : node.names) sum += used(*child);
  return sum;
}

void SimDisk::unlock(Node& node) {
  node.ofd_locked = node.flocked = false;
  for (auto& [name, child] : node.names) unlock(*child);
}

void SimDisk::crash() {
  std::lock_guard lock(mutex_);
  settle(*root_);
  unlock(*root_);
  used_ = used(*root_);
  dead_ = false;
  die_at_ = 0;
  ++life_;
}

void SimDisk::kill() {
  std::lock_guard lock(mutex_);
  unlock(*root_);
  dead_ = false;
  die_at_ = 0;
  ++life_;
}

std::string SimDisk::contents(const std::string& path) const {
  std::lock_guard lock(mutex_);
  return find(path)->bytes;
}

void SimDisk::set_contents(const std::string& path, std::string bytes) {
  std::lock_guard lock(mutex_);
  NodeRef node = find(path);
  used_ = used_ + bytes.size() - node->bytes.size();
  node->bytes = std::move(bytes);
  node->safe_size = node->bytes.size();
  node->safe_sectors.clear();
}

IoError SimDisk::open(const std::string& path, base::OpenMode mode, uint32_t,
                      std::unique_ptr<base::File>& out) {
  out.reset();  // a file that it held takes the mutex when it closes
  std::lock_guard lock(mutex_);
  NodeRef node = find(path);
  if (node != nullptr && node->folder) return {EISDIR, "open " + path};
  const bool create = mode == base::OpenMode::kCreate || mode == base::OpenMode::kCreateNew;
  if (node != nullptr && mode == base::OpenMode::kCreateNew) return {EEXIST, "open " + path};
  if (node == nullptr && !create) return {ENOENT, "open " + path};
  if (node == nullptr) {
    std::string name;
    NodeRef folder = parent(path, name);
    if (folder == nullptr) return {ENOENT, "open " + path};
    if (IoError error = change("create " + path); !error.ok()) return error;
    node = folder->names[name] = std::make_shared<Node>();
    changed(*folder);
  } else if (mode == base::OpenMode::kCreate) {
    if (IoError error = change("truncate " + path); !error.ok()) return error;
    if (IoError error = resize(*node, 0, path); !error.ok()) return error;
  }
  out = std::make_unique<SimFile>(*this, std::move(node), path);
  return {};
}

IoError SimDisk::make_dir(const std::string& path, uint32_t) {
  std::lock_guard lock(mutex_);
  if (NodeRef node = find(path); node != nullptr) {
    return node->folder ? IoError{} : IoError{ENOTDIR, "mkdir " + path};
  }
  std::string name;
  NodeRef folder = parent(path, name);
  if (folder == nullptr) return {ENOENT, "mkdir " + path};
  if (IoError error = change("mkdir " + path); !error.ok()) return error;
  NodeRef node = std::make_shared<Node>();
  node->folder = true;
  folder->names[name] = std::move(node);
  changed(*folder);
  return {};
}

IoError SimDisk::list(const std::string& path, std::vector<std::string>& names) {
  std::lock_guard lock(mutex_);
  NodeRef node = find(path);
  if (node == nullptr || !node->folder) return {ENOENT, "list " + path};
  names.clear();
  for (const auto& [name, child] : node->names) names.push_back(name);
  return {};
}

IoError SimDisk::rename(const std::string& from, const std::string& to) {
  std::lock_guard lock(mutex_);
  std::string from_name, to_name;
  NodeRef folder = parent(from, from_name), target = parent(to, to_name);
  if (folder == nullptr || folder != target || folder->names.count(from_name) == 0) {
    return {ENOENT, "rename " + from};
  }
  if (IoError error = change("rename " + from); !error.ok()) return error;
  NodeRef node = folder->names[from_name];
  folder->names.erase(from_name);
  folder->names[to_name] = std::move(node);
  changed(*folder);
  return {};
}

IoError SimDisk::remove(const std::string& path) {
  std::lock_guard lock(mutex_);
  std::string name;
  NodeRef folder = parent(path, name);
  if (folder == nullptr || folder->names.count(name) == 0) return {ENOENT, "remove " + path};
  if (!folder->names[name]->names.empty()) return {ENOTEMPTY, "remove " + path};
  if (IoError error = change("remove " + path); !error.ok()) return error;
  used_ -= folder->names[name]->bytes.size();
  folder->names.erase(name);
  changed(*folder);
  return {};
}

bool SimDisk::exists(const std::string& path) {
  std::lock_guard lock(mutex_);
  return find(path) != nullptr;
}

IoError SimDisk::sync_dir(const std::string& path) {
  std::lock_guard lock(mutex_);
  NodeRef node = find(path);
  if (node == nullptr || !node->folder) return {ENOENT, "sync " + path};
  bool happens = false;
  IoError error = sync_point("fsync " + path, happens);
  if (happens) {
    node->safe_names = node->names;
    node->unsynced.clear();
  }
  return error;
}

IoError SimDisk::free_bytes(const std::string&, uint64_t& out) {
  std::lock_guard lock(mutex_);
  out = capacity_ - std::min(capacity_, used_);
  return {};
}

}  // namespace keelson::tests
