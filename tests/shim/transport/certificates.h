// Certificates made on the fly, in a folder of their own.
#pragma once

#include <filesystem>
#include <memory>
#include <string>
#include <vector>

namespace keelson::transport {

struct CertificateSpec {
  std::string common_name;
  std::vector<std::string> dns_names;
  bool is_ca = false;
  long serial = 1;
  std::vector<std::string> more_common_names = {};      // behind the first
  std::string key_usage = {}, extended_key_usage = {};  // as in openssl.cnf; "" without
};

// A key pair with its certificate, signed by an issuer or by itself; written as PEM files.
class Certificate {
 public:
  Certificate(const std::filesystem::path& folder, const std::string& name,
              const CertificateSpec& spec, const Certificate* issuer = nullptr);
  ~Certificate();
  Certificate(const Certificate&) = delete;
  Certificate& operator=(const Certificate&) = delete;

  std::string cert_file, key_file;
  // Writes the issuer's certificate behind this one.
  void append_issuer(const Certificate& issuer) const;
  // A revocation list of these serial numbers.
  void write_crl(const std::string& file, const std::vector<long>& serials) const;

 private:
  struct Parts;
  std::unique_ptr<Parts> parts_;
};

// A folder that is removed at the end.
class ScratchFolder {
 public:
  ScratchFolder();
  const std::filesystem::path& path() const { return path_; }

 private:
  std::filesystem::path path_;
};

}  // namespace keelson::transport
