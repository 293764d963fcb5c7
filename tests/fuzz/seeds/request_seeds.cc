// A request of every method with every field set, in several ways.
#include "api/proto/rpc.pb.h"
#include "tests/fuzz/seeds/seeds.h"
#include "tests/support/service_bench.h"

namespace keelson::fuzz {
namespace {

using google::protobuf::FieldDescriptor;
using google::protobuf::Message;
using google::protobuf::Reflection;

constexpr int kVariants = 6, kDepth = 4;

void fill(Message& message, int variant, int depth);

void set_one(Message& message, const FieldDescriptor& field, int variant, int depth) {
  const Reflection& reflection = *message.GetReflection();
  const bool list = field.is_repeated();
  const std::string text(1, static_cast<char>('a' + field.number()));
  const auto set = [&](auto add, auto put, auto value) {
    list ? (reflection.*add)(&message, &field, value) : (reflection.*put)(&message, &field, value);
  };
  switch (field.cpp_type()) {
    case FieldDescriptor::CPPTYPE_INT64:
      return set(&Reflection::AddInt64, &Reflection::SetInt64, int64_t{variant} - 1);
    case FieldDescriptor::CPPTYPE_UINT64:
      return set(&Reflection::AddUInt64, &Reflection::SetUInt64, static_cast<uint64_t>(variant));
    case FieldDescriptor::CPPTYPE_INT32:
      return set(&Reflection::AddInt32, &Reflection::SetInt32, int32_t{variant});
    case FieldDescriptor::CPPTYPE_UINT32:
      return set(&Reflection::AddUInt32, &Reflection::SetUInt32, static_cast<uint32_t>(variant));
    case FieldDescriptor::CPPTYPE_BOOL:
      return set(&Reflection::AddBool, &Reflection::SetBool, variant % 2 == 0);
    case FieldDescriptor::CPPTYPE_STRING:
      return set(&Reflection::AddString, &Reflection::SetString, text);
    case FieldDescriptor::CPPTYPE_ENUM:
      return set(&Reflection::AddEnumValue, &Reflection::SetEnumValue, variant);
    case FieldDescriptor::CPPTYPE_MESSAGE:
      return fill(list ? *reflection.AddMessage(&message, &field)
                       : *reflection.MutableMessage(&message, &field),
                  variant, depth + 1);
    default:
      return;
  }
}

void fill(Message& message, int variant, int depth) {
  if (depth > kDepth) return;
  const auto& type = *message.GetDescriptor();
  for (int i = 0; i < type.field_count(); ++i) {
    const FieldDescriptor& field = *type.field(i);
    // Of a union, the member that the variant and the depth choose.
    if (const auto* choice = field.containing_oneof();
        choice != nullptr && (variant + depth) % choice->field_count() != field.index_in_oneof()) {
      continue;
    }
    if (field.is_map()) continue;
    for (int n = 0; n < (field.is_repeated() ? 2 : 1); ++n) {
      set_one(message, field, variant + n, depth);
    }
  }
}

}  // namespace

void request_seeds(const Sink& sink) {
  tests::ServiceBench bench;
  etcdserverpb::WatchRequest::descriptor();  // has the linker take the descriptions of all services
  const auto* pool = google::protobuf::DescriptorPool::generated_pool();
  auto* factory = google::protobuf::MessageFactory::generated_factory();
  std::vector<std::string> paths;
  for (const auto& method : bench.methods()) paths.push_back(method.path);
  paths.push_back("/etcdserverpb.Watch/Watch");
  for (size_t i = 0; i < paths.size(); ++i) {
    std::string name = paths[i].substr(1);
    name.replace(name.find('/'), 1, ".");
    const auto* method = pool->FindMethodByName(name);
    if (method == nullptr) continue;
    for (int variant = 0; variant < kVariants; ++variant) {
      std::unique_ptr<Message> message(factory->GetPrototype(method->input_type())->New());
      fill(*message, variant, 0);
      sink("fuzz_requests", static_cast<char>(i) + message->SerializeAsString());
    }
    sink("fuzz_requests", std::string(1, static_cast<char>(i)));
  }
}

}  // namespace keelson::fuzz
