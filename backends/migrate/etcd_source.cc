// A running etcd or Keelson, by a snapshot of it.
#include <utility>

#include "api/base/bytes.h"
#include "backends/migrate/source.h"

namespace keelson::migrate {

namespace {

class EtcdSource final : public Source {
 public:
  EtcdSource(std::string endpoint, EtcdAccess access, const Parts& parts)
      : endpoint_(std::move(endpoint)),
        access_(std::move(access)),
        path_(access_.folder + "/keelson-migrate-" + base::hex16(parts.random.next())),
        parts_(parts) {}
  ~EtcdSource() override { remove(); }

  std::string open() override {
    if (!access_.fetch) return "there is no way to ask " + endpoint_;
    std::unique_ptr<base::File> file;
    base::IoError error = parts_.files.open(path_, base::OpenMode::kCreateNew, 0600, file);
    if (!error.ok()) return error.text();
    made_ = true;
    if (std::string wrong = access_.fetch(endpoint_, *file); !wrong.empty()) {
      return "no snapshot of " + endpoint_ + ": " + wrong;
    }
    file.reset();
    snapshot_ = make_snapshot_source(path_, false, parts_);
    std::string wrong = snapshot_->open();
    remove();  // it is open
    return wrong;
  }
  std::string load(State& state) override { return snapshot_->load(state); }

 private:
  void remove() {
    if (std::exchange(made_, false)) (void)parts_.files.remove(path_);
  }

  const std::string endpoint_;
  const EtcdAccess access_;
  const std::string path_;
  const Parts parts_;
  bool made_ = false;
  std::unique_ptr<Source> snapshot_;
};

}  // namespace

std::unique_ptr<Source> make_etcd_source(const std::string& endpoint, const EtcdAccess& access,
                                         const Parts& parts) {
  return std::make_unique<EtcdSource>(endpoint, access, parts);
}

}  // namespace keelson::migrate
