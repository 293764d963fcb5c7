#include "shim/os/system.h"

#include <openssl/evp.h>
#include <pthread.h>
#include <sched.h>
#include <sys/random.h>
#include <time.h>

#include <random>
#include <thread>

#include "api/base/check.h"

namespace keelson::os {

namespace {

base::Duration read_clock(clockid_t id) {
  timespec t{};
  clock_gettime(id, &t);
  return std::chrono::seconds(t.tv_sec) + std::chrono::nanoseconds(t.tv_nsec);
}

class SystemRandom : public base::Random {
 public:
  explicit SystemRandom(uint64_t seed) : engine_(seed) {}
  uint64_t next() override { return engine_(); }

 private:
  std::mt19937_64 engine_;
};

class SystemThread : public base::Thread {
 public:
  explicit SystemThread(std::thread thread) : thread_(std::move(thread)) {}
  ~SystemThread() override { thread_.join(); }

 private:
  std::thread thread_;
};

struct FreeContext {
  void operator()(EVP_MD_CTX* context) const { EVP_MD_CTX_free(context); }
};

class OpenSslSha256 : public base::Sha256 {
 public:
  OpenSslSha256() : context_(EVP_MD_CTX_new()) {
    KEELSON_CHECK(context_ && EVP_DigestInit_ex(context_.get(), EVP_sha256(), nullptr) == 1,
                  "SHA-256 is always there");
  }
  void update(std::string_view bytes) override {
    KEELSON_CHECK(EVP_DigestUpdate(context_.get(), bytes.data(), bytes.size()) == 1, "SHA-256");
  }
  std::array<char, 32> finish() override {
    std::array<char, 32> out;
    unsigned size = 0;
    auto* bytes = reinterpret_cast<unsigned char*>(out.data());
    KEELSON_CHECK(EVP_DigestFinal_ex(context_.get(), bytes, &size) == 1 && size == out.size(),
                  "SHA-256");
    return out;
  }

 private:
  std::unique_ptr<EVP_MD_CTX, FreeContext> context_;
};

// A policy that somebody chose for the process is left alone, and a refusal costs only speed.
void prefer_batches() {
  int policy = 0;
  sched_param param{};
  if (pthread_getschedparam(pthread_self(), &policy, &param) == 0 && policy == SCHED_OTHER)
    pthread_setschedparam(pthread_self(), SCHED_BATCH, &param);
}

}  // namespace

base::MonotonicTime SystemClock::now() const {
  return {read_clock(CLOCK_MONOTONIC)};
}
base::WallTime SystemClock::wall() const {
  return {read_clock(CLOCK_REALTIME)};
}

std::unique_ptr<base::Random> make_system_random() {
  uint64_t seed = 0;
  // Eight bytes never come short once the kernel's pool is ready, for which the call waits.
  KEELSON_CHECK(getrandom(&seed, sizeof seed, 0) == sizeof seed, "getrandom");
  return std::make_unique<SystemRandom>(seed);
}

std::unique_ptr<base::Thread> SystemThreads::start(std::string name, std::function<void()> body) {
  KEELSON_CHECK(name.size() <= 15, "the kernel keeps 15 bytes of a thread's name");
  std::thread thread([name = std::move(name), body = std::move(body)] {
    pthread_setname_np(pthread_self(), name.c_str());
    prefer_batches();
    body();
  });
  return std::make_unique<SystemThread>(std::move(thread));
}

std::unique_ptr<base::Sha256> OpenSslDigests::sha256() {
  return std::make_unique<OpenSslSha256>();
}

std::array<char, 20> OpenSslDigests::sha1(std::string_view bytes) {
  std::array<char, 20> out;
  unsigned size = 0;
  auto* digest = reinterpret_cast<unsigned char*>(out.data());
  KEELSON_CHECK(EVP_Digest(bytes.data(), bytes.size(), digest, &size, EVP_sha1(), nullptr) == 1 &&
                    size == out.size(),
                "SHA-1");
  return out;
}

}  // namespace keelson::os
