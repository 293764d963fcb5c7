package kube

import (
	"encoding/base64"
	"fmt"
	"strings"
	"time"
)

// kind is one kind of namespaced object and how the test fills it.
type kind struct {
	version  string // apiVersion
	name     string // kind
	plural   string
	registry string // key prefix in the store
	fill     func(value string) object
	read     func(o object) string // gives back the value
}

func (k kind) root() string {
	if strings.Contains(k.version, "/") {
		return "/apis/" + k.version
	}
	return "/api/" + k.version
}

func (k kind) all() string { return k.root() + "/" + k.plural }

func (k kind) in(namespace string) string {
	return fmt.Sprintf("%s/namespaces/%s/%s", k.root(), namespace, k.plural)
}

// build makes an object; `state` goes into a label, the value into the kind's own fields.
func (k kind) build(namespace, name, state string) object {
	o := k.change(name, state)
	o["apiVersion"], o["kind"] = k.version, k.name
	o.meta()["name"], o.meta()["namespace"] = name, namespace
	switch k.plural {
	case "events":
		o["involvedObject"] = map[string]any{"kind": "Pod", "namespace": namespace, "name": name}
	case "pods":
		o["spec"] = map[string]any{"containers": []any{map[string]any{"name": "c", "image": "image"}}}
	}
	return o
}

// change is a merge patch that moves an object to another state.
func (k kind) change(name, state string) object {
	o := k.fill(valueOf(name, state))
	if o.meta() == nil {
		o["metadata"] = map[string]any{}
	}
	o.meta()["labels"] = map[string]any{"state": state}
	return o
}

// correct tells whether an object is the one of that state, unharmed.
func (k kind) correct(o object, name, state string) error {
	if o.name() != name || o.state() != state {
		return fmt.Errorf("%s %s has state %q, expected %s with %q", k.plural, o.name(), o.state(), name, state)
	}
	_, short, _ := strings.Cut(name, "/")
	if k.read(o) != valueOf(short, state) {
		return fmt.Errorf("%s %s has value %q", k.plural, name, k.read(o))
	}
	return nil
}

func valueOf(name, state string) string {
	return "value of " + name + " at " + state + strings.Repeat(".", 200)
}

// at follows a path of field names.
func at(o object, path ...string) any {
	var value any = map[string]any(o)
	for _, name := range path {
		fields, _ := value.(map[string]any)
		value = fields[name]
	}
	return value
}

func textAt(o object, path ...string) string {
	text, _ := at(o, path...).(string)
	return text
}

func builtinKinds() []kind {
	return []kind{
		{"v1", "ConfigMap", "configmaps", "/registry/configmaps/",
			func(v string) object { return object{"data": map[string]any{"value": v}} },
			func(o object) string { return textAt(o, "data", "value") }},
		{"v1", "Secret", "secrets", "/registry/secrets/",
			func(v string) object {
				return object{"data": map[string]any{"value": base64.StdEncoding.EncodeToString([]byte(v))}}
			},
			func(o object) string {
				text, _ := base64.StdEncoding.DecodeString(textAt(o, "data", "value"))
				return string(text)
			}},
		{"v1", "Pod", "pods", "/registry/pods/",
			// Of a pod's spec nearly nothing may change: the value is an annotation's.
			func(v string) object {
				return object{"metadata": map[string]any{"annotations": map[string]any{"value": v}}}
			},
			func(o object) string { return textAt(o, "metadata", "annotations", "value") }},
		{"coordination.k8s.io/v1", "Lease", "leases", "/registry/leases/",
			func(v string) object {
				return object{"spec": map[string]any{"holderIdentity": v, "leaseDurationSeconds": 40,
					"renewTime": time.Now().UTC().Format("2006-01-02T15:04:05.000000Z")}}
			},
			func(o object) string { return textAt(o, "spec", "holderIdentity") }},
	}
}

func eventKind() kind {
	return kind{"v1", "Event", "events", "/registry/events/",
		func(v string) object { return object{"message": v, "reason": "Test", "type": "Normal"} },
		func(o object) string { return textAt(o, "message") }}
}

// customKind is the n-th custom resource kind.
func customKind(n int) kind {
	plural := fmt.Sprintf("things%02d", n)
	return kind{"test.example.com/v1", fmt.Sprintf("Thing%02d", n), plural, "/registry/test.example.com/" + plural + "/",
		func(v string) object { return object{"spec": map[string]any{"value": v}} },
		func(o object) string { return textAt(o, "spec", "value") }}
}

// definition is what makes a custom kind known.
func (k kind) definition() object {
	return object{
		"apiVersion": "apiextensions.k8s.io/v1", "kind": "CustomResourceDefinition",
		"metadata": map[string]any{"name": k.plural + ".test.example.com"},
		"spec": map[string]any{
			"group": "test.example.com", "scope": "Namespaced",
			"names": map[string]any{"plural": k.plural, "singular": strings.ToLower(k.name), "kind": k.name},
			"versions": []any{map[string]any{"name": "v1", "served": true, "storage": true,
				"schema": map[string]any{"openAPIV3Schema": map[string]any{
					"type": "object", "x-kubernetes-preserve-unknown-fields": true}}}},
		},
	}
}
