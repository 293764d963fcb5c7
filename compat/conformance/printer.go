package conformance

import (
	"crypto/sha256"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"
)

const (
	longValue = 80 // bytes printed in full
	longList  = 24 // messages of one repeated field printed in full
)

// printer prints messages so that equal messages give equal text: fields in number order, one line per
// top-level field. (The text format of the protobuf library is deliberately unstable.)
type printer struct {
	ids       identity
	masks     map[protoreflect.Name]bool   // printed as * when not zero
	unordered map[protoreflect.Name]bool   // sorted by their text
	near      map[protoreflect.Name]nearby // printed as ~want when close enough
}

// withoutOrder are fields that etcd fills from a map: their order is an accident of each answer.
var withoutOrder = map[protoreflect.FullName]bool{
	"etcdserverpb.LeaseTimeToLiveResponse.keys": true,
	"etcdserverpb.LeaseLeasesResponse.leases":   true,
}

type nearby struct{ want, tolerance int64 }

// identity is what the server calls itself; it differs from run to run and is never printed.
type identity struct{ cluster, member uint64 }

func (p *printer) message(m proto.Message) string {
	var lines []string
	p.fields(m.ProtoReflect(), func(name, value string) {
		lines = append(lines, name+": "+value)
	})
	if len(lines) == 0 {
		return "(empty)"
	}
	return strings.Join(lines, "\n")
}

func (p *printer) fields(m protoreflect.Message, emit func(name, value string)) {
	var present []protoreflect.FieldDescriptor
	m.Range(func(f protoreflect.FieldDescriptor, _ protoreflect.Value) bool {
		present = append(present, f)
		return true
	})
	slices.SortFunc(present, func(a, b protoreflect.FieldDescriptor) int {
		return int(a.Number()) - int(b.Number())
	})
	for _, f := range present {
		name, v := string(f.Name()), m.Get(f)
		switch {
		case f.IsList():
			p.list(f, v.List(), emit)
		case f.IsMap():
			emit(name, p.mapping(f, v.Map()))
		default:
			emit(name, p.value(f, v))
		}
	}
	if unknown := m.GetUnknown(); len(unknown) > 0 {
		emit("UNKNOWN_FIELDS", fmt.Sprintf("%x", []byte(unknown)))
	}
}

func (p *printer) list(
	f protoreflect.FieldDescriptor, l protoreflect.List, emit func(name, value string)) {
	all := make([]string, l.Len())
	for i := range all {
		all[i] = p.value(f, l.Get(i))
	}
	if p.unordered[f.Name()] || withoutOrder[f.FullName()] {
		slices.Sort(all)
	}
	if len(all) > longList {
		hash := sha256.Sum256([]byte(strings.Join(all, "\n")))
		emit(string(f.Name()), fmt.Sprintf("<%d entries %x>", len(all), hash[:4]))
		emit("  first", all[0])
		emit("  last", all[len(all)-1])
		return
	}
	for _, one := range all {
		emit(string(f.Name()), one)
	}
}

func (p *printer) mapping(f protoreflect.FieldDescriptor, m protoreflect.Map) string {
	var out []string
	m.Range(func(k protoreflect.MapKey, v protoreflect.Value) bool {
		out = append(out, k.String()+"="+p.value(f.MapValue(), v))
		return true
	})
	slices.Sort(out)
	return "{" + strings.Join(out, " ") + "}"
}

func (p *printer) value(f protoreflect.FieldDescriptor, v protoreflect.Value) string {
	if f.Message() != nil {
		return p.nested(v.Message())
	}
	if p.masks[f.Name()] {
		return "*"
	}
	switch f.Kind() {
	case protoreflect.BytesKind:
		return quote(v.Bytes())
	case protoreflect.StringKind:
		return quote([]byte(v.String()))
	case protoreflect.EnumKind:
		if value := f.Enum().Values().ByNumber(v.Enum()); value != nil {
			return string(value.Name())
		}
		return strconv.Itoa(int(v.Enum()))
	case protoreflect.BoolKind:
		return strconv.FormatBool(v.Bool())
	case protoreflect.Int64Kind, protoreflect.Int32Kind:
		if n, ok := p.near[f.Name()]; ok && v.Int() >= n.want-n.tolerance && v.Int() <= n.want {
			return fmt.Sprintf("~%d", n.want)
		}
		return strconv.FormatInt(v.Int(), 10)
	case protoreflect.Uint64Kind, protoreflect.Uint32Kind:
		return p.unsigned(v.Uint())
	default:
		return v.String()
	}
}

func (p *printer) unsigned(n uint64) string {
	switch {
	case n != 0 && n == p.ids.member:
		return "$MEMBER"
	case n != 0 && n == p.ids.cluster:
		return "$CLUSTER"
	}
	return strconv.FormatUint(n, 10)
}

func (p *printer) nested(m protoreflect.Message) string {
	if m.Descriptor().Name() == "ResponseHeader" {
		return p.header(m)
	}
	var parts []string
	p.fields(m, func(name, value string) { parts = append(parts, name+":"+value) })
	return "{" + strings.Join(parts, " ") + "}"
}

// header prints "ids" for the server's own identity, "no-ids" for none, then revision and term.
func (p *printer) header(m protoreflect.Message) string {
	get := func(name protoreflect.Name) protoreflect.Value {
		return m.Get(m.Descriptor().Fields().ByName(name))
	}
	out := "ids"
	switch ids := (identity{get("cluster_id").Uint(), get("member_id").Uint()}); ids {
	case p.ids:
	case identity{}:
		out = "no-ids"
	default:
		out = fmt.Sprintf("FOREIGN-IDS(%d %d)", ids.cluster, ids.member)
	}
	if p.masks["revision"] {
		return fmt.Sprintf("{%s revision:* term:%d}", out, get("raft_term").Uint())
	}
	return fmt.Sprintf("{%s revision:%d term:%d}", out, get("revision").Int(), get("raft_term").Uint())
}

func quote(b []byte) string {
	if len(b) > longValue {
		hash := sha256.Sum256(b)
		return fmt.Sprintf("<%d bytes %x>", len(b), hash[:4])
	}
	var out strings.Builder
	out.WriteByte('"')
	for _, c := range b {
		switch {
		case c == '"' || c == '\\':
			out.WriteByte('\\')
			out.WriteByte(c)
		case c >= 0x20 && c < 0x7f:
			out.WriteByte(c)
		default:
			fmt.Fprintf(&out, "\\x%02x", c)
		}
	}
	out.WriteByte('"')
	return out.String()
}
