// Package conformance runs text scripts (tests/conformance/*.txt) against etcd and Keelson and compares
// every answer. docs/testing.md and tests/conformance/README.md describe the language.
package conformance

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"keelson/compat/harness"
)

// Script is one file: settings, then cases of commands with their expected output. All cases of a
// script share one fresh server, so revisions in the expectations are exact.
type Script struct {
	Path    string
	Servers []harness.Kind
	Flags   []string
	Cases   []*Case
	items   []item // everything, in order, for Rewrite
}

// Case is a named group of commands.
type Case struct {
	Name     string
	Commands []*Command
}

// Command is one block: the command's text, directives ("> ...") and the expected output.
type Command struct {
	Line       int
	Text       string
	Directives []string
	Expected   string
	Actual     string // filled by a run
	source     []string
}

var grpcScripts = []string{
	"kv_put", "kv_range_stream", "kv_txn_ops", "lease", "lease_keepalive", "watch_events", "watch_history",
}

// RunsOn tells whether a kind runs the script. The hostile log shows no client what it does, and keeps
// its state, so it runs all that native runs; so do the logs in SQL. The other front end changes no answer but those that
// name a transport's own limits; a few scripts with every kind of call will do.
func (s *Script) RunsOn(kind harness.Kind) bool {
	switch kind {
	case harness.Hostile, harness.SQLite, harness.Postgres:
		kind = harness.Native
	case harness.GRPC:
		name := strings.TrimSuffix(filepath.Base(s.Path), ".txt")
		return slices.Contains(grpcScripts, name)
	}
	return slices.Contains(s.Servers, kind)
}

// item is a verbatim line or a command.
type item struct {
	line    string
	command *Command
}

const separator = "----"

// Parse reads a script; every mistake in its form is an error that names the line.
func Parse(path string) (*Script, error) {
	text, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	s := &Script{Path: path, Servers: []harness.Kind{harness.Etcd, harness.Memory, harness.Native}}
	lines := strings.Split(strings.TrimRight(string(text), "\n"), "\n")
	for i := 0; i < len(lines); {
		line := lines[i]
		if strings.TrimSpace(line) == "" || strings.HasPrefix(line, "#") {
			s.items = append(s.items, item{line: line})
			i++
			continue
		}
		if known, err := s.setting(line); err != nil {
			return nil, fmt.Errorf("%s:%d: %w", path, i+1, err)
		} else if known {
			s.items = append(s.items, item{line: line})
			i++
			continue
		}
		if len(s.Cases) == 0 {
			return nil, fmt.Errorf("%s:%d: a command outside of any case", path, i+1)
		}
		command, next := parseCommand(lines, i)
		i = next
		last := s.Cases[len(s.Cases)-1]
		last.Commands = append(last.Commands, command)
		s.items = append(s.items, item{command: command})
	}
	return s, nil
}

func (s *Script) setting(line string) (bool, error) {
	word, rest, _ := strings.Cut(line, " ")
	switch word {
	case "servers:":
		s.Servers = nil
		for _, name := range strings.Fields(rest) {
			kind := harness.Kind(name)
			if kind != harness.Etcd && kind != harness.Memory && kind != harness.Native {
				return false, fmt.Errorf("unknown server %q", name)
			}
			s.Servers = append(s.Servers, kind)
		}
	case "flags:":
		s.Flags = strings.Fields(rest)
	case "case":
		name := strings.TrimSpace(rest)
		if name == "" || s.Case(name) != nil {
			return false, fmt.Errorf("case name %q is empty or taken", name)
		}
		s.Cases = append(s.Cases, &Case{Name: name})
	default:
		return false, nil
	}
	return true, nil
}

// Case finds a case by name; nil if there is none.
func (s *Script) Case(name string) *Case {
	for _, c := range s.Cases {
		if c.Name == name {
			return c
		}
	}
	return nil
}

func parseCommand(lines []string, i int) (*Command, int) {
	c := &Command{Line: i + 1}
	var text []string
	for ; i < len(lines) && lines[i] != separator && strings.TrimSpace(lines[i]) != ""; i++ {
		c.source = append(c.source, lines[i])
		if directive, ok := strings.CutPrefix(lines[i], "> "); ok {
			c.Directives = append(c.Directives, directive)
		} else {
			text = append(text, lines[i])
		}
	}
	c.Text = strings.Join(text, "\n")
	var expected []string
	if i < len(lines) && lines[i] == separator {
		for i++; i < len(lines) && strings.TrimSpace(lines[i]) != ""; i++ {
			expected = append(expected, lines[i])
		}
	}
	c.Expected = strings.Join(expected, "\n")
	return c, i
}

// Rewrite replaces every expectation by the actual output of the last run.
func (s *Script) Rewrite() error {
	var out strings.Builder
	for _, it := range s.items {
		if it.command == nil {
			out.WriteString(it.line + "\n")
			continue
		}
		for _, line := range it.command.source {
			out.WriteString(line + "\n")
		}
		out.WriteString(separator + "\n" + it.command.Actual + "\n")
	}
	return os.WriteFile(s.Path, []byte(out.String()), 0o644)
}
