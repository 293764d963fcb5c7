// WatchRequest by hand against protobuf's own class, on well-formed and mutated bytes.
#include <gtest/gtest.h>

#include <random>

#include "api/proto/rpc.pb.h"
#include "shim/rpc/watch_service.h"
#include "tests/support/seed.h"

namespace keelson::rpc {
namespace {

using Proto = etcdserverpb::WatchRequest;

Proto random_request(std::mt19937_64& random) {
  Proto request;
  auto text = [&] { return std::string(random() % 5, static_cast<char>(random())); };
  switch (random() % 4) {
    case 0:
      request.mutable_cancel_request()->set_watch_id(static_cast<int64_t>(random() % 9) - 2);
      break;
    case 1:
      request.mutable_progress_request();
      break;
    case 2: {
      auto& create = *request.mutable_create_request();
      create.set_key(text());
      create.set_range_end(text());
      create.set_start_revision(static_cast<int64_t>(random() >> random() % 64));
      create.set_progress_notify(random() % 2);
      create.set_prev_kv(random() % 2);
      create.set_fragment(random() % 2);
      create.set_watch_id(static_cast<int64_t>(random() >> random() % 64));
      for (uint64_t n = random() % 3; n > 0; --n) {
        create.add_filters(random() % 2 ? etcdserverpb::WatchCreateRequest::NOPUT
                                        : etcdserverpb::WatchCreateRequest::NODELETE);
      }
      break;
    }
    default:
      break;
  }
  return request;
}

void expect_equal(const WatchRequest& got, const Proto& expected) {
  using Kind = WatchRequest::Kind;
  ASSERT_EQ(static_cast<int>(got.kind), static_cast<int>(expected.request_union_case()));
  if (got.kind == Kind::kCancel) {
    EXPECT_EQ(got.cancel_id, expected.cancel_request().watch_id());
  }
  if (got.kind != Kind::kCreate) return;
  const auto& create = expected.create_request();
  EXPECT_EQ(got.create.key, create.key());
  EXPECT_EQ(got.create.end, create.range_end());
  EXPECT_EQ(got.create.start, create.start_revision());
  EXPECT_EQ(got.create.progress_notify, create.progress_notify());
  EXPECT_EQ(got.create.view.prev_kv, create.prev_kv());
  EXPECT_EQ(got.create.fragment, create.fragment());
  EXPECT_EQ(got.create.id, create.watch_id());
  bool no_put = false, no_delete = false;
  for (int filter : create.filters()) {
    no_put = no_put || filter == 0;
    no_delete = no_delete || filter == 1;
  }
  EXPECT_EQ(got.create.view.no_put, no_put);
  EXPECT_EQ(got.create.view.no_delete, no_delete);
}

TEST(WatchRequest, DecodesAsProtobuf) {
  std::mt19937_64 random(tests::run_seed());
  int well_formed = 0, malformed = 0;
  for (int i = 0; i < 100'000; ++i) {
    std::string bytes = random_request(random).SerializeAsString();
    if (random() % 3 == 0) bytes += random_request(random).SerializeAsString();
    if (random() % 2 && !bytes.empty()) {
      bytes[random() % bytes.size()] = static_cast<char>(random());
    }
    if (random() % 8 == 0 && !bytes.empty()) bytes.resize(random() % bytes.size());
    Proto expected;
    WatchRequest got;
    bool ok = expected.ParseFromString(bytes);
    (ok ? well_formed : malformed)++;
    // Protobuf takes groups and fields of another wire type as unknown ones; the hand-written
    // reader may refuse those. What both take must mean the same, and nothing malformed may pass.
    bool taken = decode(bytes, got);
    if (taken) {
      ASSERT_TRUE(ok) << testing::PrintToString(bytes);
      expect_equal(got, expected);
    }
    if (HasFailure()) FAIL() << "round " << i;
  }
  EXPECT_GT(well_formed, 10'000);
  EXPECT_GT(malformed, 1000);
}

TEST(WatchRequest, EveryWellFormedRequestIsTaken) {
  std::mt19937_64 random(7);
  for (int i = 0; i < 10'000; ++i) {
    Proto expected = random_request(random);
    WatchRequest got;
    ASSERT_TRUE(decode(expected.SerializeAsString(), got));
    expect_equal(got, expected);
  }
}

TEST(WatchRequest, UnpackedFiltersAndMerging) {
  WatchRequest got;
  // create{key a, filters NODELETE unpacked} and again create{prev_kv}: merged.
  ASSERT_TRUE(decode(std::string("\x0a\x05\x0a\x01"
                                 "a\x28\x01\x0a\x02\x30\x01",
                                 11),
                     got));
  EXPECT_EQ(got.create.key, "a");
  EXPECT_TRUE(got.create.view.no_delete);
  EXPECT_TRUE(got.create.view.prev_kv);
}

}  // namespace
}  // namespace keelson::rpc
