package interop

import (
	"testing"
	"time"

	"github.com/summerwind/h2spec/config"
	"github.com/summerwind/h2spec/generic"
	"github.com/summerwind/h2spec/hpack"
	"github.com/summerwind/h2spec/http2"
	"github.com/summerwind/h2spec/reporter"
	"github.com/summerwind/h2spec/spec"
)

// Every case of h2spec's three sections, strict ones included. A skipped case is a failure too: the
// number of passed ones must not sink unseen.
func TestH2spec(t *testing.T) {
	s := start(t)
	for _, secure := range []bool{false, true} {
		name, port := "plaintext", s.plainPort
		if secure {
			name, port = "tls", s.tlsPort
		}
		t.Run(name, func(t *testing.T) {
			c := &config.Config{
				Host: "127.0.0.1", Port: port, Path: "/", Timeout: 2 * time.Second,
				MaxHeaderLen: 4000, Strict: true, TLS: secure, Insecure: true,
			}
			for _, group := range []*spec.TestGroup{generic.Spec(), http2.Spec(), hpack.Spec()} {
				group.Test(c)
				if group.FailedCount > 0 || group.SkippedCount > 0 || group.PassedCount == 0 {
					reporter.FailedTests([]*spec.TestGroup{group})
					t.Errorf("%s: %d passed, %d skipped, %d failed", group.Name,
						group.PassedCount, group.SkippedCount, group.FailedCount)
				}
			}
		})
	}
}
