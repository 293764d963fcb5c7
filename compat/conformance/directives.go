package conformance

import (
	"fmt"
	"strconv"
	"strings"
	"time"

	"google.golang.org/grpc/metadata"
	"google.golang.org/protobuf/reflect/protoreflect"
)

// directives are a command's "> ..." lines:
//
//	save NAME path.to.field   keeps a number of the answer as $NAME, and hides it in later output
//	mask FIELD...             prints a field as * when it is not zero
//	near FIELD WANT BELOW     prints ~WANT for a number in [WANT - BELOW, WANT]
//	ties FIELD                orders runs of kvs with equal FIELD by key (etcd leaves them unordered)
//	unordered FIELD...        sorts the lines of a repeated field (etcd walks a map)
//	merge                     joins the chunks of RangeStream, whose borders are the server's business
//	shape                     describes a Snapshot stream instead of printing it
//	deadline DURATION         sets the call's deadline
//	metadata KEY=VALUE        sends a header
type directives struct {
	saves         map[string]string
	masks         map[protoreflect.Name]bool
	near          map[protoreflect.Name]nearby
	unordered     map[protoreflect.Name]bool
	ties          protoreflect.Name
	merge, shape  bool
	deadline      time.Duration
	metadataPairs metadata.MD
}

const defaultDeadline = 15 * time.Second

func parseDirectives(lines []string) (*directives, error) {
	d := &directives{
		saves: map[string]string{}, masks: map[protoreflect.Name]bool{},
		unordered: map[protoreflect.Name]bool{},
		near:      map[protoreflect.Name]nearby{}, deadline: defaultDeadline,
		metadataPairs: metadata.MD{},
	}
	for _, line := range lines {
		words := strings.Fields(line)
		if len(words) == 0 {
			return nil, fmt.Errorf("empty directive")
		}
		if err := d.set(words[0], words[1:]); err != nil {
			return nil, fmt.Errorf("directive %q: %w", line, err)
		}
	}
	return d, nil
}

func (d *directives) set(verb string, words []string) error {
	wanted := map[string]int{"save": 2, "near": 3, "ties": 1, "deadline": 1, "metadata": 1}
	if n, ok := wanted[verb]; ok && len(words) != n {
		return fmt.Errorf("takes %d words", n)
	}
	switch verb {
	case "save":
		d.saves[words[0]] = words[1]
	case "mask":
		for _, word := range words {
			d.masks[protoreflect.Name(word)] = true
		}
	case "unordered":
		for _, word := range words {
			d.unordered[protoreflect.Name(word)] = true
		}
	case "near":
		want, err1 := strconv.ParseInt(words[1], 10, 64)
		below, err2 := strconv.ParseInt(words[2], 10, 64)
		if err1 != nil || err2 != nil {
			return fmt.Errorf("not a number")
		}
		d.near[protoreflect.Name(words[0])] = nearby{want, below}
	case "ties":
		d.ties = protoreflect.Name(words[0])
	case "merge":
		d.merge = true
	case "shape":
		d.shape = true
	case "deadline":
		var err error
		d.deadline, err = time.ParseDuration(words[0])
		return err
	case "metadata":
		key, value, _ := strings.Cut(words[0], "=")
		d.metadataPairs.Append(key, value)
	default:
		return fmt.Errorf("unknown")
	}
	return nil
}
