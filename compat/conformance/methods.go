package conformance

import (
	"fmt"
	"strings"

	// The descriptors of every service that scripts name.
	_ "go.etcd.io/etcd/api/v3/etcdserverpb"
	_ "google.golang.org/grpc/health/grpc_health_v1"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/reflect/protoregistry"
)

// method finds "KV.Range" or "Health.Check" among the registered services.
func method(name string) (protoreflect.MethodDescriptor, error) {
	service, call, _ := strings.Cut(name, ".")
	for _, prefix := range []string{"etcdserverpb.", "grpc.health.v1."} {
		found, err := protoregistry.GlobalFiles.FindDescriptorByName(
			protoreflect.FullName(prefix + service))
		if err != nil {
			continue
		}
		if d, ok := found.(protoreflect.ServiceDescriptor); ok {
			if m := d.Methods().ByName(protoreflect.Name(call)); m != nil {
				return m, nil
			}
		}
	}
	return nil, fmt.Errorf("no command or method is called %q", name)
}

func path(m protoreflect.MethodDescriptor) string {
	return fmt.Sprintf("/%s/%s", m.Parent().FullName(), m.Name())
}

func newMessage(d protoreflect.MessageDescriptor) (proto.Message, error) {
	kind, err := protoregistry.GlobalTypes.FindMessageByName(d.FullName())
	if err != nil {
		return nil, err
	}
	return kind.New().Interface(), nil
}
